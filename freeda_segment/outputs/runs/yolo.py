"""YOLO segmentation: a text file of polygons for each picture, and ``data.yaml``."""

from __future__ import annotations

import json

import numpy as np

from freeda_segment.outputs.instances import Instance
from freeda_segment.outputs.runs.folder import ExportFolder
from freeda_segment.outputs.runs.pictures import Run, RunPicture


def yolo_files(run: Run) -> list[str]:
    """What :func:`write_yolo` writes."""
    return [*(name for each in run.pictures for name in (_labels(each), _image(each))), "data.yaml"]


def write_yolo(folder: ExportFolder, run: Run) -> None:
    """Write ``labels/``, ``images/`` (links to the pictures) and ``data.yaml``.

    Raises:
        OutputError: a file cannot be written, or a label map cannot be read.
    """
    for picture in run.pictures:
        found = run.instances(picture)
        lines = [_line(each, picture) for each in found]
        folder.write_text(_labels(picture), "".join(lines))
        folder.link(_image(picture), picture.path)
    names = "".join(f"  {index}: {json.dumps(name)}\n" for index, name in enumerate(run.names))
    folder.write_text(
        "data.yaml",
        f"# Written by freeda. All pictures stand in train and val; divide them before you train.\n"
        f"path: .\ntrain: images\nval: images\nnc: {len(run.names)}\nnames:\n{names}",
    )


def _labels(picture: RunPicture) -> str:
    return f"labels/{picture.stem}.txt"


def _image(picture: RunPicture) -> str:
    return f"images/{picture.stem}{picture.path.suffix}"


def _line(instance: Instance, picture: RunPicture) -> str:
    """``label x y x y ...``, as shares of width and height."""
    shares = instance.polygon() / (picture.width, picture.height)
    numbers = (f"{number:.6g}" for number in np.clip(shares, 0, 1).ravel())
    return f"{instance.label} {' '.join(numbers)}\n"
