"""Rows of the bank's tables from values, and values from rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias
from uuid import UUID

from sqlalchemy import ColumnElement, Insert, Select, insert, select
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import Connection

from freeda_store.digests import Checksums
from freeda_store.fields import Holder, Holds, attributes, caption_of, fields_of, from_columns, to_columns
from freeda_store.ids import caption_key
from freeda_store.payload import StoredPrototype
from freeda_store.records import Caption, JsonValue, Origin, Prototype
from freeda_store.sql.row_values import check_row
from freeda_store.sql.tables import Base, CaptionRow, GenerationRow, PrototypeRow, RetirementRow

if TYPE_CHECKING:
    from freeda_store.sharing.parts import SharedGeneration

IN_LIST = 500
"""Values in one IN list; SQLite has a limit."""


@dataclass(frozen=True)
class StoredGeneration:
    """A drawn caption on its way into SQL, its prototypes' points written already."""

    key: UUID
    caption: Caption
    seed: int
    picture_key: str
    notes: tuple[str, ...]
    prototypes: tuple[StoredPrototype, ...]
    complete: bool = True
    origin: str = Origin.GENERATED.value


Generation: TypeAlias = "StoredGeneration | SharedGeneration"


def every_prototype() -> Select[Any]:
    """All prototypes with their generations and captions, in the order of their ids."""
    return (
        select(PrototypeRow.__table__, GenerationRow.__table__, CaptionRow.__table__)
        .select_from(PrototypeRow)
        .join(GenerationRow, GenerationRow.id == PrototypeRow.generation_id)
        .join(CaptionRow, CaptionRow.id == GenerationRow.caption_id)
        .order_by(PrototypeRow.id)
    )


def read_prototype(row: Any) -> StoredPrototype:
    """A row of :func:`every_prototype`.

    Raises:
        BankDamagedError: a value is of another type than its column.
    """
    get = row._mapping
    p, g = PrototypeRow.__table__.c, GenerationRow.__table__.c
    check_row(row, PrototypeRow, GenerationRow, CaptionRow)
    return StoredPrototype(
        id=get[p.id],
        generation=get[g.key],
        caption=read_caption(row, extra={}),
        added_in=get[p.revision_id],
        **attributes(read_fields(PrototypeRow, row) | read_fields(GenerationRow, row)),
    )


def read_fields(table: type[Base], row: Any) -> dict[str, Any]:
    """Values by field, of a row with all columns of a table."""
    columns, get = table.__table__.c, row._mapping
    return from_columns(Holder(table.__tablename__), lambda name: get[columns[name]])


def thumbnail_columns(table: type[Base]) -> list[ColumnElement[str]]:
    """The columns of a table that hold keys of thumbnails."""
    fields = fields_of(Holder(table.__tablename__))
    return [table.__table__.c[field.columns[0]] for field in fields if field.holds is Holds.THUMBNAIL]


def read_caption(row: Any, extra: Mapping[str, JsonValue]) -> Caption:
    """The caption of a row with all columns of captions."""
    return caption_of(read_fields(CaptionRow, row), extra)


def caption_row(id_: UUID, caption: Caption) -> dict[str, Any]:
    """A caption's row."""
    return {"id": id_, **to_columns(Holder.CAPTION, caption), "extra": dict(caption.extra)}


def insert_new(connection: Connection, table: type[Base]) -> Insert:
    """An insert that leaves out rows whose key is there already, put there by another writer meanwhile."""
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects import postgresql  # which folders need not wait for

        return postgresql.insert(table).on_conflict_do_nothing()
    return sqlite.insert(table).on_conflict_do_nothing()


def insert_generations(
    connection: Connection,
    revision: int,
    generations: Sequence[Generation],
    proofs: Mapping[UUID, Checksums],
) -> None:
    """Insert generations of one revision with their prototypes, and the captions that are new.

    Args:
        connection: in a transaction.
        revision: which writes them.
        generations: their points are written already.
        proofs: checksums of each of their prototypes.
    """
    if not generations:
        return
    captions = {caption_key(g.caption): g.caption for g in generations}
    rows = [caption_row(id_, captions[id_]) for id_ in sorted(captions)]
    connection.execute(insert_new(connection, CaptionRow), rows)
    connection.execute(insert(GenerationRow), [_generation_row(revision, g) for g in generations])
    ids = _generation_ids(connection, revision, [g.key for g in generations])
    prototypes = [
        _prototype_row(revision, ids[g.key], each, proofs[each.id])
        for g in generations
        for each in g.prototypes
    ]
    if prototypes:
        connection.execute(insert(PrototypeRow), prototypes)


def _generation_ids(connection: Connection, revision: int, keys: Sequence[UUID]) -> dict[UUID, int]:
    found: dict[UUID, int] = {}
    for start in range(0, len(keys), IN_LIST):
        wanted = GenerationRow.key.in_(keys[start : start + IN_LIST])
        query = select(GenerationRow.key, GenerationRow.id).where(
            wanted, GenerationRow.revision_id == revision
        )
        found |= {row.key: row.id for row in connection.execute(query)}
    return found


def _generation_row(revision: int, generation: Generation) -> dict[str, Any]:
    return {
        "key": generation.key,
        "revision_id": revision,
        "caption_id": caption_key(generation.caption),
        **to_columns(Holder.GENERATION, generation),
        "notes": list(generation.notes),
        "complete": generation.complete,
    }


def _prototype_row(revision: int, generation: int, prototype: Prototype, proof: Checksums) -> dict[str, Any]:
    return {
        "id": prototype.id,
        "generation_id": generation,
        "revision_id": revision,
        **to_columns(Holder.PROTOTYPE, prototype),
        "vectors_digest": proof.vectors,
        "record_digest": proof.record,
        "semantic_digest": proof.semantic,
    }


def insert_retirements(connection: Connection, revision: int, ids: Sequence[UUID]) -> None:
    """Insert what a revision hides, leaving out what it hides already."""
    known = set(
        connection.execute(
            select(RetirementRow.prototype_id).where(RetirementRow.revision_id == revision)
        ).scalars()
    )
    rows = [{"prototype_id": id_, "revision_id": revision} for id_ in dict.fromkeys(ids) if id_ not in known]
    if rows:
        connection.execute(insert(RetirementRow), rows)
