"""Label Studio's exports in JSON: polygons, rectangles, and brush strokes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from freeda_errors.documents import Excerpt
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
)
from freeda_models.protocols import BoolArray

_LABELS = ("brushlabels", "polygonlabels", "rectanglelabels", "labels")


class _Value(Excerpt):
    brushlabels: list[str] = Field(default_factory=list)
    polygonlabels: list[str] = Field(default_factory=list)
    rectanglelabels: list[str] = Field(default_factory=list)
    labels: list[str] = Field(default_factory=list)
    rle: list[int] | None = None
    points: list[Pair] | None = None
    x: float | int = 0
    y: float | int = 0
    width: float | int = 0
    height: float | int = 0


class _Result(Excerpt):
    id: str = ""
    original_width: int
    original_height: int
    value: _Value


class _Annotation(Excerpt):
    result: list[Any]
    was_cancelled: bool = False


class _Task(Excerpt):
    id: int | str = ""
    data: dict[str, Any]
    annotations: list[_Annotation]


def is_label_studio(values: object) -> bool:
    """Whether a JSON document is an export of Label Studio."""
    first = values[0] if isinstance(values, list) and values else None
    return isinstance(first, dict) and {"data", "annotations"} <= first.keys()


def read_label_studio(path: Path, values: Sequence[Any], folder: PictureFolder) -> Labels:
    """Labels of an export; see :func:`is_label_studio`."""

    def entries() -> Iterator[Entry]:
        for place, task in enumerate(values):
            yield from _entries(f"{path}, task {place + 1}", task, folder)

    return Labels("Label Studio", entries, len(values))


def _entries(place: str, values: object, folder: PictureFolder) -> Iterator[Entry]:
    try:
        task = parsed(_Task, values)
        picture = folder.named(_file_name(task, folder))
    except LabelsError as error:
        yield Rejected(place, str(error))
        return
    regions = []
    for annotation in task.annotations:
        for each in () if annotation.was_cancelled else annotation.result:
            if isinstance(each, dict) and each.get("type") in ("choices", "textarea", "rating", "relation"):
                continue
            try:
                regions += _regions(parsed(_Result, each))
            except LabelsError as error:
                yield Rejected(f"{place}, {picture.name}", str(error))
    yield PictureLabels(picture, tuple(regions), extra={"task": task.id})


def _file_name(task: _Task, folder: PictureFolder) -> str:
    """The name of a task's picture: the last part of an address, with or without an upload's prefix."""
    for value in task.data.values():
        if not isinstance(value, str):
            continue
        address = urlsplit(value)
        local = dict(part.split("=", 1) for part in address.query.split("&") if "=" in part).get("d", "")
        name = unquote(local or address.path).rsplit("/", 1)[-1]
        for candidate in (name, name.split("-", 1)[-1]):
            try:
                folder.named(candidate)
            except LabelsError:
                continue
            return candidate
    told = ", ".join(value for value in task.data.values() if isinstance(value, str))
    raise LabelsError(f"the folder holds no picture of its data ('{told[:80]}').")


def _regions(result: _Result) -> list[Region]:
    value = result.value
    names = [name for kind in _LABELS for name in getattr(value, kind)]
    if not names:
        raise LabelsError(f"region '{result.id[:40]}' has no label.")
    mask = partial(_mask, value, (result.original_height, result.original_width))
    return [Region(name, mask, result.id) for name in names]


def _mask(value: _Value, size_hw: tuple[int, int]) -> BoolArray:
    height, width = check_size(size_hw)
    if value.rle is not None:
        return decode_brush(value.rle, size_hw)
    if value.points is not None:
        flat = [
            side * part / 100
            for point in value.points
            for side, part in zip((width, height), point, strict=True)
        ]
        return polygon_mask([flat], size_hw)
    left, top = value.x * width / 100, value.y * height / 100
    right, bottom = left + value.width * width / 100, top + value.height * height / 100
    return polygon_mask([[left, top, right, top, right, bottom, left, bottom]], size_hw)


def decode_brush(data: Sequence[int], size_hw: tuple[int, int]) -> BoolArray:
    """A brush stroke of Label Studio, bool (H, W): where the last of its four channels is not 0.

    The bytes are a stream of bits: 32 for how many values there are, 5 for the bits of a value less one, four
    times 4 for four widths less one. Then come runs: a bit that says whether it is of one value or of many,
    two bits that choose a width, its length less one in a number of that width, and the value or the values.

    Raises:
        ValueError: they are no such stream, or are of another size.
    """
    height, width = size_hw
    if any(not 0 <= byte < 256 for byte in data):
        raise ValueError("its brush stroke holds numbers that are no bytes.")
    bits = _Bits(np.unpackbits(np.array(data, dtype=np.uint8)))
    count = bits.read(32)
    if count != height * width * 4:
        raise ValueError(
            f"its brush stroke has {count:,} values, not four for each of {width} x {height} pixels."
        )
    word = bits.read(5) + 1
    widths = [bits.read(4) + 1 for _ in range(4)]
    values = np.empty(count, dtype=np.uint32)
    place = 0
    while place < count:
        same, length = bits.read(1), bits.read(widths[bits.read(2)]) + 1
        stop = min(place + length, count)
        values[place:stop] = bits.read(word) if same else bits.read_many(word, stop - place)
        place = stop
    mask: BoolArray = values.reshape(height, width, 4)[..., 3] != 0
    return mask


class _Bits:
    """A stream of bits, most significant first."""

    def __init__(self, bits: NDArray[np.uint8]) -> None:
        self._bits, self._place = bits, 0

    def read(self, count: int) -> int:
        """The next number of so many bits."""
        return int(self.read_many(count, 1)[0])

    def read_many(self, count: int, times: int) -> NDArray[np.int64]:
        """The next numbers of so many bits each."""
        stop = self._place + count * times
        if stop > len(self._bits):
            raise ValueError("its brush stroke is cut off.")
        rows = self._bits[self._place : stop].reshape(times, count)
        self._place = stop
        return rows.astype(np.int64) @ (1 << np.arange(count - 1, -1, -1, dtype=np.int64))
