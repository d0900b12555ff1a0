"""LabelMe's labels: one JSON file beside each picture."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from freeda_errors.documents import Excerpt, Text
from freeda_learn.errors import LabelsError
from freeda_learn.examples import Rejected
from freeda_learn.labels.common import (
    Entry,
    Labels,
    Pair,
    PictureFolder,
    PictureLabels,
    Region,
    check_size,
    parsed,
    polygon_mask,
    read_json,
)
from freeda_models.protocols import BoolArray
from freeda_segment.images import MAX_PIXELS
from freeda_store.files.picture_files import UnreadablePictureError, opened_picture


class _Shape(Excerpt):
    label: Text
    points: list[Pair]
    shape_type: str = "polygon"
    mask: str | None = None


class _File(Excerpt):
    shapes: list[Any]
    imagePath: Text  # noqa: N815 - LabelMe's name
    imageHeight: int  # noqa: N815
    imageWidth: int  # noqa: N815


def is_labelme(values: object) -> bool:
    """Whether a JSON document is one of LabelMe's."""
    return isinstance(values, dict) and {"shapes", "imagePath"} <= values.keys()


def read_labelme(files: Sequence[Path], folder: PictureFolder) -> Labels:
    """Labels of some of LabelMe's files."""

    def entries() -> Iterator[Entry]:
        for path in files:
            yield from _entries(path, folder)

    return Labels("LabelMe", entries, len(files))


def _entries(path: Path, folder: PictureFolder) -> Iterator[Entry]:
    try:
        values: Mapping[str, Any] = read_json(path)
        told = parsed(_File, values)
        picture = folder.named(told.imagePath)
    except LabelsError as error:
        yield Rejected(str(path), str(error))
        return
    regions = []
    for place, each in enumerate(told.shapes):
        try:
            shape = parsed(_Shape, each)
        except LabelsError as error:
            yield Rejected(f"{path}, shape {place}", str(error))
            continue
        size_hw = (told.imageHeight, told.imageWidth)
        regions.append(Region(shape.label, partial(_mask, shape, size_hw), str(place)))
    yield PictureLabels(picture, tuple(regions))


def _mask(shape: _Shape, size_hw: tuple[int, int]) -> BoolArray:
    check_size(size_hw)
    points = np.array(shape.points, dtype=np.float64).reshape(-1, 2)
    if shape.mask is not None and shape.shape_type == "mask":
        return _pasted(shape.mask, points, size_hw)
    if shape.shape_type == "polygon":
        return polygon_mask([points.ravel().tolist()], size_hw)
    if shape.shape_type == "rectangle" and len(points) >= 2:
        (left, top), (right, bottom) = points.min(axis=0), points.max(axis=0)
        return polygon_mask([[left, top, right, top, right, bottom, left, bottom]], size_hw)
    if shape.shape_type == "circle" and len(points) == 2:
        radius = float(np.linalg.norm(points[1] - points[0]))
        rows, columns = np.ogrid[: size_hw[0], : size_hw[1]]
        inside: BoolArray = (columns - points[0][0]) ** 2 + (rows - points[0][1]) ** 2 <= radius**2
        return inside
    raise ValueError(f"a {shape.shape_type} is no region; draw polygons, rectangles, circles or masks.")


def _pasted(data: str, points: Any, size_hw: tuple[int, int]) -> BoolArray:
    """A mask that LabelMe keeps as PNG, cut to its box."""
    try:
        with opened_picture(BytesIO(b64decode(data, validate=True)), max_pixels=MAX_PIXELS) as picture:
            crop = np.asarray(picture)
    except UnreadablePictureError as error:
        raise ValueError(f"its mask {error.reason}.") from None
    if not len(points) or crop.ndim != 2:
        raise ValueError("its mask is none.")
    mask = np.zeros(size_hw, dtype=np.bool_)
    left, top = (int(value) for value in points.min(axis=0))
    place = mask[max(top, 0) : top + crop.shape[0], max(left, 0) : left + crop.shape[1]]
    place |= crop[: place.shape[0], : place.shape[1]] != 0
    return mask
