"""COCO instances: one JSON file, a polygon for each connected area, as pycocotools and others read it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np

from freeda_segment.outputs.runs.folder import ExportFolder
from freeda_segment.outputs.runs.pictures import Run, RunPicture
from freeda_store.files.own_files import GENERATOR, JSON_KEY

NAME = "annotations.json"
_LICENSE = {"id": 1, "name": "unknown", "url": ""}


def coco_files(run: Run) -> list[str]:
    """What :func:`write_coco` writes."""
    del run
    return [NAME]


def write_coco(folder: ExportFolder, run: Run) -> None:
    """Write ``annotations.json``, a picture at a time.

    Raises:
        OutputError: it cannot be written, or a label map cannot be read.
    """
    head = {**coco_head(run), "categories": coco_categories(run), "images": coco_images(run)}
    with (
        folder.written_whole(NAME) as part,
        part.open("w", encoding="utf-8", errors="backslashreplace") as file,
    ):
        file.write(json.dumps(head, ensure_ascii=False)[:-1] + ', "annotations": [')
        between = ""
        for annotation in _annotations(run):
            file.write(f"{between}\n{json.dumps(annotation)}")
            between = ","
        file.write("\n]}\n")


def coco_head(run: Run) -> dict[str, Any]:
    """What every COCO document begins with; ``freeda`` says what made it and where the pictures are."""
    committed = run.provenance["bank"]["committed_at"]
    return {
        JSON_KEY: GENERATOR,
        "info": {
            "description": f"labelled by freeda from the bank {run.provenance['bank']['address']}",
            "version": str(run.provenance["bank"]["revision"]),
            "year": int(committed[:4]) if committed[:4].isdigit() else 0,
            "contributor": GENERATOR,
            "url": "",
            "date_created": committed,
        },
        "licenses": [_LICENSE],
        "freeda": {"images": str(run.root) if run.told is None else run.told, **run.provenance},
    }


def coco_images(run: Run) -> list[dict[str, Any]]:
    """The pictures; ids count from 1, and file names are relative to the run's root."""
    return [
        {
            "id": number,
            "file_name": run.place(each),
            "width": each.width,
            "height": each.height,
            "license": _LICENSE["id"],
        }
        for number, each in enumerate(run.pictures, start=1)
    ]


def coco_categories(run: Run) -> list[dict[str, Any]]:
    """The classes; an id is the label plus one."""
    return [
        {"id": index + 1, "name": name, "supercategory": "object"} for index, name in enumerate(run.names)
    ]


def _annotations(run: Run) -> Iterator[dict[str, Any]]:
    number = 0
    for image, picture in enumerate(run.pictures, start=1):
        for annotation in _of_picture(picture, run):
            number += 1
            yield {"id": number, "image_id": image, **annotation}


def _of_picture(picture: RunPicture, run: Run) -> Iterator[dict[str, Any]]:
    for each in run.instances(picture):
        yield {
            "category_id": each.label + 1,
            "segmentation": [np.round(each.polygon(), 2).ravel().tolist()],
            "area": each.area,
            "bbox": list(each.box_xywh),
            "iscrowd": 0,
            "score": picture.scores[each.label],
        }
