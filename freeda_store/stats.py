"""What is in a bank, counted for one of its revisions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from sqlalchemy import func, select
from sqlalchemy.engine import Connection
from sqlalchemy.orm import InstrumentedAttribute

from freeda_store.catalog import inside, visible
from freeda_store.manifest import Manifest, ModelRecord
from freeda_store.records import JsonValue
from freeda_store.stores import Stores
from freeda_store.tables import CaptionRow, GenerationRow, PrototypeRow
from freeda_store.vectors.filters import View

DATABASE_NAME = "bank.sqlite"


@dataclass(frozen=True)
class BankStats:
    """Counts of what a view shows, and sizes of the whole bank.

    Attributes:
        revision: number of the view's revision, None before the first commit.
        prototypes, nouns, captions, generations: what the view shows.
        revisions: committed ones, in the whole bank.
        unfinished_runs: open revisions, left by runs that ended early or still go on.
        by_source, by_license: visible prototypes of each; ``""`` stands for unknown.
        bytes_sql, bytes_vectors, bytes_thumbnails: on disk, all revisions together.
        preset: name of the preset that made the bank.
        models: clip, backbone, generator, nouns, keys.
    """

    revision: int | None
    prototypes: int
    nouns: int
    captions: int
    generations: int
    revisions: int
    unfinished_runs: int
    by_source: Mapping[str, int]
    by_license: Mapping[str, int]
    bytes_sql: int
    bytes_vectors: int
    bytes_thumbnails: int
    preset: str
    models: Mapping[str, ModelRecord]

    def to_json(self) -> dict[str, JsonValue]:
        """Plain values for ``json.dumps``, with the attributes' names as keys."""
        models: dict[str, JsonValue] = {role: model.model_dump() for role, model in self.models.items()}
        return asdict(self) | {"models": models}


def count_stats(
    stores: Stores, manifest: Manifest, view: View, *, revision: int | None, revisions: int, unfinished: int
) -> BankStats:
    """Count what a view shows and how much room the bank takes."""
    with stores.catalog.transaction() as connection:
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
    return BankStats(
        revision=revision,
        prototypes=count,
        nouns=nouns,
        captions=captions,
        generations=generations,
        revisions=revisions,
        unfinished_runs=unfinished,
        by_source=by_source,
        by_license=by_license,
        bytes_sql=sum(path.stat().st_size for path in stores.folder.glob(f"{DATABASE_NAME}*")),
        bytes_vectors=stores.vectors.size_bytes(),
        bytes_thumbnails=stores.thumbnails.size_bytes(),
        preset=manifest.preset,
        models=manifest.models(),
    )


def _count_by(connection: Connection, column: InstrumentedAttribute[str], view: View) -> dict[str, int]:
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
