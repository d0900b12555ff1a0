"""Which vectors may be among the k nearest of each query, while their similarities are known in bounds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from freeda_store.records import FloatArray

Places: TypeAlias = NDArray[np.intp]
Read: TypeAlias = Callable[[Places], FloatArray]
"""Reads visual vectors by their places, as float32 (N, D_visual)."""

_AT_ONCE = 1024
"""Pairs that are compared in full at once."""
_PATIENCE = 4
"""Candidates are thinned out once there are so many times k of each query."""
_ROUNDED = 1e-6
"""How far cosines of pairs in float32 may be off, at most, of vectors as they come."""
_GROUP, _GROUPED = 16, 64
"""Vectors of which the most similar one counts, where a bound of the k-th best is looked for; and how many
times k there must be for that."""


@dataclass(frozen=True, eq=False)
class Bounds:
    """What is known of the similarities of some vectors with some queries: ``products * scales``, give or
    take ``off``.

    Attributes:
        queries: (Q,), which queries these are.
        products: float32 (N, Q).
        scales: float32 (Q,), above 0.
        off: float32 (Q,).
    """

    queries: Places
    products: FloatArray
    scales: FloatArray
    off: FloatArray


@dataclass(frozen=True, eq=False)
class Near:
    """Pairs that may be near.

    Attributes:
        queries: (Q,), which queries were asked about.
        pairs: (P,), their places in the table (N, Q).
        upper: float32 (P,), what their similarities are at most.
        best: float32 (k, Q), what the k highest similarities of each query are at least; the lowest first.
    """

    queries: Places
    pairs: Places
    upper: FloatArray
    best: FloatArray


@dataclass(frozen=True, eq=False)
class Pairs:
    """Queries and vectors, (P,) each, and float32 (P,) cosines once they are known."""

    queries: Places
    rows: Places
    cosines: FloatArray = field(default_factory=lambda: np.empty(0, dtype=np.float32))


class Candidates:
    """Pairs of queries and vectors.

    Args:
        queries: how many there are.
        k: how many of the nearest each wants.
    """

    def __init__(self, queries: int, k: int) -> None:
        self.k = k
        self._best = np.full((k, queries), -np.inf, dtype=np.float32)
        self._queries = np.empty(0, dtype=np.intp)
        self._rows = np.empty(0, dtype=np.intp)
        self._upper = np.empty(0, dtype=np.float32)
        self._fresh: list[tuple[Places, Places, FloatArray]] = []
        self._count, self._enough = 0, 0

    def near(self, bounds: Bounds) -> Near:
        """Which pairs may be among the nearest, by all that was taken in, and these."""
        products = bounds.products
        whole = len(products) // _GROUP * _GROUP if len(products) >= _GROUPED * self.k else 0
        groups = products[:whole].reshape(-1, _GROUP, products.shape[1]).max(axis=1)
        lower = np.concatenate([groups, products[whole:]]) * bounds.scales - bounds.off
        if len(lower) > self.k:
            lower = np.partition(lower, len(lower) - self.k, axis=0)[-self.k :]
        known = np.concatenate([self._best[:, bounds.queries], lower])
        best = np.partition(known, len(lower), axis=0)[len(lower) :]
        border = (best[0] - _ROUNDED - bounds.off) / bounds.scales
        pairs = np.flatnonzero(products >= border)
        query = pairs % products.shape[1]
        upper = products.reshape(-1)[pairs] * bounds.scales[query] + bounds.off[query]
        return Near(bounds.queries, pairs, upper, best)

    def add(self, rows: Places, near: Near) -> None:
        """Take in pairs of the vectors ``rows``, (N,), that may be near."""
        self._best[:, near.queries] = near.best
        row, column = np.divmod(near.pairs, len(near.queries))
        self._fresh.append((near.queries[column], rows[row], near.upper))
        self._count += len(row)
        if self._count >= self._enough:
            self._thin_out()

    def settled(self, units: FloatArray, read: Read) -> Pairs:
        """What may be among the nearest, with exact cosines: of each query at least its k nearest.

        Args:
            units: float32 (Q, D), the queries.
            read: vectors by their rows, float32 (N, D).
        """
        self._thin_out()
        order = np.lexsort((-self._upper, self._queries))
        queries, rows, upper = self._queries[order], self._rows[order], self._upper[order]
        first = rank_in(queries) < self.k
        sure = compared(Pairs(queries[first], rows[first]), units, read)
        least = np.full(len(units), np.inf, dtype=np.float32)
        np.minimum.at(least, sure.queries, sure.cosines)
        rest = ~first & (upper >= least[queries] - _ROUNDED)
        others = compared(Pairs(queries[rest], rows[rest]), units, read)
        return Pairs(
            np.concatenate([sure.queries, others.queries]),
            np.concatenate([sure.rows, others.rows]),
            np.concatenate([sure.cosines, others.cosines]),
        )

    def _thin_out(self) -> None:
        """Leave out what cannot be among the k nearest any more."""
        parts = [(self._queries, self._rows, self._upper), *self._fresh]
        queries, rows, upper = map(np.concatenate, zip(*parts, strict=True))
        kept = upper >= self._best[0, queries] - _ROUNDED
        self._queries, self._rows, self._upper, self._fresh = queries[kept], rows[kept], upper[kept], []
        self._count = len(self._queries)
        self._enough = 2 * self._count + _PATIENCE * self._best.size


def rank_in(queries: Places) -> Places:
    """Of each pair its place among those of its query; queries rise."""
    return np.asarray(np.arange(len(queries)) - np.searchsorted(queries, queries))


def compared(pairs: Pairs, units: FloatArray, read: Read) -> Pairs:
    """Pairs with their cosines, each made by itself, so that nothing beside it changes its last bit.

    Args:
        pairs: their queries rise.
        units: float32 (Q, D), of length 1.
        read: vectors by their rows, float32 (N, D).
    """
    found = np.empty(len(pairs.rows), dtype=np.float32)
    for start in range(0, len(found), _AT_ONCE):
        here = slice(start, start + _AT_ONCE)
        rows, row_of = np.unique(pairs.rows[here], return_inverse=True)
        vectors = read(rows)
        lengths = np.sqrt(np.einsum("nd,nd->n", vectors, vectors))
        products = np.einsum("pd,pd->p", vectors[row_of], units[pairs.queries[here]])
        found[here] = products / np.where(lengths > 0, lengths, 1)[row_of]
    return Pairs(pairs.queries, pairs.rows, found)
