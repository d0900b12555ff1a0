"""The formats of a whole run by name, and writing a run in several of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from freeda_segment.outputs.runs.coco import NAME as COCO
from freeda_segment.outputs.runs.coco import coco_files, write_coco
from freeda_segment.outputs.runs.folder import ExportFolder, export_folder
from freeda_segment.outputs.runs.label_studio import NAME as TASKS
from freeda_segment.outputs.runs.label_studio import (
    label_studio_files,
    write_label_studio,
    write_label_studio_polygons,
)
from freeda_segment.outputs.runs.labelme import labelme_files, write_labelme
from freeda_segment.outputs.runs.mmseg import mmseg_files, write_mmseg
from freeda_segment.outputs.runs.panoptic import NAME as PANOPTIC
from freeda_segment.outputs.runs.panoptic import panoptic_files, write_panoptic
from freeda_segment.outputs.runs.pictures import Run
from freeda_segment.outputs.runs.yolo import write_yolo, yolo_files


@dataclass(frozen=True)
class RunFormat:
    """A format of a whole run.

    Attributes:
        files: what it writes, by their places in a folder named as the format.
        write: writes them.
        first: the file in it that tools are given; empty where it is the folder.
    """

    files: Callable[[Run], list[str]]
    write: Callable[[ExportFolder, Run], None]
    first: str = ""


RUN_FORMATS: Mapping[str, RunFormat] = MappingProxyType(
    {
        "coco": RunFormat(coco_files, write_coco, COCO),
        "coco-panoptic": RunFormat(panoptic_files, write_panoptic, PANOPTIC),
        "yolo": RunFormat(yolo_files, write_yolo, "data.yaml"),
        "labelme": RunFormat(labelme_files, write_labelme),
        "label-studio": RunFormat(label_studio_files, write_label_studio, TASKS),
        "label-studio-polygons": RunFormat(label_studio_files, write_label_studio_polygons, TASKS),
        "mmseg": RunFormat(mmseg_files, write_mmseg),
    }
)
"""Formats of a whole run by name."""


@dataclass(frozen=True)
class WrittenRun:
    """A format that is there.

    Attributes:
        name: of the format.
        path: what tools are given.
        fresh: whether it was written now; False where it was there.
    """

    name: str
    path: Path
    fresh: bool


def write_run(
    out: str | Path, run: Run, formats: Sequence[str], *, force: bool = False
) -> Iterator[WrittenRun]:
    """Write a run in several formats, each into a folder of its own; what is there already is kept.

    Args:
        out: folder of the results.
        run: pictures with their label maps.
        formats: names of :data:`RUN_FORMATS`.
        force: replace also what freeda did not write, and what is there already.

    Yields:
        Each format as it is done.

    Raises:
        OverwriteError: a folder of that name is there and not freeda's.
        OutputError: a file cannot be written, or a label map cannot be read.
    """
    for name in formats:
        chosen, path = RUN_FORMATS[name], Path(out) / name
        with export_folder(path, chosen.files(run), run.digest(name), force=force) as folder:
            if folder is not None:
                chosen.write(folder, run)
        yield WrittenRun(name, path / chosen.first, folder is not None)
