"""GeoJSON: the exact outline of each class, in pixel coordinates.

A pixel in column x and row y is the square from (x, y) to (x + 1, y + 1); y grows downwards. Outlines
run along the edges of pixels, so the polygons cover exactly the pixels of the class, holes left out.
Outer rings have positive area by the shoelace formula, holes negative, and no ring touches itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from freeda_segment.labelling import BACKGROUND
from freeda_segment.outputs.files import write_text
from freeda_segment.outputs.palette import class_colours
from freeda_segment.outputs.result import Result
from freeda_store.own_files import GENERATOR, JSON_KEY

Ring = NDArray[np.int64]
"""Corners (N, 2) as x, y; the last is the first."""


def write_geojson(path: Path, result: Result) -> None:
    """Write the outlines as UTF-8 JSON.

    Raises:
        OutputError: it cannot be written.
    """
    text = json.dumps(feature_collection(result), ensure_ascii=False) + "\n"
    write_text(path, text)


def feature_collection(result: Result) -> dict[str, Any]:
    """A MultiPolygon for each class that the picture has, as JSON values."""
    segmentation = result.segmentation
    height, width = segmentation.size_hw
    colours = class_colours(len(segmentation.shares))
    polygons: dict[int, list[list[list[list[int]]]]] = {}
    for label, rings in trace_polygons(segmentation.labels):
        polygons.setdefault(label, []).append([ring.tolist() for ring in rings])
    return {
        JSON_KEY: GENERATOR,
        "type": "FeatureCollection",
        "picture": {"source": result.source, "width": width, "height": height},
        "features": [
            {
                "type": "Feature",
                "properties": {
                    "index": share.index,
                    "name": share.name,
                    "colour": "#" + bytes(colours[share.index]).hex(),
                    "pixels": share.pixels,
                    "area": share.area,
                    "score": share.score,
                },
                "geometry": {"type": "MultiPolygon", "coordinates": polygons[share.index]},
            }
            for share in segmentation.shares
            if share.pixels
        ],
    }


def trace_polygons(labels_hw: NDArray[np.int16]) -> Iterator[tuple[int, list[Ring]]]:
    """The polygons of a label map: label, then the outer ring and its holes.

    Args:
        labels_hw: int16 (H, W); -1 is traced as nothing.
    """
    from scipy.ndimage import find_objects
    from skimage.measure import label

    parts = label(labels_hw, background=BACKGROUND, connectivity=1)
    for number, place in enumerate(find_objects(parts), start=1):
        mask = parts[place] == number
        corner = np.array([place[1].start, place[0].start])
        row, column = np.argwhere(mask)[0]
        yield int(labels_hw[place][row, column]), [ring + corner for ring in _rings(mask)]


def _rings(mask_hw: NDArray[np.bool_]) -> list[Ring]:
    """Outlines of one part whose pixels hang together by their edges, the outer one first.

    Contours at half height pass through the middle of every pixel edge of the outline. Where two
    pixels of the part touch by a corner only, contours are led so that rings touch there, and none
    crosses or touches itself.
    """
    from skimage.measure import find_contours

    padded = np.pad(mask_hw, 1).astype(np.float64)
    contours = find_contours(padded, 0.5, fully_connected="high", positive_orientation="low")
    rings = [_along_edges(contour[:-1, ::-1] - 0.5) for contour in contours]
    areas = [_signed_area(ring) for ring in rings]
    outer = int(np.argmax(np.abs(areas)))
    turned = [
        ring if (area > 0) == (index == outer) else ring[::-1]
        for index, (ring, area) in enumerate(zip(rings, areas, strict=True))
    ]
    return [turned[outer], *turned[:outer], *turned[outer + 1 :]]


def _along_edges(middles_xy: NDArray[np.float64]) -> Ring:
    """The closed ring of corners between pixel edges given by their middles, in order.

    A middle is whole in one coordinate and half in the other. The corner between two edges in line is
    midway between them; where the ring turns, each edge gives its whole coordinate.
    """
    after = np.roll(middles_xy, -1, axis=0)
    whole, whole_after = middles_xy % 1 == 0, after % 1 == 0
    corners = np.where(whole, middles_xy, np.where(whole_after, after, (middles_xy + after) / 2))
    turns = (whole != whole_after).any(axis=1)
    ring = np.rint(corners[turns]).astype(np.int64)
    return np.concatenate([ring, ring[:1]])


def _signed_area(ring: Ring) -> float:
    x, y = ring[:, 0], ring[:, 1]
    return float((x[:-1] * y[1:] - x[1:] * y[:-1]).sum() / 2)
