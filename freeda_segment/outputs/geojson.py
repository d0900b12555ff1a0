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

from freeda_segment.outputs.files import write_text
from freeda_segment.outputs.outlines import Parts, Ring, signed_area, trace_rings
from freeda_segment.outputs.palette import hex_colours
from freeda_segment.outputs.result import Result
from freeda_store.files.own_files import GENERATOR, JSON_KEY


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
    colours = hex_colours(len(segmentation.shares))
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
                    "colour": colours[share.index],
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

    Raises:
        OutputError: the outlines are too long to be held.
    """
    parts = Parts(labels_hw)
    rings = trace_rings(labels_hw, parts)
    owners = parts.of(rings.pixels)
    polygons: dict[int, list[Ring]] = {}
    for owner, ring in zip(owners.tolist(), rings.rings, strict=True):
        polygons.setdefault(owner, []).append(ring)
    firsts = dict(zip(owners.tolist(), rings.pixels.tolist(), strict=True))
    for owner in sorted(polygons):
        outer_first = sorted(polygons[owner], key=lambda ring: -signed_area(ring))
        yield int(labels_hw.ravel()[firsts[owner]]), outer_first
