"""COCO panoptic: a JSON file, and a PNG for each picture whose colours are the numbers of its segments.

A segment is a class's region: the number ``R + 256 G + 65536 B`` is the label plus one, 0 for no class.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from freeda_segment.outputs.palette import class_colours
from freeda_segment.outputs.runs.coco import coco_categories, coco_head, coco_images
from freeda_segment.outputs.runs.folder import ExportFolder
from freeda_segment.outputs.runs.pictures import Run, RunPicture
from freeda_store.files.own_files import png_mark

NAME = "panoptic.json"
PICTURES = "panoptic"


def panoptic_files(run: Run) -> list[str]:
    """What :func:`write_panoptic` writes."""
    return [*(f"{PICTURES}/{_name(each)}" for each in run.pictures), NAME]


def write_panoptic(folder: ExportFolder, run: Run) -> None:
    """Write ``panoptic.json`` and the folder ``panoptic/``.

    Raises:
        OutputError: a file cannot be written, or a label map cannot be read.
    """
    annotations = []
    for image, picture in enumerate(run.pictures, start=1):
        labels, name = picture.labels(), _name(picture)
        _write_numbers(folder, f"{PICTURES}/{name}", labels)
        annotations.append({"image_id": image, "file_name": name, "segments_info": _segments(labels)})
    colours = class_colours(len(run.names)).tolist()
    categories = [
        {**category, "isthing": 0, "color": colour}
        for category, colour in zip(coco_categories(run), colours, strict=True)
    ]
    document = {**coco_head(run), "categories": categories, "images": coco_images(run)}
    folder.write_text(NAME, json.dumps({**document, "annotations": annotations}, ensure_ascii=False) + "\n")


def _name(picture: RunPicture) -> str:
    return f"{picture.stem}.png"


def _write_numbers(folder: ExportFolder, name: str, labels: NDArray[np.int16]) -> None:
    from PIL import Image

    numbers = labels.astype(np.uint16) + np.uint16(1)  # -1 becomes 0
    rgb = np.zeros((*labels.shape, 3), dtype=np.uint8)
    rgb[:, :, 0], rgb[:, :, 1] = numbers % 256, numbers // 256
    with folder.written_whole(name) as part:
        Image.fromarray(rgb).save(part, format="PNG", pnginfo=png_mark())


def _segments(labels: NDArray[np.int16]) -> list[dict[str, Any]]:
    from scipy.ndimage import find_objects

    numbers = labels.astype(np.int32) + 1
    pixels = np.bincount(numbers.ravel())
    segments = []
    for index, box in enumerate(find_objects(numbers)):
        if box is None:
            continue
        rows, columns = box
        segments.append(
            {
                "id": index + 1,
                "category_id": index + 1,
                "area": int(pixels[index + 1]),
                "bbox": [
                    columns.start,
                    rows.start,
                    columns.stop - columns.start,
                    rows.stop - rows.start,
                ],
                "iscrowd": 0,
            }
        )
    return segments
