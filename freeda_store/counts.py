"""What a view shows, counted in SQL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection
    from sqlalchemy.orm import InstrumentedAttribute

    from freeda_store.catalog import Catalog
    from freeda_store.vectors.filters import View


@dataclass(frozen=True)
class ViewCounts:
    """Visible prototypes, their nouns, captions and generations; prototypes by source and licence."""

    prototypes: int = 0
    nouns: int = 0
    captions: int = 0
    generations: int = 0
    by_source: Mapping[str, int] = field(default_factory=dict)
    by_license: Mapping[str, int] = field(default_factory=dict)


def count_view(catalog: Catalog, view: View) -> ViewCounts:
    """Count what a view shows."""
    from sqlalchemy import func, select

    from freeda_store.catalog import inside, visible
    from freeda_store.tables import CaptionRow, GenerationRow, PrototypeRow

    with catalog.transaction() as connection:
        count, nouns = connection.execute(
            select(func.count(), func.count(PrototypeRow.noun.distinct())).where(visible(view))
        ).one()
        generations, captions = connection.execute(
            select(func.count(), func.count(GenerationRow.caption_id.distinct())).where(
                inside(GenerationRow.revision_id, view), GenerationRow.complete
            )
        ).one()
        by_source = _count_by(connection, CaptionRow.source, view)
        by_license = _count_by(connection, CaptionRow.license, view)
    return ViewCounts(count, nouns, captions, generations, by_source, by_license)


def _count_by(connection: Connection, column: InstrumentedAttribute[str], view: View) -> dict[str, int]:
    from sqlalchemy import func, select

    from freeda_store.catalog import visible
    from freeda_store.tables import CaptionRow, GenerationRow, PrototypeRow

    rows = connection.execute(
        select(column, func.count())
        .select_from(PrototypeRow)
        .join(GenerationRow, GenerationRow.id == PrototypeRow.generation_id)
        .join(CaptionRow, CaptionRow.id == GenerationRow.caption_id)
        .where(visible(view))
        .group_by(column)
        .order_by(func.count().desc(), column)
    )
    return {str(value): int(count) for value, count in rows}
