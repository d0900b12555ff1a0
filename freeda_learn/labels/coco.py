"""COCO's labels: instances (polygons, run lengths as text and as numbers, crowds) and panoptic ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from annotated_types import Len

from freeda_errors.documents import Excerpt, Text
from freeda_learn.errors import LabelsError
from freeda_learn.examples import Rejected
from freeda_learn.labels.common import (
    Entry,
    Labels,
    Number,
    PictureFolder,
    PictureLabels,
    Region,
    check_size,
    parsed,
    polygon_mask,
)
from freeda_models.protocols import BoolArray
from freeda_segment.images import open_image


class _Image(Excerpt):
    id: int | str
    file_name: Text
    height: int
    width: int
    license: int | str | None = None
    coco_url: Text = ""
    flickr_url: Text = ""


class _Category(Excerpt):
    id: int
    name: Text


class _Licence(Excerpt):
    id: int | str
    name: Text = ""


class _RunLengths(Excerpt):
    size: Annotated[list[int], Len(2, 2)]
    counts: str | list[int]


class _Annotation(Excerpt):
    image_id: int | str
    category_id: int
    segmentation: list[list[Number]] | _RunLengths
    id: int | str = ""
    iscrowd: int = 0


class _Segment(Excerpt):
    id: int
    category_id: int
    iscrowd: int = 0


class _Panoptic(Excerpt):
    image_id: int | str
    file_name: Text
    segments_info: list[_Segment]


@dataclass(frozen=True)
class _Head:
    """What both kinds share."""

    images: Mapping[int | str, _Image]
    names: Mapping[int, str]
    licences: Mapping[int | str, str]
    faults: tuple[str, ...]


def is_coco(values: object) -> bool:
    """Whether a JSON document is COCO's."""
    return isinstance(values, dict) and {"images", "annotations", "categories"} <= values.keys()


def read_coco(path: Path, values: Mapping[str, Any], folder: PictureFolder) -> Labels:
    """Labels of a document; see :func:`is_coco`.

    Raises:
        LabelsError: its lists are none.
    """
    for name in ("images", "annotations", "categories"):
        if not isinstance(values[name], list):
            raise LabelsError(f"{path}: '{name}' is no list; export the labels again.")
    head = _head(values)
    annotations: list[Any] = values["annotations"]
    panoptic = any(isinstance(each, dict) and "segments_info" in each for each in annotations)
    read = partial(_panoptic, path) if panoptic else _instances
    name = "COCO panoptic" if panoptic else "COCO instances"

    def entries() -> Iterator[Entry]:
        for fault in head.faults:
            yield Rejected(str(path), fault)
        yield from read(annotations, head, folder)

    return Labels(name, entries, len(head.images))


def _head(values: Mapping[str, Any]) -> _Head:
    faults: list[str] = []

    def each(kind: Any, name: str) -> Iterator[Any]:
        for place, one in enumerate(values.get(name) or ()):
            try:
                yield parsed(kind, one)
            except LabelsError as error:
                faults.append(f"{name}[{place}]: {error}")

    images = {image.id: image for image in each(_Image, "images")}
    names = {category.id: category.name for category in each(_Category, "categories")}
    licences = (
        {one.id: one.name for one in each(_Licence, "licenses")}
        if isinstance(values.get("licenses"), list)
        else {}
    )
    return _Head(images, names, licences, tuple(faults))


def _instances(annotations: list[Any], head: _Head, folder: PictureFolder) -> Iterator[Entry]:
    by_image: dict[int | str, list[Any]] = {}
    for each in annotations:
        owner = each.get("image_id") if isinstance(each, dict) else None
        by_image.setdefault(owner if isinstance(owner, int | str) else "", []).append(each)
    for image_id, own in by_image.items():
        image = head.images.get(image_id)
        if image is None:
            for each in own:
                yield Rejected(_named(each), f"there is no picture of the id {image_id!r}.")
            continue
        regions = []
        for each in own:
            try:
                regions.append(_region(parsed(_Annotation, each), head, image))
            except LabelsError as error:
                yield Rejected(f"{image.file_name}, {_named(each)}", str(error))
        yield from _entry(image, regions, head, folder)


