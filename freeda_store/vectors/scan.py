"""Exact nearest visual vectors: what may be near is found by products in 8 bits, and compared again in full.

Nothing is missed, for what lies within the error of such products (:mod:`freeda_store.vectors.codes`) is
compared again. Where that would be most of a block, its products are made in float32 first.

Vectors that lie in cells are not all compared, where they are many: see :mod:`freeda_store.vectors.cells`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from freeda_store.records import FloatArray
from freeda_store.vectors.candidates import Bounds, Candidates, Pairs, Places, Read, rank_in
from freeda_store.vectors.codes import (
    Codes,
    directions,
    encode,
    fastest_product,
    likely_slack,
    rounding,
    slack,
)
from freeda_store.vectors.distinct import Distinct

_FIRST_SIMILARITIES, _SIMILARITIES = 2**24, 2**21
"""Similarities that are in memory at once. The first block is large: it says what is near in the others."""
_DENSE, _FEW = 32, 4
"""If more than one in so many pairs of a block may be near, and more than so many times k of each query, all
of them are compared in float32."""
_ALL_BELOW = 100_000
"""So many different vectors are all compared, even where they lie in cells."""
LOOKED_INTO, _PER_HIT = 16_384, 64
"""How many vectors each query is compared with at least, of the cells that are nearest to it: in all, and for
each of its k nearest."""


@dataclass(frozen=True, eq=False)
class Nearest:
    """What is nearest to one query: places, and float32 cosines, most similar first."""

    places: Places
    similarities: FloatArray


class VisualScan:
    """Visual vectors that are searched by cosine.

    Args:
        read: reads them; places rise with ids.
        vectors: the different ones among them.
        width: their length.
        looked_into: how many vectors each query is compared with at least, where they lie in cells.
    """

    def __init__(self, read: Read, vectors: Distinct, width: int, looked_into: int = LOOKED_INTO) -> None:
        self._read = read
        self._looked_into = looked_into
        self._vectors = vectors
        self._width = width
        self._places = np.argsort(vectors.row_of, kind="stable")
        self._starts = np.searchsorted(vectors.row_of[self._places], np.arange(len(vectors.firsts) + 1))

    @classmethod
    def of(cls, read: Read, count: int, width: int) -> VisualScan:
        """Of so many vectors that lie anyhow: all are compared.

        Raises:
            ValueError: one holds a value that is not finite.
        """
        return cls(read, Distinct.of(read, count, width), width)

    def nearest(self, queries: FloatArray, k: int, places: Places) -> list[Nearest]:
        """The k nearest of some vectors: exactly, but where they are many and lie in cells.

        Args:
            queries: float32 (Q, D_visual), of any length.
            k: how many, at least 1.
            places: (N,) rising, which vectors may come back.

        Raises:
            ValueError: a vector or a query holds a value that is not finite.
        """
        wanted, present = self._masks(places)
        best = self._best(directions(queries), k, np.flatnonzero(present))
        sizes = self._starts[best.rows + 1] - self._starts[best.rows]
        offsets = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        own = self._places[np.repeat(self._starts[best.rows], sizes) + offsets]
        query_of, cosines = np.repeat(best.queries, sizes), np.repeat(best.cosines, sizes)
        order = np.lexsort((own, -cosines, query_of))
        order = order[wanted[own[order]]]
        order = order[rank_in(query_of[order]) < k]
        borders = np.searchsorted(query_of[order], np.arange(len(queries) + 1))
        own, cosines = own[order], cosines[order]
        return [Nearest(own[first:last], cosines[first:last]) for first, last in pairwise(borders)]

    def _masks(self, places: Places) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Which places may come back, bool (N,), and which of the different vectors they have, bool (U,)."""
        wanted = np.zeros(len(self._vectors.row_of), dtype=np.bool_)
        wanted[places] = True
        present = np.zeros(len(self._vectors.firsts), dtype=np.bool_)
        present[self._vectors.row_of[places]] = True
        return wanted, present

    def _best(self, units: FloatArray, k: int, unique: Places) -> Pairs:
        """Of each query, at least the k nearest of some different vectors, and their cosines."""
        candidates, cells = Candidates(len(units), k), self._vectors.cells
        codes = encode(units)
        if cells is None or len(unique) <= max(_ALL_BELOW, k):
            queries = np.arange(len(units))
            start, size = 0, 1 + _FIRST_SIMILARITIES // max(1, len(units))
            while start < len(unique):
                rows = unique[start : start + size]
                self._compare(candidates, rows, units, Asked(queries, codes, slack))
                start, size = start + size, 1 + _SIMILARITIES // max(1, len(units))
        else:
            for probe in cells.probes(units, unique, max(self._looked_into, _PER_HIT * k)):
                asked = Asked(probe.queries, codes[probe.queries], likely_slack)
                self._compare(candidates, unique[probe.rows], units, asked)
        return candidates.settled(units, lambda rows: self._read(self._vectors.firsts[rows]))

    def _compare(self, candidates: Candidates, rows: Places, units: FloatArray, asked: Asked) -> None:
        """Take in what may be near of one block."""
        queries, codes = asked.queries, asked.codes
        if self._vectors.codes is not None:
            block = self._vectors.codes[_as_slice(rows)]
            off = asked.slack(codes, float(block.errors.max(initial=0)), self._width)
            near = candidates.near(Bounds(queries, fastest_product()(block, codes), codes.scales, off))
            if len(near.pairs) <= (len(rows) // _DENSE + _FEW * candidates.k) * len(queries):
                candidates.add(rows, near)
                return
        off = np.full(len(queries), rounding(self._width), dtype=np.float32)
        products = directions(self._read(self._vectors.firsts[rows])) @ units[queries].T
        candidates.add(rows, candidates.near(Bounds(queries, products, np.ones_like(off), off)))


@dataclass(frozen=True, eq=False)
class Asked:
    """Some of the queries, their codes, and how far products with these are taken to be off."""

    queries: Places
    codes: Codes
    slack: Callable[[Codes, float, int], FloatArray]


def _as_slice(rows: Places) -> slice | Places:
    """Rising rows; as a slice where none is left out, which needs no copy."""
    first, last = int(rows[0]), int(rows[-1])
    return slice(first, last + 1) if last - first + 1 == len(rows) else rows
