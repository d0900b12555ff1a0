"""What all formats of labels come to, and what their readers share."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, TypeVar

import numpy as np
from annotated_types import Len
from pydantic import ValidationError

from freeda_errors.documents import Document, fault_of
from freeda_learn.errors import LabelsError, LearnError
from freeda_learn.examples import Example, Rejected, class_name
from freeda_learn.marks import Marks
from freeda_models.protocols import BoolArray
from freeda_segment.classes import read_classes_file
from freeda_segment.errors import SegmentError
from freeda_store.files.picture_kinds import is_picture_name
from freeda_store.files.regular_files import open_regular
from freeda_store.records import JsonValue

MAX_BYTES = 2**31
"""A larger file of labels is refused."""


D = TypeVar("D", bound=Document)

Number = int | float
Pair = Annotated[list[Number], Len(2, 2)]
"""Two numbers, as JSON has them."""


@dataclass(frozen=True, eq=False)
class Region:
    """One labelled region.

    Attributes:
        name: of its class, as the labels write it.
        mask: makes bool (H, W); raises LearnError or ValueError where the labels are no mask.
        annotation: its id in the labels, ``""`` if it has none.
        crowd: a group of things of the class, of which none is marked: neither example nor rest.
    """

    name: str
    mask: Callable[[], BoolArray]
    annotation: str = ""
    crowd: bool = False


@dataclass(frozen=True, eq=False)
class PictureLabels:
    """The labels of one picture.

    Attributes:
        picture: path of its file.
        regions: all of them; none is needed where ``whole`` is.
        whole: name of the class of the whole picture, ``""`` for none.
        license, url: provenance.
        extra: anything else that is known.
    """

    picture: Path
    regions: tuple[Region, ...] = ()
    whole: str = ""
    license: str = ""
    url: str = ""
    extra: Mapping[str, JsonValue] = field(default_factory=dict)


Entry = PictureLabels | Rejected


@dataclass(frozen=True)
class Labels:
    """Labels of many pictures, to be read one by one.

    Attributes:
        format: what people call it.
        entries: makes them anew each time.
        pictures: how many there are.
    """

    format: str
    entries: Callable[[], Iterator[Entry]]
    pictures: int


def counted(labels: Labels, tell: Callable[[], object]) -> Labels:
    """The same labels, which tell of each picture whose labels were dealt with."""

    def entries() -> Iterator[Entry]:
        for entry in labels.entries():
            yield entry
            tell()

    return replace(labels, entries=entries)


def examples_of(labels: Labels, source: str = "") -> Iterator[Example | Rejected]:
    """One example for each class in each picture; its regions belong together."""
    for entry in labels.entries():
        if isinstance(entry, Rejected):
            yield entry
        else:
            yield from _examples(entry, source)


def _examples(entry: PictureLabels, source: str) -> Iterator[Example | Rejected]:
    def made(name: str, marks: Marks, annotation: str) -> Example:
        known = {"source": source, "license": entry.license, "url": entry.url, "extra": entry.extra}
        return Example(entry.picture, name, marks, annotation, **known)  # type: ignore[arg-type]

    if entry.whole:
        try:
            yield made(class_name(entry.whole), Marks(whole=True), "")
        except LearnError as error:
            yield Rejected(str(entry.picture), str(error))
    groups: dict[str, list[tuple[Region, BoolArray]]] = {}
    for region in entry.regions:
        try:
            groups.setdefault(class_name(region.name), []).append((region, region.mask()))
        except (LearnError, ValueError, TypeError, IndexError, OverflowError, MemoryError) as error:
            yield Rejected(_place(entry.picture, region.annotation), str(error) or "its mask cannot be read.")
    for name, group in groups.items():
        plain = [(region, mask) for region, mask in group if not region.crowd]
        if not plain:
            continue
        annotation = ",".join(region.annotation for region, _ in plain if region.annotation)
        if len({mask.shape for _, mask in group}) > 1:
            yield Rejected(_place(entry.picture, annotation), f"its masks of '{name}' have different sizes.")
            continue
        mask = np.logical_or.reduce([mask for _, mask in plain])
        crowds = [mask for region, mask in group if region.crowd]
        ignored = np.logical_or.reduce(crowds) if crowds else None
        yield made(name, Marks(mask_hw=mask, ignored_hw=ignored), annotation)


def _place(picture: Path, annotation: str) -> str:
    return f"{picture}, annotation {annotation}" if annotation else str(picture)


def read_json(path: Path) -> Any:
    """The values of a JSON file.

    Raises:
        LabelsError: it cannot be read, or is none.
    """
    data = read_bytes(path)
    try:
        return json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise LabelsError(f"{path} is no valid JSON ({error}); export the labels again.") from None


def read_bytes(path: Path) -> bytes:
    """A file of labels.

    Raises:
        LabelsError: it cannot be read, or is too large.
    """
    try:
        with open_regular(path) as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise LabelsError(f"{path} cannot be read ({error.strerror or error}).") from None
    if len(data) > MAX_BYTES:
        raise LabelsError(f"{path} has more than {MAX_BYTES:,} bytes; split it.")
    return data


def parsed(kind: type[D], values: object) -> D:
    """A document of values.

    Raises:
        LabelsError: says what is wrong in it, without its file.
    """
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise LabelsError(f"{fault_of(error)}.") from None
    except RecursionError:
        raise LabelsError("it is nested too deeply.") from None


class PictureFolder:
    """Finds the pictures that labels name, in one folder and those in it.

    A path in labels is often that of another machine; then the file's name alone decides.

    Args:
        folder: where the pictures are.

    Raises:
        LabelsError: it is no folder.
    """

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise LabelsError(f"{folder} is no folder; give the folder of the pictures.")
        self._folder = self.folder = folder
        self.paths = sorted(
            path
            for path in folder.rglob("*")
            if is_picture_name(path) and not path.name.startswith(".") and path.is_file()
        )
        self._names: dict[str, list[Path]] = {}
        self._stems: dict[str, list[Path]] = {}
        for path in self.paths:
            self._names.setdefault(path.name, []).append(path)
            self._stems.setdefault(path.stem, []).append(path)

    def named(self, name: str) -> Path:
        """The picture of a path or name in labels.

        Raises:
            LabelsError: there is none, or several of that name.
        """
        inside = self._folder / name
        if (
            ".." not in Path(name).parts
            and not Path(name).is_absolute()
            and inside in self._names.get(inside.name, ())
        ):
            return inside
        return self._only(self._names, name.replace("\\", "/").rsplit("/", 1)[-1])

    def of_stem(self, stem: str) -> Path:
        """The picture whose name without its suffix is this.

        Raises:
            LabelsError: there is none, or several.
        """
        return self._only(self._stems, stem)

    def _only(self, known: Mapping[str, list[Path]], name: str) -> Path:
        found = known.get(name, [])
        if len(found) != 1:
            what = "no picture" if not found else f"{len(found)} pictures"
            raise LabelsError(f"{self._folder} holds {what} '{name[:80]}'.")
        return found[0]


NO_CLASSES = frozenset({"-", "background", "ignore", "ignored", "unlabeled", "unlabelled", "void"})
"""Names in lists of classes under which nothing is learned."""


def read_class_names(path: Path) -> tuple[str, ...]:
    """Names of classes, one a line, as numbers in masks count them.

    Raises:
        LabelsError: the file cannot be read, or names none.
    """
    try:
        return tuple(each.name for each in read_classes_file(path).classes)
    except SegmentError as error:
        raise LabelsError(str(error)) from None


def polygon_mask(polygons: Iterable[Iterable[float]], size_hw: tuple[int, int]) -> BoolArray:
    """What polygons enclose together: bool (H, W).

    Args:
        polygons: x and y of their corners, in pixels, by turns; each of at least three.
        size_hw: of the picture.

    Raises:
        ValueError: a polygon has fewer corners.
    """
    from pycocotools import mask as coco_mask

    flat = [[float(value) for value in polygon] for polygon in polygons]
    if not flat or any(len(polygon) < 6 or len(polygon) % 2 for polygon in flat):
        raise ValueError("a polygon needs three corners or more, each of two numbers.")
    height, width = size_hw
    bounded = [[min(max(value, -1e6), 1e6) for value in polygon] for polygon in flat]
    mask: BoolArray = coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects(bounded, height, width))) > 0
    return mask


def check_size(size_hw: tuple[int, int]) -> tuple[int, int]:
    """A size that a mask may have.

    Raises:
        ValueError: it has no pixels, or too many.
    """
    from freeda_segment.images import MAX_PIXELS

    height, width = size_hw
    if height < 1 or width < 1 or height * width > MAX_PIXELS:
        raise ValueError(f"a mask of {width} x {height} pixels is none; at most {MAX_PIXELS:,} can be read.")
    return size_hw
