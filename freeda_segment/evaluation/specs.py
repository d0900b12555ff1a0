"""What a data set looks like: one small TOML file and one file of class names each, in ``sets/``.

The folder layouts are those that mmsegmentation documents. A new data set is a new TOML file.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from enum import StrEnum
from importlib import resources
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError

from freeda_errors.documents import Document, fault_of
from freeda_segment.classes import ClassList, parse_class_lines, read_classes_file
from freeda_segment.errors import DatasetError, OptionError

TINY = "tiny"
"""The bundled rendered scenes, the one data set that needs no folder."""

BACKGROUND_NAME = "background"


class Zero(StrEnum):
    """What label 0 of a truth file means.

    CLASS: the first class.
    IGNORED: pixels that are not counted; the first class is label 1 (``reduce_zero_label``).
    BACKGROUND: background, which is counted as one more class; the first class is label 1.
    """

    CLASS = "class"
    IGNORED = "ignored"
    BACKGROUND = "background"


class SuperpixelSpec(Document):
    """The authors' superpixels for a data set."""

    name: str
    scale: float
    sigma: float
    min_size: float

    @property
    def options(self) -> dict[str, float]:
        """The numbers alone."""
        return {"scale": self.scale, "sigma": self.sigma, "min_size": self.min_size}


class BackgroundSpec(Document):
    """How background is found where a data set has it."""

    strategy: str
    threshold: float = Field(ge=0, le=1)


class DatasetSpec(Document):
    """One TOML file of ``sets/``.

    Attributes:
        title: for people.
        names: file of class names in ``sets/names``, without its suffix.
        zero: what label 0 means; 255 is never counted.
        inside: where the data set may lie under the folder that is given, besides that folder itself.
        images, image_suffix: folder and name ending of the pictures.
        truth, truth_suffix: the same for the label maps, which lie as the pictures do.
        split: file with one picture's name per line; empty for every picture of the folder and below.
        make: how one gets the label maps, said when they are missing.
        superpixels: the authors' settings, or those of the data set most like it.
        background: given where ``zero`` is background.
    """

    title: str
    names: str
    zero: Annotated[Zero, Field(strict=False)]
    inside: Annotated[tuple[str, ...], Field(strict=False)]
    images: str
    image_suffix: str
    truth: str
    truth_suffix: str
    split: str = ""
    make: str
    superpixels: SuperpixelSpec
    background: BackgroundSpec | None = None


@dataclass(frozen=True)
class DatasetClasses:
    """The classes of a data set.

    Attributes:
        texts: of each class that has a name to look for, in the order of the labels.
        with_background: whether background is counted, as class 0, before them.
    """

    texts: ClassList
    with_background: bool

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all classes that are counted."""
        return (BACKGROUND_NAME, *self.texts.names) if self.with_background else self.texts.names

    def __len__(self) -> int:
        return len(self.names)


def dataset_names() -> list[str]:
    """Names of the data sets that can be evaluated, ``tiny`` among them, sorted."""
    folder = resources.files("freeda_segment") / "evaluation" / "sets"
    files = (entry.name for entry in folder.iterdir())
    return sorted([TINY, *(name.removesuffix(".toml") for name in files if name.endswith(".toml"))])


def load_spec(name: str) -> DatasetSpec:
    """Read the description of a data set.

    Raises:
        OptionError: there is no such data set.
    """
    if name == TINY or name not in dataset_names():
        raise OptionError(f"unknown data set '{name}'; choose one of {', '.join(dataset_names())}.")
    file = resources.files("freeda_segment") / "evaluation" / "sets" / f"{name}.toml"
    try:
        return DatasetSpec.model_validate(tomllib.loads(file.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, ValidationError) as error:
        fault = fault_of(error) if isinstance(error, ValidationError) else str(error)
        raise DatasetError(f"the description of data set '{name}' is broken ({fault}); reinstall.") from error


def official_classes(spec: DatasetSpec) -> ClassList:
    """The class names that come with a data set."""
    file = resources.files("freeda_segment") / "evaluation" / "sets" / "names" / f"{spec.names}.txt"
    return parse_class_lines(file.read_text(encoding="utf-8").splitlines(), f"names/{spec.names}.txt")


def other_classes(path: str | Path, count: int) -> ClassList:
    """Class names of one's own for a data set, in the order of its labels.

    Args:
        path: a file with one class per line; see :func:`freeda_segment.classes.parse_class_lines`.
        count: how many classes the data set has, background left out.

    Raises:
        ClassesError: it cannot be read.
        DatasetError: it has more or fewer classes.
    """
    classes = read_classes_file(path)
    if len(classes.classes) != count:
        raise DatasetError(
            f"{path} names {len(classes.classes)} classes and the data set has {count}; "
            "write one per line, in the order of its labels."
        )
    return classes
