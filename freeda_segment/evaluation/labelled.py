"""Labelled pictures: data sets in folders, and the bundled scenes, behind one small protocol."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from freeda_models.protocols import ImageArray
from freeda_segment.classes import ClassList, ClassName
from freeda_segment.errors import DatasetError, OptionError, TruthUnreadableError
from freeda_segment.evaluation.datasets import Scenes, load_scenes
from freeda_segment.evaluation.metrics import IGNORE
from freeda_segment.evaluation.specs import (
    TINY,
    DatasetClasses,
    DatasetSpec,
    Zero,
    load_spec,
    official_classes,
    other_classes,
)
from freeda_segment.evaluation.split_files import Files, Pair, read_split
from freeda_segment.images import MAX_PIXELS, read_stored
from freeda_store.files.picture_files import UnreadablePictureError, opened_picture
from freeda_store.files.regular_files import open_regular


@dataclass(frozen=True, eq=False)
class LabelledPicture:
    """A picture with its truth.

    Attributes:
        image: uint8 (H, W, 3) RGB.
        truth: uint8 (H, W), class indices with background at 0 where it is counted, 255 where
            pixels are not.
    """

    image: ImageArray
    truth: NDArray[np.uint8]


class LabelledPictures(Protocol):
    """What can be evaluated. Implementations travel to other processes, so they hold plain values."""

    @property
    def name(self) -> str:
        """The data set's name."""

    @property
    def title(self) -> str:
        """What it is, for people."""

    @property
    def root(self) -> str:
        """Its folder; empty when it is bundled."""

    @property
    def classes(self) -> DatasetClasses:
        """What its labels mean."""

    @property
    def spec(self) -> DatasetSpec | None:
        """Its description, None when it is bundled."""

    @property
    def pictures(self) -> Sequence[str]:
        """A name for each picture, all different, always in the same order."""

    def load(self, index: int) -> LabelledPicture:
        """Read one picture and its truth."""


def open_dataset(
    name: str, root: str | Path | None = None, names_file: str | Path | None = None
) -> LabelledPictures:
    """Find a data set's pictures and truth; nothing is decoded yet.

    Args:
        name: one of :func:`freeda_segment.evaluation.specs.dataset_names`.
        root: its folder, or one that holds it; not needed for ``tiny``.
        names_file: class names of one's own, see :func:`other_classes`; the official ones if None.

    Raises:
        OptionError: there is no such data set, its folder is not given, or a bundled one is given a folder.
        DatasetError: it is not there or incomplete, or the class names do not fit.
    """
    if name == TINY:
        if root is not None:
            raise OptionError(f"data set '{name}' is bundled and has no folder; leave --root out.")
        scenes = load_scenes()
        texts = ClassList(tuple(ClassName((each,)) for each in scenes.class_names))
        if names_file is not None:
            texts = other_classes(names_file, len(texts.classes))
        return ScenePictures(scenes, DatasetClasses(texts, with_background=False))
    spec = load_spec(name)
    if root is None:
        raise OptionError(f"data set '{name}' is not bundled; give its folder with --root DIR.")
    texts = official_classes(spec)
    if names_file is not None:
        texts = other_classes(names_file, len(texts.classes))
    return open_folder(name, spec, Path(root), texts)


@dataclass(frozen=True)
class ScenePictures:
    """Rendered scenes as a data set."""

    scenes: Scenes
    classes: DatasetClasses
    name: str = TINY
    title: str = "rendered scenes that no network was trained on"
    root: str = ""
    spec: DatasetSpec | None = None

    @property
    def pictures(self) -> Sequence[str]:
        """``scene-000`` and so on."""
        return [f"scene-{index:03d}" for index in range(len(self.scenes))]

    def load(self, index: int) -> LabelledPicture:
        """One scene."""
        return LabelledPicture(self.scenes.images[index], self.scenes.labels[index])


