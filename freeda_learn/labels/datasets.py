"""The data sets that ``freeda evaluate`` knows, in the layouts that it reads."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from freeda_learn.errors import LabelsError
from freeda_learn.examples import Rejected
from freeda_learn.labels.common import Entry, Labels, PictureLabels, Region
from freeda_models.protocols import BoolArray
from freeda_segment.errors import SegmentError
from freeda_segment.evaluation.labelled import FolderPictures, open_dataset
from freeda_segment.evaluation.metrics import IGNORE
from freeda_segment.evaluation.specs import TINY, dataset_names


def is_dataset(name: str) -> bool:
    """Whether labels are a data set's by name."""
    return name in dataset_names() and name != TINY


def read_dataset(root: Path, name: str) -> Labels:
    """Labels of a data set in its folder.

    Raises:
        LabelsError: it is not there, or incomplete.
    """
    try:
        opened = open_dataset(name, root)
    except SegmentError as error:
        raise LabelsError(str(error)) from None
    if not isinstance(opened, FolderPictures):
        raise LabelsError(f"the data set '{name}' has no pictures in a folder.")
    names = [""] * opened.classes.with_background + [each.name for each in opened.classes.texts.classes]

    def entries() -> Iterator[Entry]:
        for index, pair in enumerate(opened.pairs):
            path = opened.image_path(pair.picture)
            read = cache(partial(_truth, opened, index))
            try:
                present = [int(number) for number in np.unique(read()) if number != IGNORE]
            except SegmentError as error:
                yield Rejected(str(path), str(error))
                continue
            regions = [
                Region(names[number], partial(_where, read, number), str(number))
                for number in present
                if names[number]
            ]
            yield PictureLabels(path, tuple(regions), extra={"dataset": name})

    return Labels(opened.title, entries, len(opened.pairs))


def _truth(opened: FolderPictures, index: int) -> NDArray[np.uint8]:
    return opened.load(index).truth


def _where(read: Any, number: int) -> BoolArray:
    mask: BoolArray = read() == number
    return mask
