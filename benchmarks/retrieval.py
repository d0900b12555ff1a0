"""Filtered retrieval: the folder's engine against qdrant-client's local mode and faiss.

Every side answers the same questions: the 350 nearest text keys of each of 150 classes, among the half
of the prototypes that a filter lets through. faiss (HNSW, M = 32) gets the filter as a bitmap that is
ready, and the smallest efSearch whose recall@350 against the exact answer reaches 0.95. Local mode is
measured up to 20,000 only, and with a tenth of the questions, since its time grows with both.

Goals: local mode at least 100 times slower at 20,000; faiss not faster.

With ``--regions`` the other direction is measured: the 20 nearest visual vectors of each of 500 regions,
among all prototypes, as readers of a folder search them: all of them, and in cells as a bank of 200,000 or
more keeps them; against faiss: its exact scan, HNSW (M = 32) and IVF-PQ (128 bytes a vector), each of these
at the smallest effort that reaches a recall of 0.95, and of 0.99, or else at the greatest.
The vectors are simulated: clusters of clusters, as things of one noun in several poses, of different lengths,
and a tenth of the prototypes share the region of another. Seconds of this direction are the processor's, all
threads together, so that other load changes little; ``OMP_NUM_THREADS=1`` keeps waiting threads out of
them. How long loading or filling takes, and how much memory it adds, are told. ``--without hnsw`` leaves out
what takes long to fill, or much memory. Codes of cells lie in a file that is mapped; here they are
in memory.

Goals: no slower than faiss at equal recall; under 0.3 s for 20,000; from 200,000 on growth below linear.

Usage: ``python -m benchmarks.retrieval [--points 20000 200000] [--rounds 3] [--regions] [--without hnsw]``
"""

from __future__ import annotations

import argparse
import gc
import resource
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from benchmarks.picture_time import median_seconds
from benchmarks.synthetic import SIZES, around, unit_rows
from freeda_models.protocols import FloatArray
from freeda_models.unit_vectors import normalised
from freeda_store import parse_filter
from freeda_store.vectors.candidates import Places, Read
from freeda_store.vectors.distinct import Distinct
from freeda_store.vectors.edge import EdgeVectors
from freeda_store.vectors.filters import PointFilter, View
from freeda_store.vectors.protocol import Point, VectorSizes, VectorStore
from freeda_store.vectors.scan import LOOKED_INTO, VisualScan
from freeda_store.vectors.server import ServerVectors

CLASSES = 150
K = 350
RECALL, FINE_RECALL = 0.95, 0.99
REGIONS, NEIGHBOURS = 500, 20
COSINE_TOLERANCE = 1e-4
LOCAL_SHARE = 10
LOCAL_LIMIT = 20_000
BATCH = 2048
FILLED, TRAINED = 50_000, 150_000
"""Vectors that faiss takes in at once, and those that it is trained with."""
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


@dataclass(frozen=True)
class Regions:
    """What is asked from regions.

    Attributes:
        visuals: float16 (N, D), all visual vectors.
        queries: float32 (500, D), unit length.
        truth: float32 (500, 20), the cosines of the exact answer, highest first.
    """

    visuals: NDArray[np.float16]
    queries: FloatArray
    truth: FloatArray


def ask_regions(count: int) -> Regions:
    """Visual vectors around poses of 1,000 nouns, of different lengths, and regions near some of them."""
    rng = np.random.default_rng(count)
    nouns = unit_rows(rng, 1000, SIZES.visual)
    poses = around(rng, np.repeat(nouns, 8, axis=0))
    visuals = np.empty((count, SIZES.visual), dtype=np.float16)
    for start in range(0, count, BATCH):
        rows = around(rng, poses[rng.integers(0, len(poses), min(BATCH, count - start))])
        visuals[start : start + BATCH] = rows * rng.uniform(20, 50, (len(rows), 1))
    shared = rng.random(count) < 0.1
    visuals[shared] = visuals[rng.integers(0, count, int(shared.sum()))]
    queries = around(rng, poses[rng.integers(0, len(poses), REGIONS)])
    best = np.full((REGIONS, NEIGHBOURS), -1, dtype=np.float32)
    for start in range(0, count, BATCH):
        scores = queries @ directions(visuals[start : start + BATCH]).T
        best = -np.sort(-np.concatenate([best, scores], axis=1), axis=1)[:, :NEIGHBOURS]
    return Regions(visuals, queries, best)


def directions(halves: NDArray[np.float16]) -> FloatArray:
    """Vectors of unit length, float32."""
    return normalised(halves.astype(np.float32))


def recall_of(cosines: FloatArray, truth: FloatArray) -> float:
    """Share of the exact answers that were found: of equal cosines any will do."""
    return float(
        (cosines >= truth[:, -1:] - COSINE_TOLERANCE).sum(axis=1).clip(max=NEIGHBOURS).mean() / NEIGHBOURS
    )


