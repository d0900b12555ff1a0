"""Filtered retrieval: the folder's engine against qdrant-client's local mode and faiss.

Every side answers the same questions: the 350 nearest text keys of each of 150 classes, among the half
of the prototypes that a filter lets through. faiss (HNSW, M = 32) gets the filter as a bitmap that is
ready, and the smallest efSearch whose recall@350 against the exact answer reaches 0.95. Local mode is
measured up to 20,000 only, and with a tenth of the questions, since its time grows with both.

Goals: local mode at least 100 times slower at 20,000; faiss not faster.

Usage: ``python -m benchmarks.retrieval [--points 20000 200000] [--rounds 3]``
"""

from __future__ import annotations

import argparse
import gc
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from benchmarks.picture_time import median_seconds
from benchmarks.synthetic import SIZES, around, unit_rows
from freeda_models.protocols import FloatArray
from freeda_store import parse_filter
from freeda_store.vectors.edge import EdgeVectors
from freeda_store.vectors.filters import PointFilter, View
from freeda_store.vectors.protocol import Point, VectorSizes, VectorStore
from freeda_store.vectors.server import ServerVectors

CLASSES = 150
K = 350
RECALL = 0.95
LOCAL_SHARE = 10
LOCAL_LIMIT = 20_000
BATCH = 2048
WHERE = PointFilter(parse_filter(["source=coco"]), View(((1, 1),)))


@dataclass(frozen=True)
class Questions:
    """What is asked of every side.

    Attributes:
        keys: float32 (N, D), all text keys.
        allowed: bool (N,), what the filter lets through.
        queries: float32 (150, D).
        truth: int (150, 350), rows of the exact answer.
    """

    keys: FloatArray
    allowed: NDArray[np.bool_]
    queries: FloatArray
    truth: NDArray[np.intp]


def ask(count: int) -> Questions:
    """Keys around 1,000 nouns, of which 150 are asked for."""
    rng = np.random.default_rng(count)
    nouns = unit_rows(rng, 1000, SIZES.text)
    keys = around(rng, nouns[rng.integers(0, len(nouns), count)])
    allowed = rng.random(count) < 0.5
    queries = around(rng, nouns[:CLASSES])
    scores = np.where(allowed, queries @ keys.T, -np.inf)
    return Questions(keys, allowed, queries, np.argsort(-scores, axis=1)[:, :K])


def points(questions: Questions) -> Iterator[list[Point]]:
    """The keys as points, in batches."""
    rng = np.random.default_rng(1)
    for start in range(0, len(questions.keys), BATCH):
        rows = range(start, min(start + BATCH, len(questions.keys)))
        visuals = unit_rows(rng, len(rows), SIZES.visual)
        yield [
            Point(
                id=UUID(int=row + 1),
                text=questions.keys[row],
                visual=visuals[row - start],
                payload={
                    "noun": f"noun {row % 1000}",
                    "source": "coco" if questions.allowed[row] else "other",
                    "added_in": 1,
                    "retired_in": [],
                },
            )
            for row in rows
        ]


def recall(found: list[set[int]], truth: NDArray[np.intp]) -> float:
    """Share of the exact answers that were found."""
    return float(np.mean([len(set(row.tolist()) & each) / K for each, row in zip(found, truth, strict=True)]))


def rows_of(store: VectorStore, queries: FloatArray) -> list[set[int]]:
    """The rows that a store finds for each query."""
    return [{id_.int - 1 for id_ in hits.ids} for hits in store.nearest(queries, K, WHERE)]


def fill(store: VectorStore, questions: Questions) -> float:
    """Write all points; returns the seconds."""
    started = time.perf_counter()
    for batch in points(questions):
        store.upsert(batch)
    store.optimize()
    return time.perf_counter() - started


def report(name: str, seconds: float, found: float, filled: float, base: float | None) -> None:
    """Print a row of the table."""
    ratio = f"{seconds / base:.2f}" if base else "1"
    print(f"| {name} | {seconds:.3f} s | {ratio} | {found:.3f} | {filled:.1f} s |", flush=True)


def measure_edge(questions: Questions, rounds: int) -> float:
    """Print the engine of folders; returns its seconds."""
    with tempfile.TemporaryDirectory() as temporary:
        sizes = VectorSizes(SIZES.text, SIZES.visual)
        store = EdgeVectors.create(Path(temporary) / "vectors", sizes)
        filled = fill(store, questions)
        found = recall(rows_of(store, questions.queries), questions.truth)
        seconds = median_seconds(lambda: store.nearest(questions.queries, K, WHERE), rounds)
        report("Qdrant Edge, as freeda uses it", seconds, found, filled, None)
        store.close()
    return seconds


def measure_local(questions: Questions, base: float) -> None:
    """Print qdrant-client's local mode."""
    from qdrant_client import QdrantClient

    warnings.filterwarnings("ignore", message="Local mode performs exact")
    store = ServerVectors.create(QdrantClient(":memory:"), "bench", VectorSizes(SIZES.text, SIZES.visual))
    filled = fill(store, questions)
    few = questions.queries[: CLASSES // LOCAL_SHARE]
    found = recall(rows_of(store, few), questions.truth[: len(few)])
    seconds = LOCAL_SHARE * median_seconds(lambda: store.nearest(few, K, WHERE), 1)
    report("qdrant-client, local mode", seconds, found, filled, base)


def measure_faiss(questions: Questions, rounds: int, base: float) -> None:
    """Print faiss' HNSW at the smallest efSearch that finds enough, and its exact scan."""
    import faiss

    bitmap = faiss.IDSelectorBitmap(np.packbits(questions.allowed, bitorder="little"))
    graph = faiss.IndexHNSWFlat(SIZES.text, 32, faiss.METRIC_INNER_PRODUCT)
    flat = faiss.IndexFlatIP(SIZES.text)

    def filled(index: faiss.Index) -> float:
        started = time.perf_counter()
        index.add(questions.keys)
        return time.perf_counter() - started

    def search(index: faiss.Index, options: faiss.SearchParameters) -> Callable[[], NDArray[np.int64]]:
        return lambda: index.search(questions.queries, K, params=options)[1]

    def found(run: Callable[[], NDArray[np.int64]]) -> float:
        return recall([set(row.tolist()) for row in run()], questions.truth)

    built = filled(graph)
    for ef in (350, 500, 700, 1000, 1400, 2000, 2800, 4000, 8000):
        run = search(graph, faiss.SearchParametersHNSW(sel=bitmap, efSearch=ef))
        if found(run) >= RECALL:
            break
    report(f"faiss HNSW, efSearch {ef}", median_seconds(run, rounds), found(run), built, base)
    copied = filled(flat)
    run = search(flat, faiss.SearchParameters(sel=bitmap))
    report("faiss, exact", median_seconds(run, rounds), found(run), copied, base)


def main() -> None:
    """Print a table a size."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--points", type=int, nargs="+", default=[20_000, 200_000])
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    for count in options.points:
        questions = ask(count)
        print(f"\n{count:,} prototypes, {questions.allowed.sum():,} of them after the filter; k = {K}\n")
        print(f"| engine | {CLASSES} classes | ratio | recall@{K} | filling |\n|---|---:|---:|---:|---:|")
        base = measure_edge(questions, options.rounds)
        if count <= LOCAL_LIMIT:
            measure_local(questions, base)
        measure_faiss(questions, options.rounds, base)
        del questions
        gc.collect()


if __name__ == "__main__":
    main()
