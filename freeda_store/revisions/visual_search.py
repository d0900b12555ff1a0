"""The nearest visual vectors of a folder: among those of its index, and among those that came after it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from freeda_store.records import FloatArray
from freeda_store.revisions.library import Library, Places
from freeda_store.revisions.visual_index import VisualIndex
from freeda_store.vectors.distinct import Distinct
from freeda_store.vectors.scan import Nearest, VisualScan


@dataclass(frozen=True, eq=False)
class _Share:
    """Some of the prototypes, and what searches them.

    Attributes:
        scan: by places of its own, which rise with those of the library.
        places: of the library, those of its own places.
        own: (N,), its own place of each place of the library; -1 for those of others.
    """

    scan: VisualScan
    places: Places
    own: Places

    def nearest(self, queries: FloatArray, k: int, places: Places) -> list[Nearest]:
        own = self.own[places]
        found = self.scan.nearest(queries, k, own[own >= 0])
        return [Nearest(self.places[each.places], each.similarities) for each in found]


class VisualSearch:
    """What searches the prototypes of a library.

    Args:
        library: the prototypes.
        index: of as many of them as it has; None where there is none.

    Raises:
        ValueError: a vector outside of the index holds a value that is not finite.
    """

    def __init__(self, library: Library, index: VisualIndex | None) -> None:
        self._shares: list[_Share] = []
        outside = np.ones(len(library.ids), dtype=np.bool_)
        if index is not None:
            there = library.find(index.ids)
            outside[there[there >= 0]] = False
            self._shares.append(_indexed(library, index, there))
        places = np.flatnonzero(outside)
        if len(places) or not self._shares:
            width = library.sizes.visual
            scan = VisualScan.of(lambda own: library.visuals(places[own]), len(places), width)
            self._shares.append(_Share(scan, places, _inverse(places, len(library.ids))))

    def nearest(self, queries: FloatArray, k: int, places: Places) -> list[Nearest]:
        """The k nearest of some vectors; see :meth:`VisualScan.nearest`.

        Args:
            queries: float32 (Q, D_visual), of any length.
            k: how many, at least 1.
            places: (N,) rising, which prototypes may come back.

        Raises:
            ValueError: a vector or a query holds a value that is not finite.
        """
        found = [share.nearest(queries, k, places) for share in self._shares]
        return found[0] if len(found) == 1 else [_best(parts, k) for parts in zip(*found, strict=True)]


def _indexed(library: Library, index: VisualIndex, there: Places) -> _Share:
    """Those prototypes of a library that an index has.

    Args:
        library: the prototypes.
        index: of some of them.
        there: (N,), the places of all that it has; -1 for those that are not in the library.
    """
    held = np.flatnonzero(there >= 0)
    rows = index.row_of[held].astype(np.intp)
    firsts = np.zeros(len(index.codes.scales), dtype=np.intp)
    firsts[rows[::-1]] = np.arange(len(held))[::-1]
    places = there[held]
    vectors = Distinct(firsts, rows, index.codes, index.cells)
    scan = VisualScan(lambda own: library.visuals(places[own]), vectors, library.sizes.visual)
    return _Share(scan, places, _inverse(places, len(library.ids)))


def _inverse(places: Places, count: int) -> Places:
    found = np.full(count, -1)
    found[places] = np.arange(len(places))
    return found


def _best(parts: Sequence[Nearest], k: int) -> Nearest:
    """The k nearest of several answers; equals in the order of their places."""
    places = np.concatenate([part.places for part in parts])
    similarities = np.concatenate([part.similarities for part in parts])
    order = np.lexsort((places, -similarities))[:k]
    return Nearest(places[order], similarities[order])
