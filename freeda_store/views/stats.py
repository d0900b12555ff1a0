"""What is in a bank, counted for one of its revisions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from freeda_store.errors import ReadOnlyBankError
from freeda_store.manifest import Manifest, ModelRecord
from freeda_store.records import JsonValue
from freeda_store.sql.counts import count_view, count_without_semantic
from freeda_store.vectors.filters import View
from freeda_store.writing.stores import Stores


@dataclass(frozen=True)
class BankStats:
    """Counts of what a view shows, and sizes of the whole bank.

    Attributes:
        revision: number of the view's revision, None before the first commit.
        prototypes, nouns, captions, generations: what the view shows.
        unlabelled: visible prototypes of regions that nobody named.
        revisions: committed ones, in the whole bank.
        unfinished_runs: open revisions, left by runs that ended early or still go on.
        by_source, by_license: visible prototypes of each, of the most frequent ones at most
            ``counts.LISTED``; ``""`` stands for unknown.
        other_sources, other_licenses: visible prototypes of all those that are not listed.
        bytes_sql, bytes_vectors, bytes_thumbnails: on disk, all revisions together; None where it
            is not known, for a server or an object store does not report it.
        without_semantic: visible prototypes that lack CLIP's view of their region, which neighbours of a
            region bring; None where the bank is read without SQL.
        preset: name of the preset that made the bank.
        models: clip, backbone, generator, nouns, keys.
    """

    revision: int | None
    prototypes: int
    nouns: int
    captions: int
    generations: int
    unlabelled: int
    revisions: int
    unfinished_runs: int
    by_source: Mapping[str, int]
    by_license: Mapping[str, int]
    other_sources: int
    other_licenses: int
    bytes_sql: int | None
    bytes_vectors: int | None
    bytes_thumbnails: int | None
    without_semantic: int | None
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
    counts = stores.known.published_counts(revision) or count_view(stores.catalog, view)
    totals = counts.totals
    return BankStats(
        revision=revision,
        prototypes=totals.prototypes,
        nouns=totals.nouns,
        captions=totals.captions,
        generations=totals.generations,
        unlabelled=totals.unlabelled,
        revisions=revisions,
        unfinished_runs=unfinished,
        by_source=counts.by_source.largest,
        by_license=counts.by_license.largest,
        other_sources=counts.by_source.others,
        other_licenses=counts.by_license.others,
        bytes_sql=stores.known.size_bytes(),
        bytes_vectors=_vector_bytes(stores),
        bytes_thumbnails=stores.thumbnails.size_bytes(),
        without_semantic=_without_semantic(stores, view),
        preset=manifest.preset,
        models=manifest.models(),
    )


def _without_semantic(stores: Stores, view: View) -> int | None:
    try:
        catalog = stores.catalog
    except ReadOnlyBankError:
        return None
    return count_without_semantic(catalog, view)


def _vector_bytes(stores: Stores) -> int | None:
    """Those of the engine and of the copies that readers have; None where the engine does not tell."""
    engine = stores.vectors.size_bytes()
    return None if engine is None else engine + stores.copies.size_bytes()
