"""JSON: what each class got, and everything that shaped the result."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from freeda_segment.outputs.files import written_whole
from freeda_segment.outputs.palette import class_colours
from freeda_segment.outputs.result import Result

FORMAT_VERSION = 1


def write_report(path: Path, result: Result) -> None:
    """Write the report as UTF-8 JSON.

    Raises:
        OutputError: it cannot be written.
    """
    text = json.dumps(report(result), indent=2, ensure_ascii=False) + "\n"
    with written_whole(path) as part:
        part.write_text(text, encoding="utf-8")


def report(result: Result) -> dict[str, Any]:
    """The report as JSON values; classes are in the order of their labels."""
    segmentation = result.segmentation
    height, width = segmentation.size_hw
    colours = class_colours(len(segmentation.shares))
    return {
        "format": FORMAT_VERSION,
        "picture": {"source": result.source, "width": width, "height": height},
        "classes": [
            {
                "index": share.index,
                "name": share.name,
                "texts": list(described.texts),
                "colour": "#" + bytes(colours[share.index]).hex(),
                "pixels": share.pixels,
                "area": share.area,
                "score": share.score,
            }
            for share, described in zip(
                segmentation.shares, segmentation.evidence.prototypes.classes, strict=True
            )
        ],
        "background": {"area": segmentation.background_area},
        "bank": {"address": segmentation.origin.bank, "revision": segmentation.origin.revision},
        "models": dict(segmentation.origin.models),
        "settings": dict(segmentation.origin.settings),
        "notes": list(segmentation.notes),
    }
