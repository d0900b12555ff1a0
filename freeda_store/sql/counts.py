"""What a view shows, counted in SQL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from freeda_store.fields import Field, Holder

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection
    from sqlalchemy.orm import InstrumentedAttribute

    from freeda_store.sql.catalog import Catalog
    from freeda_store.vectors.filters import View


LISTED = 1_000
"""How many sources, and licences, are counted one by one; the rest are counted together."""


@dataclass(frozen=True)
class Totals:
    """Visible prototypes, their nouns, captions and generations, and prototypes that have no noun."""

    prototypes: int = 0
    nouns: int = 0
    captions: int = 0
    generations: int = 0
    unlabelled: int = 0


@dataclass(frozen=True)
class Shares:
    """Prototypes by a field's value: the most frequent values, and how many prototypes have another."""

    largest: Mapping[str, int] = field(default_factory=dict)
    others: int = 0


@dataclass(frozen=True)
class ViewCounts:
    """What a view shows, and how it divides by source and licence."""

    totals: Totals = field(default_factory=Totals)
    by_source: Shares = field(default_factory=Shares)
    by_license: Shares = field(default_factory=Shares)


def count_view(catalog: Catalog, view: View) -> ViewCounts:
    """Count what a view shows."""
    from freeda_store.sql.tables import CaptionRow

    totals = count_totals(catalog, view)
    with catalog.transaction() as connection:
        by_source = _count_by(connection, CaptionRow.source, view)
        by_license = _count_by(connection, CaptionRow.license, view)
    return ViewCounts(totals, shares(by_source, totals.prototypes), shares(by_license, totals.prototypes))


def count_totals(catalog: Catalog, view: View) -> Totals:
    """Count what a view shows, undivided."""
    from sqlalchemy import func, select

    from freeda_store.sql.tables import GenerationRow, PrototypeRow
    from freeda_store.sql.visibility import inside, visible

    with catalog.transaction() as connection:
        noun = func.nullif(PrototypeRow.noun, "")
        count, nouns, unlabelled = connection.execute(
            select(func.count(), func.count(noun.distinct()), func.count() - func.count(noun)).where(
                visible(view)
            )
        ).one()
        generations, captions = connection.execute(
            select(func.count(), func.count(GenerationRow.caption_id.distinct())).where(
                inside(GenerationRow.revision_id, view), GenerationRow.complete
            )
        ).one()
    return Totals(count, nouns, captions, generations, unlabelled)


def count_without_semantic(catalog: Catalog, view: View) -> int:
    """Count the prototypes that a view shows and that have no semantic vector."""
    from freeda_store.sql.revision_tables import count_rows
    from freeda_store.sql.tables import PrototypeRow
    from freeda_store.sql.visibility import visible

    lacking = PrototypeRow.semantic_digest.is_(None)
    with catalog.transaction() as connection:
        return count_rows(connection, visible(view) & lacking)


def shares(counted: Mapping[str, int], total: int) -> Shares:
    """The largest of some counts, in the order of their sizes, and what of a total is not in them."""
    largest = dict(sorted(counted.items(), key=lambda item: (-item[1], item[0]))[:LISTED])
    return Shares(largest, max(0, total - sum(largest.values())))


def tally(connection: Connection, field: Field, view: View) -> dict[str, int]:
    """How many visible prototypes have each value of a text field, the most frequent first."""
    from freeda_store.sql.tables import CaptionRow, GenerationRow, PrototypeRow

    rows = {
        Holder.CAPTION: CaptionRow,
        Holder.GENERATION: GenerationRow,
        Holder.PROTOTYPE: PrototypeRow,
    }
    return _count_by(connection, getattr(rows[field.holder], field.columns[0]), view, most=None)


def _count_by(
    connection: Connection, column: InstrumentedAttribute[str], view: View, most: int | None = LISTED
) -> dict[str, int]:
    from sqlalchemy import func, select

    from freeda_store.sql.tables import CaptionRow, GenerationRow, PrototypeRow
    from freeda_store.sql.visibility import visible

    rows = connection.execute(
        select(column, func.count())
        .select_from(PrototypeRow)
        .join(GenerationRow, GenerationRow.id == PrototypeRow.generation_id)
        .join(CaptionRow, CaptionRow.id == GenerationRow.caption_id)
        .where(visible(view))
        .group_by(column)
        .order_by(func.count().desc(), column)
        .limit(most)
    )
    return {str(value): int(count) for value, count in rows}
