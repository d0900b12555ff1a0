"""Different vectors among some, each once.

Prototypes of one region, a noun and the phrase around it, have the same visual vector. Such a vector is
compared once, so that equals stay equal to the last bit and keep the order of their ids.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from freeda_store.vectors.candidates import Places, Read
from freeda_store.vectors.cells import PER_CENTROID, Cells, cells_of, find_centroids, nearest_cells
from freeda_store.vectors.codes import Codes, directions, encode

_KEPT_NUMBERS = 2**32
"""Numbers of 8 bits that are kept in memory between questions: 4 GB. What is more is read anew."""
_NUMBERS = 2**22
"""Numbers of vectors that are read at once."""


@dataclass(frozen=True, eq=False)
class Distinct:
    """Different vectors among some, each once, by rows of their own.

    Attributes:
        firsts: (U,), a place of each.
        row_of: (N,), which of them each place has.
        codes: of them, (U, D); None where they take too much memory.
        cells: which of them lie together; None where all are compared.
    """

    firsts: Places
    row_of: Places
    codes: Codes | None
    cells: Cells | None = None

    @classmethod
    def of(cls, read: Read, count: int, width: int) -> Distinct:
        """Those of some vectors, in memory.

        Args:
            read: reads them; places rise with ids.
            count: how many there are.
            width: their length.

        Raises:
            ValueError: one holds a value that is not finite.
        """
        firsts, row_of = alike(read, count, width)
        if len(firsts) * width > _KEPT_NUMBERS:
            return cls(firsts, row_of, None)
        codes = Codes.empty(len(firsts), width)
        for rows in steps(len(firsts), width):
            codes.put(rows, encode(directions(read(firsts[rows]))))
        return cls(firsts, row_of, codes)

    @classmethod
    def in_cells(cls, read: Read, count: int, width: int) -> Distinct:
        """The same in cells; arguments and errors as for :meth:`of`."""
        firsts, row_of = alike(read, count, width)
        order, cells = arranged(read, firsts, width)
        codes = Codes.empty(len(firsts), width)
        for rows in steps(len(firsts), width):
            codes.put(rows, encode(directions(read(firsts[order[rows]]))))
        return cls(firsts[order], ranks(order)[row_of], codes, cells)


def arranged(read: Read, firsts: Places, width: int) -> tuple[Places, Cells]:
    """The order in which different vectors lie cell by cell, and the cells. It is the same at every time.

    Args:
        read: reads vectors by their places.
        firsts: (U,), places of the different ones, at least one.
        width: their length.

    Raises:
        ValueError: one holds a value that is not finite.
    """
    count = cells_of(len(firsts))
    chosen = np.random.default_rng(0).permutation(len(firsts))[: PER_CENTROID * count]
    centroids = find_centroids(directions(read(np.sort(firsts[chosen]))), min(count, len(chosen)))
    cell_of = np.empty(len(firsts), dtype=np.int32)
    for rows in steps(len(firsts), width):
        cell_of[rows] = nearest_cells(directions(read(firsts[rows])), centroids)
    order = np.argsort(cell_of, kind="stable")
    return order, Cells(centroids, np.searchsorted(cell_of[order], np.arange(len(centroids) + 1)))


def ranks(order: Places) -> Places:
    """The place of each in an order."""
    found = np.empty_like(order)
    found[order] = np.arange(len(order))
    return found


def steps(count: int, width: int) -> Iterator[slice]:
    """Rows of vectors of some length, as many at a time as may be in memory."""
    step = max(1, _NUMBERS // max(1, width))
    for start in range(0, count, step):
        yield slice(start, min(start + step, count))


def alike(read: Read, count: int, width: int) -> tuple[Places, Places]:
    """The first place of each different vector, rising, and which of these vectors each place has.

    Vectors are told apart by a hash of 64 bits.
    """
    words = -(-width // 2)
    weights = np.random.default_rng(0).integers(1, 2**63, size=words, dtype=np.uint64) | np.uint64(1)
    hashes = np.empty(count, dtype=np.uint64)
    for rows in steps(count, width):
        bits = np.zeros((rows.stop - rows.start, 2 * words), dtype="<f4")
        bits[:, :width] = read(np.arange(rows.start, rows.stop))
        mixed = bits.view("<u8")
        mixed ^= mixed >> np.uint64(31)
        mixed *= weights
        mixed ^= mixed >> np.uint64(29)
        hashes[rows] = mixed.sum(axis=1, dtype=np.uint64)
    _, firsts, same = np.unique(hashes, return_index=True, return_inverse=True)
    order = np.argsort(firsts)
    return firsts[order], ranks(order)[same]
