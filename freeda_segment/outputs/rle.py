"""COCO JSON: one run-length encoded mask for each class that the picture has."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from freeda_segment.outputs.files import write_text
from freeda_segment.outputs.result import Result
from freeda_store.files.own_files import GENERATOR, JSON_KEY


def write_rle(path: Path, result: Result) -> None:
    """Write a COCO document as UTF-8 JSON; ``pycocotools.coco.COCO`` reads it.

    Raises:
        OutputError: it cannot be written.
    """
    text = json.dumps(coco_document(result), ensure_ascii=False) + "\n"
    write_text(path, text)


def coco_document(result: Result) -> dict[str, Any]:
    """Picture, categories and masks as JSON values. A category's id is its label plus one."""
    from pycocotools import mask as rle

    segmentation = result.segmentation
    height, width = segmentation.size_hw
    annotations: list[dict[str, Any]] = []
    mask = np.empty((height, width), dtype=np.bool_, order="F")
    for share in segmentation.shares:
        if not share.pixels:
            continue
        np.equal(segmentation.labels, share.index, out=mask)
        encoded = rle.encode(mask.view(np.uint8))
        annotations.append(
            {
                "id": len(annotations) + 1,
                "image_id": 1,
                "category_id": share.index + 1,
                "segmentation": {"size": [height, width], "counts": encoded["counts"].decode("ascii")},
                "area": share.pixels,
                "bbox": [float(side) for side in rle.toBbox(encoded)],
                "iscrowd": 0,
                "score": share.score,
            }
        )
    return {
        JSON_KEY: GENERATOR,
        "images": [{"id": 1, "file_name": Path(result.source).name, "height": height, "width": width}],
        "categories": [
            {"id": share.index + 1, "name": share.name, "supercategory": ""} for share in segmentation.shares
        ],
        "annotations": annotations,
    }
