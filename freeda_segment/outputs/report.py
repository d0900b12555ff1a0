"""JSON: what each class got, and everything that shaped the result."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from freeda_segment.outputs.files import write_text
from freeda_segment.outputs.palette import hex_colours
from freeda_segment.outputs.result import Result
from freeda_segment.pixels.background import OTHER
from freeda_store.files.own_files import GENERATOR, JSON_KEY

if TYPE_CHECKING:
    from freeda_segment.pixels.confidence import Sureness
    from freeda_segment.result import Provenance, Segmentation

FORMAT_VERSION = 1

MOST_REGIONS = 200
"""How many regions a report lists, the largest first."""


def write_report(path: Path, result: Result) -> None:
    """Write the report as UTF-8 JSON.

    Raises:
        OutputError: it cannot be written.
    """
    text = json.dumps(report(result), indent=2, ensure_ascii=False) + "\n"
    write_text(path, text)


def report(result: Result) -> dict[str, Any]:
    """The report as JSON values; classes are in the order of their labels."""
    segmentation = result.segmentation
    height, width = segmentation.size_hw
    colours = hex_colours(len(segmentation.shares))
    return {
        JSON_KEY: GENERATOR,
        "format": FORMAT_VERSION,
        "picture": {
            "source": result.source,
            "file": result.file,
            "width": width,
            "height": height,
            "sha256": result.sha256,
        },
        "formats": list(result.formats),
        "opacity": result.opacity,
        "label_offset": result.label_offset,
        "classes": [
            {
                "index": share.index,
                "name": share.name,
                "texts": list(described.texts),
                "colour": colours[share.index],
                "pixels": share.pixels,
                "area": share.area,
                "score": share.score,
            }
            for share, described in zip(segmentation.shares, segmentation.classes, strict=True)
        ],
        "background": {"area": segmentation.background_area},
        **_sureness(segmentation),
        **provenance_values(segmentation.provenance),
        "notes": list(segmentation.remarks),
    }


def _sureness(segmentation: Segmentation) -> dict[str, Any]:
    """How sure the labels are, of the whole and of the largest regions; nothing where it is not known."""
    known = segmentation.sureness
    if known is None:
        return {}
    return {
        "sureness": {
            "guessed": known.guessed(segmentation.labels),
            "unlike": known.unlike,
            "resemblance": float(np.median(known.resemblance)),
            "likeness": asdict(known.likeness),
        },
        "regions": _regions(segmentation, known),
    }


def _regions(segmentation: Segmentation, known: Sureness) -> dict[str, Any]:
    regions = known.of_regions(segmentation.region_map, segmentation.labels)
    down, right = np.array(segmentation.size_hw) / segmentation.region_map.shape
    corners = np.rint(regions.box_xyxy * [right, down, right, down]).astype(int)
    places = ((regions.inside + 0.5) * [down, right]).astype(int)
    largest = np.argsort(-regions.pixels, kind="stable")[:MOST_REGIONS]
    names = (OTHER, *segmentation.class_names)
    return {
        "total": len(regions.pixels),
        "largest": [
            {
                "at": [int(places[index, 1]), int(places[index, 0])],
                "box_xyxy": corners[index].tolist(),
                "area": float(regions.pixels[index] / segmentation.region_map.size),
                "index": int(regions.labels[index]),
                "name": names[regions.labels[index] + 1],
                "confidence": float(regions.confidence[index]),
                "score": float(regions.score[index]),
                "margin": None if np.isnan(regions.margin[index]) else float(regions.margin[index]),
                "resemblance": float(regions.resemblance[index]),
                "resembles": regions.resembles[index],
            }
            for index in largest
        ],
    }


def provenance_values(provenance: Provenance) -> dict[str, Any]:
    """Bank, models and settings as JSON values."""
    return {
        "bank": {
            "address": provenance.bank,
            "revision": provenance.revision,
            "committed_at": provenance.committed_at,
        },
        "models": dict(provenance.models),
        "settings": dict(provenance.settings),
    }


def read_report(path: Path) -> dict[str, Any] | None:
    """A report that :func:`write_report` wrote; None when there is none, or it cannot be read."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None