def measure_regions(count: int, rounds: int, without: Sequence[str]) -> None:
    """Print a table of who finds the neighbours of regions."""
    asked = ask_regions(count)
    print(f"\n{count:,} prototypes, {REGIONS} regions; k = {NEIGHBOURS}\n")
    print("| engine | all regions | ratio | recall@20 | loading, filling | memory |")
    print("|---|---:|---:|---:|---:|---:|")
    base = measure_own("freeda, all compared", [LOOKED_INTO], Distinct.of, asked, rounds, None)
    measure_own("freeda, in cells", [LOOKED_INTO // 8, LOOKED_INTO], Distinct.in_cells, asked, rounds, base)
    for side in faiss_sides(count, without):
        measure_side(side, asked, rounds, base)


def measure_own(
    name: str,
    efforts: Sequence[int],
    arrange: Callable[[Read, int, int], Distinct],
    asked: Regions,
    rounds: int,
    base: float | None,
) -> float:
    """Print how vectors are found that are arranged in some way; returns the seconds of the last effort."""
    count, width = asked.visuals.shape

    def read(places: Places) -> FloatArray:
        return asked.visuals[places].astype(np.float32)

    before, started = resident_bytes(), time.process_time()
    vectors = arrange(read, count, width)
    loaded, held = time.process_time() - started, resident_bytes() - before
    everywhere, seconds = np.arange(count), 0.0
    for effort in efforts:
        scan = VisualScan(read, vectors, width, effort)

        def search(scan: VisualScan = scan) -> FloatArray:
            return np.stack([f.similarities for f in scan.nearest(asked.queries, NEIGHBOURS, everywhere)])

        found = recall_of(search(), asked.truth)
        seconds = processor_seconds(search, rounds)
        told = name if len(efforts) == 1 else f"{name}, {effort:,} looked into"
        report_regions(told, seconds, found, loaded, held, base)
    return seconds


@dataclass(frozen=True)
class Side:
    """An index of faiss, and the efforts with which it may be asked, rising."""

    name: str
    index: Any
    efforts: dict[str, Any]


def faiss_sides(count: int, without: Sequence[str]) -> Iterator[Side]:
    """The indexes that are compared, one after another."""
    import faiss

    if "exact" not in without:
        yield Side("faiss, exact", faiss.IndexFlatIP(SIZES.visual), {"": None})
    if "ivf-pq" not in without:
        cells = int(2 * count**0.5)
        inverted = faiss.index_factory(SIZES.visual, f"IVF{cells},PQ128", faiss.METRIC_INNER_PRODUCT)
        for trained in (inverted.cp, inverted.pq.cp):
            trained.niter, trained.max_points_per_centroid = 5, 64
        probes = [probe for probe in (1, 2, 4, 8, 16, 32, 64, 128) if probe < cells]
        efforts = {f"nprobe {n}": faiss.SearchParametersIVF(nprobe=n) for n in probes}
        yield Side("faiss IVF-PQ", inverted, efforts)
    if "hnsw" not in without:
        graph = faiss.IndexHNSWFlat(SIZES.visual, 32, faiss.METRIC_INNER_PRODUCT)
        widths = (40, 80, 160, 320, 640, 1280)
        yield Side(
            "faiss HNSW", graph, {f"efSearch {n}": faiss.SearchParametersHNSW(efSearch=n) for n in widths}
        )


def measure_side(side: Side, asked: Regions, rounds: int, base: float) -> None:
    """Fill an index, and print what it takes to reach each recall; or the most that it reaches."""
    before, started = resident_bytes(), time.process_time()
    if not side.index.is_trained:
        chosen = np.random.default_rng(0).permutation(len(asked.visuals))[:TRAINED]
        side.index.train(directions(asked.visuals[np.sort(chosen)]))
    for start in range(0, len(asked.visuals), FILLED):
        side.index.add(directions(asked.visuals[start : start + FILLED]))
    filled, held = time.process_time() - started, resident_bytes() - before
    wanted = [RECALL, FINE_RECALL]
    for effort, options in side.efforts.items():
        rows = side.index.search(asked.queries, NEIGHBOURS, params=options)[1]
        hits = directions(asked.visuals[rows.ravel()]).reshape(*rows.shape, -1)
        cosines = np.einsum("qd,qkd->qk", asked.queries, hits)
        cosines[rows < 0] = -1
        found = recall_of(cosines, asked.truth)
        if found < wanted[0] and effort != list(side.efforts)[-1]:
            continue

        def search(options: Any = options) -> Any:
            return side.index.search(asked.queries, NEIGHBOURS, params=options)

        name = f"{side.name}, {effort}".rstrip(", ")
        report_regions(name, processor_seconds(search, rounds), found, filled, held, base)
        wanted = [each for each in wanted if found < each]
        if not wanted:
            return


def report_regions(
    name: str, seconds: float, found: float, filled: float, held: int, base: float | None
) -> None:
    """Print a row of a table of regions."""
    ratio = f"{seconds / base:.2f}" if base else "1"
    row = (f"{seconds:.3f} s", ratio, f"{found:.3f}", f"{filled:.1f} s", f"{held / 1e6:,.0f} MB")
    print(f"| {name} | {' | '.join(row)} |", flush=True)


def processor_seconds(work: Callable[[], object], rounds: int) -> float:
    """The median of what some work takes of the processor."""
    taken = []
    for _ in range(rounds):
        started = time.process_time()
        work()
        taken.append(time.process_time() - started)
    return statistics.median(taken)


def resident_bytes() -> int:
    """Memory that this process holds at the moment."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def main() -> None:
    """Print a table a size."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--points", type=int, nargs="+", default=[20_000, 200_000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--regions", action="store_true", help="from regions, not from classes")
    parser.add_argument("--without", nargs="+", default=[], choices=["hnsw", "ivf-pq", "exact"])
    options = parser.parse_args()
    for count in options.points if options.regions else ():
        measure_regions(count, options.rounds, options.without)
        gc.collect()
    for count in () if options.regions else options.points:
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
