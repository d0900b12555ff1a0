"""What one committed revision added, read from SQL a page at a time.

No transaction is open between pages, and what is kept between them is one generation key per page.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.engine import Connection

from freeda_store.fields import attributes
from freeda_store.records import Prototype
from freeda_store.sharing.parts import PART_GENERATIONS, SharedGeneration
from freeda_store.sql.catalog import Catalog
from freeda_store.sql.row_values import check_row
from freeda_store.sql.rows import read_caption, read_fields
from freeda_store.sql.tables import CaptionRow, GenerationRow, PrototypeRow


def page_starts(catalog: Catalog, revision: int, skip: int) -> list[UUID]:
    """The first generation key of each page of a revision, after the first ``skip`` pages."""
    place = func.row_number().over(order_by=GenerationRow.key) - 1
    numbered = (
        select(GenerationRow.key, place.label("place"))
        .where(GenerationRow.revision_id == revision)
        .subquery()
    )
    first_of_page = numbered.c.place % PART_GENERATIONS == 0
    query = select(numbered.c.key).where(first_of_page, numbered.c.place >= skip * PART_GENERATIONS)
    with catalog.transaction() as connection:
        return list(connection.execute(query.order_by(numbered.c.key)).scalars())


def read_page(
    catalog: Catalog, revision: int, first: UUID, before: UUID | None
) -> tuple[SharedGeneration, ...]:
    """Generations of a revision by key, from ``first`` up to but without ``before``."""
    # The sum keeps SQLite from sorting the whole revision for every page: it then walks the index on keys.
    mine = (GenerationRow.revision_id + 0 == revision) & (GenerationRow.key >= first)
    query = (
        select(GenerationRow.__table__, CaptionRow.__table__)
        .select_from(GenerationRow)
        .join(CaptionRow, CaptionRow.id == GenerationRow.caption_id)
        .where(mine if before is None else mine & (GenerationRow.key < before))
        .order_by(GenerationRow.key)
    )
    with catalog.transaction() as connection:
        rows = connection.execute(query).all()
        prototypes = _prototypes(connection, [row._mapping[GenerationRow.__table__.c.id] for row in rows])
    return tuple(_generation(row, prototypes) for row in rows)


def _prototypes(connection: Connection, generations: Sequence[int]) -> dict[int, list[Prototype]]:
    """Prototypes by the id of their generation's row, in the order of their own ids."""
    table = PrototypeRow.__table__
    query = select(table).where(table.c.generation_id.in_(generations)).order_by(table.c.id)
    found: dict[int, list[Prototype]] = {}
    for row in connection.execute(query):
        check_row(row, PrototypeRow)
        prototype = Prototype(id=row.id, **attributes(read_fields(PrototypeRow, row)))
        found.setdefault(row.generation_id, []).append(prototype)
    return found


def _generation(row: Any, prototypes: dict[int, list[Prototype]]) -> SharedGeneration:
    check_row(row, GenerationRow, CaptionRow)
    get = row._mapping
    g = GenerationRow.__table__.c
    return SharedGeneration(
        key=get[g.key],
        caption=read_caption(row, extra=get[CaptionRow.__table__.c.extra]),
        notes=tuple(get[g.notes]),
        complete=get[g.complete],
        prototypes=tuple(prototypes.get(get[g.id], ())),
        **read_fields(GenerationRow, row),
    )