def _region(annotation: _Annotation, head: _Head, image: _Image) -> Region:
    return Region(
        _name(head, annotation.category_id),
        partial(_decode, annotation.segmentation, (image.height, image.width)),
        str(annotation.id),
        crowd=annotation.iscrowd != 0,
    )


def _decode(segmentation: list[list[Number]] | _RunLengths, size_hw: tuple[int, int]) -> BoolArray:
    from pycocotools import mask as coco_mask

    if isinstance(segmentation, list):
        return polygon_mask(segmentation, check_size(size_hw))
    height, width = check_size((segmentation.size[0], segmentation.size[1]))
    counts = segmentation.counts
    if isinstance(counts, list):
        if sum(counts) != height * width or min(counts, default=0) < 0:
            raise ValueError(f"its run lengths add up to {sum(counts):,}, not to {height} x {width} pixels.")
        values = np.repeat(np.arange(len(counts)) % 2 == 1, counts)
        mask: BoolArray = values.reshape(width, height).T
        return mask
    runs = _unpacked(counts)
    if sum(runs) != height * width or min(runs, default=0) < 0:
        raise ValueError("its run lengths do not fit its size.")
    decoded: BoolArray = coco_mask.decode({"size": [height, width], "counts": counts.encode("ascii")}) > 0
    return decoded


def _unpacked(text: str) -> list[int]:
    """The run lengths of COCO's text: five bits a character, differences from the third on.

    They are added up before pycocotools decodes them, which trusts them.
    """
    runs: list[int] = []
    place = 0
    while place < len(text):
        value, shift, more = 0, 0, True
        while more:
            if place >= len(text) or shift > 30:
                raise ValueError("its run lengths are cut off.")
            digit = ord(text[place]) - 48
            if not 0 <= digit < 64:
                raise ValueError(f"its run lengths hold {text[place]!r}.")
            value |= (digit & 31) << shift
            more = bool(digit & 32)
            place, shift = place + 1, shift + 5
            if not more and digit & 16:
                value |= -1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
    return runs


def _panoptic(path: Path, annotations: list[Any], head: _Head, folder: PictureFolder) -> Iterator[Entry]:
    maps = path.with_suffix("")
    for each in annotations:
        try:
            told = parsed(_Panoptic, each)
            image = head.images.get(told.image_id)
            if image is None:
                raise LabelsError(f"there is no picture of the id {told.image_id!r}.")
            file = maps / Path(told.file_name).name
            ids = _LazyIds(file)
            regions = [
                Region(
                    _name(head, segment.category_id),
                    partial(ids.mask, segment.id),
                    str(segment.id),
                    crowd=segment.iscrowd != 0,
                )
                for segment in told.segments_info
            ]
        except LabelsError as error:
            yield Rejected(_named(each), str(error))
            continue
        yield from _entry(image, regions, head, folder)


class _LazyIds:
    """The map of segments of one picture: id = R + 256 G + 65536 B, read when first needed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._ids: np.ndarray[Any, np.dtype[np.int64]] | None = None

    def mask(self, id_: int) -> BoolArray:
        """Where a segment is.

        Raises:
            ValueError: the map cannot be read, or the segment is not in it.
        """
        if self._ids is None:
            from freeda_segment.errors import ImageError

            try:
                rgb = open_image(self._path).astype(np.int64)
            except ImageError as error:
                raise ValueError(str(error)) from None
            self._ids = rgb @ np.array([1, 256, 65536])
        mask: BoolArray = self._ids == id_
        if not mask.any():
            raise ValueError(f"segment {id_} is not in {self._path.name}.")
        return mask


def _entry(image: _Image, regions: list[Region], head: _Head, folder: PictureFolder) -> Iterator[Entry]:
    try:
        picture = folder.named(image.file_name)
    except LabelsError as error:
        yield Rejected(image.file_name, str(error))
        return
    licence = head.licences.get(image.license, "") if image.license is not None else ""
    url = image.coco_url or image.flickr_url
    yield PictureLabels(picture, tuple(regions), license=licence, url=url, extra={"image_id": image.id})


def _name(head: _Head, category: int) -> str:
    name = head.names.get(category)
    if name is None:
        raise LabelsError(f"there is no category of the id {category}.")
    return name


def _named(annotation: object) -> str:
    known = annotation.get("id", annotation.get("image_id", "?")) if isinstance(annotation, dict) else "?"
    return f"annotation {str(known)[:40]}"
