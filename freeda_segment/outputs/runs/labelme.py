"""LabelMe: a JSON file of polygons for each picture, which LabelMe opens beside it."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from freeda_segment.outputs.names import picture_place
from freeda_segment.outputs.runs.folder import ExportFolder
from freeda_segment.outputs.runs.pictures import Run, RunPicture
from freeda_store.files.own_files import GENERATOR, JSON_KEY

_VERSION = "5.5.0"
"""Of LabelMe, whose layout this is."""


def labelme_files(run: Run) -> list[str]:
    """What :func:`write_labelme` writes."""
    return [_name(each) for each in run.pictures]


def write_labelme(folder: ExportFolder, run: Run) -> None:
    """Write ``NAME.json`` for each picture; it names the picture by its place, and holds no copy.

    Raises:
        OutputError: a file cannot be written, or a label map cannot be read.
    """
    for picture in run.pictures:
        document = _document(picture, run, picture_place(picture.path, folder.path))
        folder.write_text(_name(picture), json.dumps(document, ensure_ascii=False) + "\n")


def _name(picture: RunPicture) -> str:
    return f"{picture.stem}.json"


def _document(picture: RunPicture, run: Run, place: str) -> dict[str, Any]:
    shapes = [
        {
            "label": run.names[each.label],
            "points": np.round(each.polygon(), 2).tolist(),
            "group_id": None,
            "description": "",
            "shape_type": "polygon",
            "flags": {},
            "mask": None,
        }
        for each in run.instances(picture)
    ]
    return {
        JSON_KEY: GENERATOR,
        "version": _VERSION,
        "flags": {},
        "shapes": shapes,
        "imagePath": place,
        "imageData": None,
        "imageHeight": picture.height,
        "imageWidth": picture.width,
    }