@dataclass(frozen=True)
class FolderPictures:
    """A data set in a folder.

    Attributes:
        base: the folder that holds ``spec.images`` and ``spec.truth``.
        pairs: the pictures and label maps, by their paths under ``spec.images`` and ``spec.truth``.
    """

    name: str
    spec: DatasetSpec
    base: Path
    classes: DatasetClasses
    pairs: tuple[Pair, ...] = ()

    @property
    def pictures(self) -> tuple[str, ...]:
        """Paths of the pictures under ``spec.images``, without their suffix."""
        return tuple(pair.name for pair in self.pairs)

    @property
    def title(self) -> str:
        """What it is, for people."""
        return self.spec.title

    @property
    def root(self) -> str:
        """Its folder."""
        return str(self.base)

    def image_path(self, picture: str) -> Path:
        """Where a picture lies."""
        return self.base / self.spec.images / f"{picture}{self.spec.image_suffix}"

    def truth_path(self, truth: str) -> Path:
        """Where a label map lies."""
        return self.base / self.spec.truth / f"{truth}{self.spec.truth_suffix}"

    def load(self, index: int) -> LabelledPicture:
        """Read a picture and its truth.

        Label maps are drawn on pictures as their files store them, as the data sets' own tools and
        those that made the maps read them; EXIF's orientation is followed only where the map has the
        size that the picture has when it is turned, and not the size that it is stored in.

        Raises:
            ImageError: the picture cannot be read.
            TruthUnreadableError: the truth cannot be read.
            DatasetError: the truth is of another size, is no label map, or holds an unknown label.
        """
        pair = self.pairs[index]
        stored = read_stored(self.image_path(pair.picture))
        path = self.truth_path(pair.truth)
        truth = _as_classes(_read_labels(path), self.spec.zero)
        image = stored.pixels
        if truth.shape != image.shape[:2]:
            image = stored.upright()
        if truth.shape != image.shape[:2]:
            raise DatasetError(
                f"{path} has {_size(truth)} pixels and its picture {_size(stored.pixels)}; fetch both again."
            )
        wrong = truth[(truth != IGNORE) & (truth >= len(self.classes))]
        if wrong.size:
            raise DatasetError(
                f"{path} holds a label for class {wrong.min()} of {len(self.classes)}; {self.spec.make}."
            )
        return LabelledPicture(image, truth)


def open_folder(name: str, spec: DatasetSpec, root: Path, texts: ClassList) -> FolderPictures:
    """Find the pictures of a data set that lies in a folder.

    Raises:
        DatasetError: the folder does not hold the data set, or some of its files are missing.
    """
    base = _base(name, spec, root)
    empty = FolderPictures(name, spec, base.resolve(), DatasetClasses(texts, spec.zero is Zero.BACKGROUND))
    if spec.split:
        files = Files(empty.image_path, empty.truth_path, spec.image_suffix, spec.truth_suffix)
        pairs = tuple(read_split(base / spec.split, files))
    else:
        pairs = tuple(Pair(each, each) for each in _found(base / spec.images, spec))
    if not pairs:
        raise DatasetError(f"{base / spec.images} holds no picture *{spec.image_suffix}; fetch {name} again.")
    images = [empty.image_path(pair.picture) for pair in pairs]
    truths = [empty.truth_path(pair.truth) for pair in pairs]
    for paths, advice in ((images, f"fetch {name} again"), (truths, spec.make)):
        missing = [path for path in paths if not os.path.isfile(path)]  # noqa: PTH113 - as in split_files
        if missing:
            more = f", and {len(missing) - 1:,} more of {len(pairs):,}" if len(missing) > 1 else ""
            raise DatasetError(f"{missing[0]} does not exist{more}; {advice}.")
    return replace(empty, pairs=pairs)


def _base(name: str, spec: DatasetSpec, root: Path) -> Path:
    for candidate in (root, *(root / inside for inside in spec.inside)):
        if (candidate / spec.images).is_dir():
            return candidate
    raise DatasetError(
        f"{root} does not hold {name}: there is no folder {spec.images} in it; "
        "docs/evaluation.md shows the layout."
    )


def _found(folder: Path, spec: DatasetSpec) -> list[str]:
    return sorted(
        path.relative_to(folder).as_posix().removesuffix(spec.image_suffix)
        for path in folder.rglob(f"*{spec.image_suffix}")
        if not path.name.startswith(".")
    )


def _read_labels(path: Path) -> NDArray[Any]:
    """The numbers of a label map, palette or grey: (H, W), integers."""
    try:
        with open_regular(path) as file, opened_picture(file, max_pixels=MAX_PIXELS) as picture:
            mode = picture.mode
            labels = np.array(picture)
    except OSError as error:
        reason = error.strerror or str(error)
        raise TruthUnreadableError(f"{path} cannot be read ({reason}); fetch or make it again.") from error
    except UnreadablePictureError as error:
        raise TruthUnreadableError(f"{path} {error.reason}; fetch or make it again.") from error
    if labels.ndim != 2 or labels.dtype.kind not in "ui" or labels.min() < 0 or labels.max() > IGNORE:
        raise DatasetError(f"{path} (mode {mode}) is no label map; expected numbers from 0 to {IGNORE}.")
    return labels


def _as_classes(labels: NDArray[Any], zero: Zero) -> NDArray[np.uint8]:
    """Labels of a file, 0..255, to class indices; 255 stays."""
    if zero is Zero.IGNORED:
        labels = np.where((labels == 0) | (labels == IGNORE), IGNORE, labels - 1)
    return labels.astype(np.uint8)


def _size(array: NDArray[Any]) -> str:
    return f"{array.shape[1]} x {array.shape[0]}"
