"""The connected areas of a label map as polygons, for formats that know single objects.

Two objects of one class that touch are one area: a label map cannot tell them apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from freeda_segment.outputs.geojson import trace_polygons
from freeda_segment.outputs.outlines import Ring, signed_area

Polygon = NDArray[np.float64]
"""Corners (N, 2) as x, y in pixels, y downwards; the first is not repeated."""

MIN_AREA = 0.0005
"""Share of the picture below which an area is left out, where nothing else is said."""

TOLERANCE = 1.0
"""How far a simplified outline may lie from the exact one, in pixels (Douglas and Peucker)."""


@dataclass(frozen=True, eq=False)
class Instance:
    """One connected area of a class.

    Attributes:
        label: index of its class.
        rings: its exact outline along the edges of pixels, outer ring first, then its holes.
        area: in pixels.
    """

    label: int
    rings: tuple[Ring, ...]
    area: int

    @property
    def box_xywh(self) -> tuple[int, int, int, int]:
        """Left, top, width and height in pixels."""
        low, high = self.rings[0].min(axis=0), self.rings[0].max(axis=0)
        return int(low[0]), int(low[1]), int(high[0] - low[0]), int(high[1] - low[1])

    def mask(self) -> NDArray[np.bool_]:
        """Its exact pixels inside its box: bool (height, width)."""
        left, top, width, height = self.box_xywh
        crossed = np.zeros((height, width + 1), dtype=np.bool_)
        for ring in self.rings:
            vertical = np.flatnonzero(ring[:-1, 0] == ring[1:, 0])
            ends = np.sort(np.stack([ring[vertical, 1], ring[vertical + 1, 1]]), axis=0) - top
            for x, first, last in zip(ring[vertical, 0] - left, *ends, strict=True):
                crossed[first:last, x] ^= True
        inside: NDArray[np.bool_] = np.logical_xor.accumulate(crossed, axis=1)[:, :width]
        return inside

    def polygon(self, tolerance: float = TOLERANCE) -> Polygon:
        """The outline as one polygon; a hole is joined to what surrounds it by a cut of no width."""
        outer, *holes = (_simplified(ring, tolerance) for ring in self.rings)
        for hole in sorted(holes, key=lambda ring: float(ring[:, 0].min())):
            outer = _joined(outer, hole)
        return outer


def find_instances(labels_hw: NDArray[np.int16], min_area: float = MIN_AREA) -> Iterator[Instance]:
    """The connected areas of all classes, as their first pixels come, row by row.

    Args:
        labels_hw: int16 (H, W); -1 belongs to none.
        min_area: areas of a smaller share of the picture are left out, 0..1.

    Raises:
        OutputError: the outlines are too long to be held.
    """
    least = min_area * labels_hw.size
    for label, rings in trace_polygons(labels_hw):
        area = round(sum(signed_area(ring) for ring in rings))
        if area >= least:
            yield Instance(label, tuple(rings), area)


def _simplified(ring: Ring, tolerance: float) -> Polygon:
    """A ring with fewer corners; as it is where too few would be left."""
    from skimage.measure import approximate_polygon

    simple = approximate_polygon(ring.astype(np.float64), tolerance)
    corners: Polygon = np.asarray(simple if len(simple) > 3 else ring, dtype=np.float64)[:-1]
    return corners


def _joined(outer: Polygon, hole: Polygon) -> Polygon:
    """One polygon of two, by a cut between their nearest corners that is gone along twice."""
    from scipy.spatial import KDTree

    distances, nearest = KDTree(outer).query(hole)
    inside = int(np.argmin(distances))
    outside = int(nearest[inside])
    around = np.roll(hole, -inside, axis=0)
    return np.concatenate([outer[: outside + 1], around, around[:1], outer[outside:]])
