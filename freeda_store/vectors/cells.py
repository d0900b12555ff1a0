"""An inverted file: directions in cells around centroids, of which a query looks into the nearest.

So a search takes about the same time however many vectors there are, and may miss some. Whoever is asked
again gets the same: centroids come from a fixed seed, and cells are looked into in a fixed order.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import isqrt

import numpy as np
from numpy.typing import NDArray

from freeda_store.records import FloatArray
from freeda_store.vectors.candidates import Places

PER_CENTROID = 32
"""Vectors a centroid from which centroids are found."""
_ROUNDS, _BATCH, _SEED = 3, 4096, 0


@dataclass(frozen=True, eq=False)
class Probe:
    """One cell and who looks into it.

    Attributes:
        rows: which of the rows that may come back lie in the cell.
        queries: (Q,) rising.
    """

    rows: slice
    queries: Places


@dataclass(frozen=True, eq=False)
class Cells:
    """Cells of vectors that lie one after another.

    Attributes:
        centroids: float32 (C, D), of length 1.
        starts: int (C + 1,), rising: the first row of each cell, and how many rows there are.
    """

    centroids: FloatArray
    starts: NDArray[np.int64]

    def probes(self, units: FloatArray, rows: Places, wanted: int) -> Iterator[Probe]:
        """Who looks where: the cell that is nearest to each query first, then the others.

        Args:
            units: float32 (Q, D), the queries, of length 1.
            rows: rising, those that may come back.
            wanted: how many of these rows each query is to see at least, if there are so many.
        """
        borders = np.searchsorted(rows, self.starts)
        sizes = np.diff(borders)
        used = np.flatnonzero(sizes)
        nearest = used[np.argsort(-(units @ self.centroids[used].T), axis=1, kind="stable")]
        held = sizes[nearest]
        query, rank = np.nonzero(np.cumsum(held, axis=1) - held < wanted)
        cell = nearest[query, rank]
        order = np.lexsort((query, cell, rank > 0))
        query, cell, later = query[order], cell[order], rank[order] > 0
        new = np.flatnonzero((np.diff(cell) != 0) | np.diff(later)) + 1
        for start, stop in pairwise([0, *new, len(cell)]):
            here = cell[start]
            yield Probe(slice(borders[here], borders[here + 1]), query[start:stop])


def cells_of(count: int) -> int:
    """How many cells so many vectors are divided into: comparing with all centroids takes about as long as
    looking into the nearest cells."""
    return max(1, 2 * isqrt(count))


def find_centroids(units: FloatArray, count: int) -> FloatArray:
    """Centroids by k-means over random batches.

    Args:
        units: float32 (N, D) of length 1, at least as many as centroids.
        count: how many centroids.

    Returns:
        float32 (C, D), of length 1.
    """
    from sklearn.cluster import MiniBatchKMeans

    means = MiniBatchKMeans(
        count,
        init="random",
        n_init=1,
        max_iter=_ROUNDS,
        batch_size=_BATCH,
        compute_labels=False,
        random_state=_SEED,
    )
    found = means.fit(units).cluster_centers_
    lengths = np.linalg.norm(found, axis=1, keepdims=True)
    return np.asarray(found / np.where(lengths > 0, lengths, 1), dtype=np.float32)


def nearest_cells(units: FloatArray, centroids: FloatArray) -> NDArray[np.int32]:
    """The cell of each vector, int32 (N,)."""
    return np.asarray((units @ centroids.T).argmax(axis=1), dtype=np.int32)
