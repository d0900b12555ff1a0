"""JSON: what each class got, and everything that shaped the result."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from freeda_segment.outputs.files import write_text
from freeda_segment.outputs.palette import class_colours
from freeda_segment.outputs.result import Result
from freeda_store.files.own_files import GENERATOR, JSON_KEY

if TYPE_CHECKING:
    from freeda_segment.result import Provenance

FORMAT_VERSION = 1


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
    colours = class_colours(len(segmentation.shares))
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
            for share, described in zip(segmentation.shares, segmentation.classes, strict=True)
        ],
        "background": {"area": segmentation.background_area},
        **provenance_values(segmentation.provenance),
        "notes": list(segmentation.notes),
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
