"""Masks of numbers, as PNG, one for each picture: mmsegmentation's layouts, and those of the data sets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from freeda_learn.errors import LabelsError
from freeda_learn.examples import Rejected
from freeda_learn.labels.common import NO_CLASSES, Entry, Labels, PictureFolder, PictureLabels, Region
from freeda_models.protocols import BoolArray
from freeda_segment.images import MAX_PIXELS
from freeda_store.files.picture_files import UnreadablePictureError, opened_picture
from freeda_store.files.regular_files import open_regular

IGNORE = 255
"""The number of pixels that do not count."""

_ENDINGS = ("_labelTrainIds", "_gtFine_labelTrainIds", "_labels", "_mask", "_seg", "")
"""What masks' names have beyond their pictures'."""

_PICTURE_ENDINGS = ("_leftImg8bit", "")


def read_indexed(masks: Path, names: Sequence[str], folder: PictureFolder) -> Labels:
    """Labels of a folder of masks.

    Args:
        masks: the folder; the masks of pictures have their names, with or without an ending.
        names: of the classes, by number; 255 does not count, nor does what is named as in :data:`NO_CLASSES`.
        folder: of the pictures.

    Raises:
        LabelsError: the folder holds no mask.
    """
    paths = sorted(path for path in masks.rglob("*.png") if not path.name.startswith("."))
    if not paths:
        raise LabelsError(f"{masks} holds no mask *.png.")

    def entries() -> Iterator[Entry]:
        for path in paths:
            yield _entry(path, names, folder)

    return Labels("indexed masks", entries, len(paths))


def _entry(path: Path, names: Sequence[str], folder: PictureFolder) -> Entry:
    try:
        picture = _picture_of(path, folder)
        read = cache(partial(_read, path))
        present = [int(number) for number in np.unique(read()) if number != IGNORE]
    except LabelsError as error:
        return Rejected(str(path), str(error))
    regions = [
        Region(_name(names, number), partial(_where, read, number, len(names)), str(number))
        for number in present
        if number >= len(names) or names[number].lower() not in NO_CLASSES
    ]
    return PictureLabels(picture, tuple(regions), extra={"mask": path.name})


def _name(names: Sequence[str], number: int) -> str:
    return names[number] if number < len(names) else f"class {number}"


def _where(read: Any, number: int, classes: int) -> BoolArray:
    if number >= classes:
        raise LabelsError(f"the number {number} stands for no class; {classes} are named, from 0 on.")
    mask: BoolArray = read() == number
    return mask


def _picture_of(path: Path, folder: PictureFolder) -> Path:
    for ending in _ENDINGS:
        if path.stem.endswith(ending):
            stem = path.stem.removesuffix(ending)
            for more in _PICTURE_ENDINGS:
                try:
                    return folder.of_stem(stem + more)
                except LabelsError:
                    continue
    return folder.of_stem(path.stem)


def _read(path: Path) -> NDArray[Any]:
    try:
        with open_regular(path) as file, opened_picture(file, max_pixels=MAX_PIXELS) as picture:
            numbers = np.array(picture)
    except OSError as error:
        raise LabelsError(f"it cannot be read ({error.strerror or error}).") from None
    except UnreadablePictureError as error:
        raise LabelsError(f"it {error.reason}.") from None
    if numbers.ndim != 2 or numbers.dtype.kind not in "uib":
        raise LabelsError("it is no mask of numbers, but a picture of colours; export indexed or grey masks.")
    return numbers.astype(np.int64)
