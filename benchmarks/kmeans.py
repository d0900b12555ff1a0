"""What several starts of k-means are worth: inertia against the best known, and what they cost.

Seeded sets of directions, in more heaps than clusters and of unequal sizes, as a class's prototypes
are. The best known is the least inertia of 40 single starts of scipy's and of all rows.

Usage: ``python -m benchmarks.kmeans [--sets N]``
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Iterator

import numpy as np

from freeda_models.protocols import FloatArray, IndexArray
from freeda_segment.retrieval.aggregation import KMEANS_STARTS, cluster_directions

STARTS = (1, 4, KMEANS_STARTS)


def seeded_sets(count: int) -> Iterator[tuple[FloatArray, int]]:
    """Unit vectors float32 (K, D), and how many clusters are wanted."""
    for seed in range(count):
        rng = np.random.default_rng(seed)
        clusters, depth = int(rng.integers(3, 9)), int(rng.choice([64, 384, 1024]))
        centres = rng.standard_normal((int(rng.integers(clusters, 2 * clusters)), depth))
        owner = rng.choice(len(centres), int(rng.choice([60, 350])), p=rng.dirichlet(np.ones(len(centres))))
        vectors = centres[owner] + rng.normal(0, rng.uniform(0.2, 1), (len(owner), depth))
        yield (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), clusters


def inertia(vectors: FloatArray, owner: IndexArray) -> float:
    """Sum of squared distances to the means of the clusters."""
    parts = (vectors[owner == index] for index in np.unique(owner))
    return sum(float(((part - part.mean(axis=0)) ** 2).sum(dtype=np.float64)) for part in parts)


def single_starts(vectors: FloatArray, clusters: int, many: int) -> float:
    """The least inertia of many starts by scipy, each run until nothing changes."""
    from scipy.cluster.vq import kmeans2

    with warnings.catch_warnings():  # now and then a cluster of a single start ends empty
        warnings.simplefilter("ignore", UserWarning)
        found = [
            kmeans2(vectors.astype(np.float64), clusters, iter=50, minit="++", rng=seed)[1]
            for seed in range(many)
        ]
    return min(inertia(vectors, owner) for owner in found)


def main() -> None:
    """Print the table as Markdown."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sets", type=int, default=24, help="how many sets of vectors")
    options = parser.parse_args()
    cluster_directions(np.eye(4, dtype=np.float32), 2)  # imports are not timed
    reached, seconds = [], dict.fromkeys(STARTS, 0.0)
    for vectors, clusters in seeded_sets(options.sets):
        row = []
        for starts in STARTS:
            start = time.perf_counter()
            owner = cluster_directions(vectors, clusters, starts)
            seconds[starts] += time.perf_counter() - start
            row.append(inertia(vectors, owner))
        reached.append(np.array(row) / min(*row, single_starts(vectors, clusters, 40)))
    excess = np.stack(reached) - 1
    print("| starts | mean excess | worst | sets over 5 % | ms a set |\n|---:|---:|---:|---:|---:|")
    for column, starts in enumerate(STARTS):
        over, each = excess[:, column], seconds[starts] / options.sets * 1000
        beyond = f"{(over > 0.05).sum()} of {len(over)}"
        print(f"| {starts} | {over.mean():.1%} | {over.max():.1%} | {beyond} | {each:.0f} |")


if __name__ == "__main__":
    main()
