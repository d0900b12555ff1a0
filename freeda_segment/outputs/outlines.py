"""Outlines of the areas of a label map along the edges of pixels, in memory that grows with their length.

Each pixel has four sides, run through clockwise. A side belongs to an outline when the pixel beyond it
has another label. Which side follows is decided by the two pixels ahead, the next one and the one across
the corner: where both belong, the outline turns left; where only the next one does, it goes straight on;
where none does, it turns right, around its own pixel. Where only the one across the corner does, it turns
left if that is of the same part, so that no outline touches itself, and right if it is of another.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from freeda_segment.errors import OutputError
from freeda_segment.pixels.labelling import BACKGROUND

Ring = NDArray[np.int64]
"""Corners (N, 2) as x, y; the last is the first. Clockwise as seen, holes counter-clockwise."""

MOST_SIDES = 20_000_000
"""Pixel sides of all outlines together; a photograph of 64 megapixels has some hundred thousand."""

Indices = NDArray[np.int64]

_BEYOND = ((-1, 0), (0, 1), (1, 0), (0, -1))
"""Row and column step to the pixel beyond the top, right, lower and left side."""

_START = ((0, 0), (1, 0), (1, 1), (0, 1))
"""Where a side starts, as x and y from the pixel's upper left corner."""


@dataclass(frozen=True, eq=False)
class Rings:
    """The outlines of a label map.

    Attributes:
        rings: each one's corners.
        pixels: int64 (R,), for each a pixel inside it that it runs along, as an index into the flat map.
    """

    rings: list[Ring]
    pixels: Indices


class Parts:
    """The parts of a label map, whose pixels are joined by their sides."""

    def __init__(self, labels_hw: NDArray[np.int16]) -> None:
        from scipy.sparse import coo_matrix
        from scipy.sparse.csgraph import connected_components

        flat, width = labels_hw.ravel(), labels_hw.shape[1]
        begins = np.ones(labels_hw.shape, dtype=np.bool_)
        np.not_equal(labels_hw[:, 1:], labels_hw[:, :-1], out=begins[:, 1:])
        self._runs = np.flatnonzero(begins)  # of one label in a row
        _require_few(len(self._runs))
        above = np.flatnonzero(begins[:-1] | begins[1:])
        joined = above[flat[above] == flat[above + width]]
        upper, lower = self._run_of(joined), self._run_of(joined + width)
        size = len(self._runs)
        graph = coo_matrix((np.ones(len(upper), np.bool_), (upper, lower)), shape=(size, size))
        _, parts = connected_components(graph, directed=False)
        _, firsts = np.unique(parts, return_index=True)
        self._numbers: Indices = firsts[parts].astype(np.int64)

    def of(self, pixels: Indices) -> Indices:
        """The part of each of some pixels, given as flat indices.

        Parts are numbered as their first pixels come, row by row; numbers are not without gaps.
        """
        return self._numbers[self._run_of(pixels)]

    def _run_of(self, pixels: Indices) -> Indices:
        return np.searchsorted(self._runs, pixels, side="right") - 1


def trace_rings(labels_hw: NDArray[np.int16], parts: Parts) -> Rings:
    """The outlines of all areas but background.

    Raises:
        OutputError: there are more than :data:`MOST_SIDES` sides.
    """
    width = labels_hw.shape[1]
    sides = [_sides(labels_hw, side) for side in range(4)]
    offsets = np.cumsum([0, *map(len, sides)])
    _require_few(int(offsets[-1]))
    follows = np.concatenate([_following(labels_hw, parts, sides, offsets, side) for side in range(4)])
    kinds = np.repeat(np.arange(4), [len(each) for each in sides])
    flat = np.concatenate(sides)
    starts = np.array(_START)[kinds] + np.stack([flat % width, flat // width], axis=1)
    rings, pixels = [], []
    for order in _cycles(follows):
        turns = kinds[order] != kinds[np.roll(order, 1)]
        corners = starts[order[turns]]
        rings.append(np.concatenate([corners, corners[:1]]))
        pixels.append(flat[order[0]])
    return Rings(rings, np.array(pixels, dtype=np.int64))


def _require_few(sides: int) -> None:
    if sides > MOST_SIDES:
        raise OutputError(
            f"the outlines have over {MOST_SIDES:,} sides of pixels; write --format png or rle instead."
        )


def signed_area(ring: Ring) -> float:
    """By the shoelace formula: positive for outer outlines, negative for holes."""
    x, y = ring[:, 0], ring[:, 1]
    return float((x[:-1] * y[1:] - x[1:] * y[:-1]).sum() / 2)


def _sides(labels_hw: NDArray[np.int16], side: int) -> Indices:
    """Pixels, as flat indices, whose side belongs to an outline."""
    outline = np.ones(labels_hw.shape, dtype=np.bool_)
    (down, right) = _BEYOND[side]
    here = (_inside(-down), _inside(-right))
    there = (_inside(down), _inside(right))
    np.not_equal(labels_hw[here], labels_hw[there], out=outline[here])
    outline &= labels_hw != BACKGROUND
    return np.flatnonzero(outline)


def _inside(step: int) -> slice:
    """Rows or columns that remain when those are left out that a step back would lead out of the map."""
    return slice(max(step, 0), min(step, 0) or None)


def _following(
    labels_hw: NDArray[np.int16], parts: Parts, sides: list[Indices], offsets: Indices, side: int
) -> Indices:
    """The number of the side that follows each of one kind."""
    height, width = labels_hw.shape
    rows, columns = np.divmod(sides[side], width)
    own = labels_hw[rows, columns]
    ahead, beyond = _BEYOND[(side + 1) % 4], _BEYOND[side]
    across = ahead[0] + beyond[0], ahead[1] + beyond[1]

    def belongs(step: tuple[int, int]) -> NDArray[np.bool_]:
        y, x = rows + step[0], columns + step[1]
        there: NDArray[np.bool_] = (y >= 0) & (y < height) & (x >= 0) & (x < width)
        there[there] = labels_hw[y[there], x[there]] == own[there]
        return there

    def pixels(chosen: NDArray[np.bool_], step: tuple[int, int]) -> Indices:
        flat: Indices = (rows[chosen] + step[0]) * width + columns[chosen] + step[1]
        return flat

    straight, left = belongs(ahead), belongs(across)
    touching = left & ~straight
    left[touching] = parts.of(pixels(touching, across)) == parts.of(sides[side][touching])
    follows = np.empty(len(rows), dtype=np.int64)
    steps = (
        (~straight & ~left, (side + 1) % 4, (0, 0)),
        (straight & ~left, side, ahead),
        (left, (side + 3) % 4, across),
    )
    for chosen, kind, step in steps:
        follows[chosen] = offsets[kind] + np.searchsorted(sides[kind], pixels(chosen, step))
    return follows


def _cycles(follows: Indices) -> list[Indices]:
    """The cycles of a permutation, each from its first member."""
    after = follows.tolist()
    seen = bytearray(len(after))
    cycles = []
    for first in range(len(after)):
        if seen[first]:
            continue
        order, place = [], first
        while not seen[place]:
            seen[place] = 1
            order.append(place)
            place = after[place]
        cycles.append(np.array(order, dtype=np.int64))
    return cycles
