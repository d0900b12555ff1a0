"""YOLO's labels of regions: a text file for each picture, a polygon a line, in shares of its sides."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from freeda_learn.errors import LabelsError
from freeda_learn.examples import Rejected
from freeda_learn.labels.common import (
    Entry,
    Labels,
    PictureFolder,
    PictureLabels,
    Region,
    polygon_mask,
    read_bytes,
)
from freeda_models.protocols import BoolArray
from freeda_segment.errors import ImageError
from freeda_segment.images import upright_size

_NUMBER = re.compile(r"[-+]?[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]{1,3})?")


def read_yolo(files: Sequence[Path], names: Sequence[str], folder: PictureFolder) -> Labels:
    """Labels of some of YOLO's files.

    Args:
        files: each has the name of its picture.
        names: of the classes, by number.
        folder: of the pictures.
    """

    def entries() -> Iterator[Entry]:
        for path in files:
            yield from _entries(path, names, folder)

    return Labels("YOLO", entries, len(files))


def _entries(path: Path, names: Sequence[str], folder: PictureFolder) -> Iterator[Entry]:
    try:
        picture = folder.of_stem(path.stem)
        size_hw = upright_size(picture)
        lines = read_bytes(path).decode("ascii", "replace").splitlines()
    except (LabelsError, ImageError) as error:
        yield Rejected(str(path), str(error))
        return
    regions = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            index, corners = _parse(line, len(names))
        except LabelsError as error:
            yield Rejected(f"{path}:{number}", str(error))
            continue
        regions.append(Region(names[index], partial(_mask, corners, size_hw), str(number)))
    yield PictureLabels(picture, tuple(regions))


def _parse(line: str, classes: int) -> tuple[int, list[float]]:
    first, *rest = line.split()
    if not first.isascii() or not first.isdigit() or len(first) > 6 or int(first) >= classes:
        raise LabelsError(f"the class '{first[:20]}' is none; {classes} are named, from 0 on.")
    if len(rest) < 6 or len(rest) % 2 or not all(_NUMBER.fullmatch(text) for text in rest):
        raise LabelsError("it is no polygon; expected a class and x y of at least three corners.")
    return int(first), [float(text) for text in rest]


def _mask(corners: list[float], size_hw: tuple[int, int]) -> BoolArray:
    sides = (size_hw[1], size_hw[0])
    return polygon_mask([[value * sides[place % 2] for place, value in enumerate(corners)]], size_hw)
