"""Exact nearest visual vectors by one matrix product: what is fastest below some hundred thousand.

Prototypes of one region, a noun and the phrase around it, have the same visual vector. Such a vector is
compared once, so that equals stay equal to the last bit and keep the order of their ids.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from freeda_store.records import FloatArray

Places: TypeAlias = NDArray[np.intp]
Read: TypeAlias = Callable[[Places], FloatArray]
"""Reads visual vectors by their places, as float32 (N, D_visual)."""
_KEPT_NUMBERS = 2**27
"""Directions that are kept in memory between questions: 512 MB."""
_SIMILARITIES = 2**22
"""Similarities that are in memory at once."""
_FIRST_ROWS, _GROWTH = 256, 4
"""The first block is small, for all of it is sorted; of the next, what is below all that was found is not."""


@dataclass(frozen=True, eq=False)
class Nearest:
    """What is nearest to one query: places, and float32 cosines, most similar first."""

    places: Places
    similarities: FloatArray


class VisualScan:
    """Visual vectors that are searched by cosine.

    Args:
        read: reads them; places rise with ids.
        count: how many there are.
        width: their length.
    """

    def __init__(self, read: Read, count: int, width: int) -> None:
        self._read = read
        self._firsts, self._unique_of = _alike(read, count, width)
        self._kept: FloatArray | None = None
        if len(self._firsts) * width <= _KEPT_NUMBERS:
            self._kept = _directions(read(self._firsts))

    def nearest(self, queries: FloatArray, k: int, places: Places) -> list[Nearest]:
        """The k nearest of some vectors, exactly.

        Args:
            queries: float32 (Q, D_visual), of any length.
            k: how many, at least 1.
            places: (N,) rising, which vectors may come back.
        """
        members = np.argsort(self._unique_of[places], kind="stable")
        unique, starts, counts = np.unique(
            self._unique_of[places][members], return_index=True, return_counts=True
        )
        best = self._best(_directions(queries), k, unique)
        found = []
        for rows, similarities in best:
            sizes = counts[rows]
            offsets = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
            own = members[np.repeat(starts[rows], sizes) + offsets][:k]
            found.append(Nearest(places[own], np.repeat(similarities, sizes)[:k]))
        return found

    def _best(self, queries: FloatArray, k: int, unique: Places) -> Iterator[tuple[Places, FloatArray]]:
        """Of each query, the places in ``unique`` of its k nearest, and their cosines."""
        count = len(queries)
        query_of = np.empty(0, dtype=np.intp)
        rows, similarities = np.empty(0, dtype=np.intp), np.empty(0, dtype=np.float32)
        least = np.full(count, -np.inf, dtype=np.float32)
        start, size = 0, _FIRST_ROWS
        while start < len(unique):
            block = self._block(unique[start : start + size])
            products = queries @ block.T
            if not np.isfinite(products).all():
                raise ValueError("a visual vector holds a value that is not finite")
            q, column = np.nonzero(products > least[:, None])
            query_of = np.concatenate([query_of, q])
            rows = np.concatenate([rows, column + start])
            similarities = np.concatenate([similarities, products[q, column]])
            order = np.lexsort((rows, -similarities, query_of))
            query_of, rows, similarities = query_of[order], rows[order], similarities[order]
            rank = np.arange(len(rows)) - np.searchsorted(query_of, query_of)
            kept = rank < k
            query_of, rows, similarities = query_of[kept], rows[kept], similarities[kept]
            full = rank[kept] == k - 1
            least[query_of[full]] = similarities[full]
            start, size = start + size, max(_FIRST_ROWS, min(_GROWTH * size, _SIMILARITIES // max(1, count)))
        borders = np.searchsorted(query_of, np.arange(count + 1))
        for first, last in pairwise(borders):
            yield rows[first:last], similarities[first:last]

    def _block(self, unique: Places) -> FloatArray:
        if self._kept is None:
            return _directions(self._read(self._firsts[unique]))
        whole = len(unique) and int(unique[-1]) - int(unique[0]) + 1 == len(unique)
        return self._kept[unique[0] : unique[-1] + 1] if whole else self._kept[unique]


def _directions(vectors: FloatArray) -> FloatArray:
    """Vectors of length 1; those of length 0 stay."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(lengths > 0, lengths, 1), dtype=np.float32)


def _alike(read: Read, count: int, width: int) -> tuple[Places, Places]:
    """The first place of each different vector, rising, and which of these vectors each place has.

    Vectors are told apart by a hash of 64 bits of their float16.
    """
    weights = np.random.default_rng(0).integers(1, 2**63, size=width, dtype=np.uint64) | np.uint64(1)
    step = max(1, _SIMILARITIES // max(1, width))
    hashes = np.empty(count, dtype=np.uint64)
    for start in range(0, count, step):
        here = np.arange(start, min(start + step, count))
        bits = read(here).astype("<f2").view("<u2").astype(np.uint64)
        hashes[here] = (bits * weights).sum(axis=1, dtype=np.uint64)
    _, firsts, same = np.unique(hashes, return_index=True, return_inverse=True)
    order = np.argsort(firsts)
    place_of = np.empty_like(order)
    place_of[order] = np.arange(len(order))
    return firsts[order], place_of[same]
