"""The layout of mmsegmentation: pictures and label maps of one name in two folders, and the classes."""

from __future__ import annotations

import json

from freeda_segment.outputs.labels import write_label_map
from freeda_segment.outputs.palette import class_colours
from freeda_segment.outputs.runs.folder import ExportFolder
from freeda_segment.outputs.runs.pictures import Run, RunPicture
from freeda_store.files.own_files import GENERATOR, JSON_KEY


def mmseg_files(run: Run) -> list[str]:
    """What :func:`write_mmseg` writes."""
    names = [name for each in run.pictures for name in (_image(each), _labels(each))]
    return [*names, "metainfo.json"]


def write_mmseg(folder: ExportFolder, run: Run) -> None:
    """Write ``img_dir/`` (links to the pictures), ``ann_dir/`` (label maps from 0, 255 for none) and
    ``metainfo.json``.

    Raises:
        OutputError: a file cannot be written, or a label map cannot be read.
    """
    for picture in run.pictures:
        folder.link(_image(picture), picture.path)
        with folder.written_whole(_labels(picture)) as part:
            write_label_map(part, picture.labels(), run.names)
    document = {
        JSON_KEY: GENERATOR,
        "classes": list(run.names),
        "palette": class_colours(len(run.names)).tolist(),
    }
    folder.write_text("metainfo.json", json.dumps(document, ensure_ascii=False, indent=1) + "\n")


def _image(picture: RunPicture) -> str:
    return f"img_dir/{picture.stem}{picture.path.suffix}"


def _labels(picture: RunPicture) -> str:
    return f"ann_dir/{picture.stem}.png"
