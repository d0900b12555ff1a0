"""Exact nearest visual vectors: what may be near is found by products in 8 bits, and compared again in full.

Nothing is missed, for what lies within the error of such products (:mod:`freeda_store.vectors.codes`) is
compared again. Where that would be most of a block, its products are made in float32 first.

Prototypes of one region, a noun and the phrase around it, have the same visual vector. Such a vector is
compared once, so that equals stay equal to the last bit and keep the order of their ids.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from freeda_store.records import FloatArray
from freeda_store.vectors.candidates import Bounds, Candidates, Pairs, Places, Read, rank_in
from freeda_store.vectors.codes import Codes, directions, encode, fastest_product, rounding, slack

_KEPT_NUMBERS = 2**32
"""Numbers of 8 bits that are kept in memory between questions: 4 GB. What is more is read anew."""
_FIRST_SIMILARITIES, _SIMILARITIES = 2**24, 2**21
"""Similarities that are in memory at once. The first block is large: it says what is near in the others."""
_NUMBERS = 2**22
"""Numbers of vectors that are read at once."""
_DENSE = 32
"""If more than one in so many pairs of a block may be near, all of them are compared in float32."""


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
        self._width = width
        self._firsts, self._unique_of = _alike(read, count, width)
        self._codes: Codes | None = None
        if len(self._firsts) * width <= _KEPT_NUMBERS:
            self._codes = Codes.empty(len(self._firsts), width)
            for rows in _steps(len(self._firsts), _NUMBERS // max(1, width)):
                made, here = encode(directions(read(self._firsts[rows]))), self._codes[rows]
                here.values[:], here.scales[:], here.errors[:] = made.values, made.scales, made.errors

    def nearest(self, queries: FloatArray, k: int, places: Places) -> list[Nearest]:
        """The k nearest of some vectors, exactly.

        Args:
            queries: float32 (Q, D_visual), of any length.
            k: how many, at least 1.
            places: (N,) rising, which vectors may come back.

        Raises:
            ValueError: a vector or a query holds a value that is not finite.
        """
        members = np.argsort(self._unique_of[places], kind="stable")
        unique, starts, counts = np.unique(
            self._unique_of[places][members], return_index=True, return_counts=True
        )
        best = self._best(directions(queries), k, unique)
        at = np.searchsorted(unique, best.rows)
        sizes = counts[at]
        offsets = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        own = places[members[np.repeat(starts[at], sizes) + offsets]]
        query_of, cosines = np.repeat(best.queries, sizes), np.repeat(best.cosines, sizes)
        order = np.lexsort((own, -cosines, query_of))
        order = order[rank_in(query_of[order]) < k]
        borders = np.searchsorted(query_of[order], np.arange(len(queries) + 1))
        own, cosines = own[order], cosines[order]
        return [Nearest(own[first:last], cosines[first:last]) for first, last in pairwise(borders)]

    def _best(self, units: FloatArray, k: int, unique: Places) -> Pairs:
        """Of each query, at least the k nearest of some different vectors, and their cosines."""
        candidates = Candidates(len(units), k)
        codes = encode(units)
        start, size = 0, 1 + _FIRST_SIMILARITIES // max(1, len(units))
        while start < len(unique):
            self._compare(candidates, unique[start : start + size], units, codes)
            start, size = start + size, 1 + _SIMILARITIES // max(1, len(units))
        return candidates.settled(units, lambda rows: self._read(self._firsts[rows]))

    def _compare(self, candidates: Candidates, rows: Places, units: FloatArray, codes: Codes) -> None:
        """Take in what may be near of one block."""
        if self._codes is not None:
            block = self._codes[_as_slice(rows)]
            off = slack(codes, float(block.errors.max(initial=0)), self._width)
            near = candidates.near(Bounds(fastest_product()(block, codes), codes.scales, off))
            if len(near.pairs) * _DENSE <= len(rows) * len(units):
                candidates.add(rows, near)
                return
        off = np.full(len(units), rounding(self._width), dtype=np.float32)
        products = directions(self._read(self._firsts[rows])) @ units.T
        candidates.add(rows, candidates.near(Bounds(products, np.ones_like(off), off)))


def _as_slice(rows: Places) -> slice | Places:
    """Rising rows; as a slice where none is left out, which needs no copy."""
    first, last = int(rows[0]), int(rows[-1])
    return slice(first, last + 1) if last - first + 1 == len(rows) else rows


def _steps(count: int, step: int) -> Iterator[slice]:
    for start in range(0, count, max(1, step)):
        yield slice(start, min(start + max(1, step), count))


def _alike(read: Read, count: int, width: int) -> tuple[Places, Places]:
    """The first place of each different vector, rising, and which of these vectors each place has.

    Vectors are told apart by a hash of 64 bits.
    """
    words = -(-width // 2)
    weights = np.random.default_rng(0).integers(1, 2**63, size=words, dtype=np.uint64) | np.uint64(1)
    hashes = np.empty(count, dtype=np.uint64)
    for rows in _steps(count, _NUMBERS // max(1, width)):
        bits = np.zeros((rows.stop - rows.start, 2 * words), dtype="<f4")
        bits[:, :width] = read(np.arange(rows.start, rows.stop))
        mixed = bits.view("<u8")
        mixed ^= mixed >> np.uint64(31)
        mixed *= weights
        mixed ^= mixed >> np.uint64(29)
        hashes[rows] = mixed.sum(axis=1, dtype=np.uint64)
    _, firsts, same = np.unique(hashes, return_index=True, return_inverse=True)
    order = np.argsort(firsts)
    place_of = np.empty_like(order)
    place_of[order] = np.arange(len(order))
    return firsts[order], place_of[same]
