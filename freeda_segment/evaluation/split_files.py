"""Split files: which pictures of a data set are used, and which label map belongs to each.

A line is a picture's name, or a picture's and a label map's; or a picture's and something else, such as
the ``1`` of Pascal VOC's class lists. Names may hold spaces, so what exists decides where one ends.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from freeda_segment.errors import DatasetError
from freeda_store.files.regular_files import read_regular

MOST_BYTES = 64 * 2**20
_GAP = re.compile(r"\s+")


@dataclass(frozen=True)
class Pair:
    """A picture and its label map, by name, without suffixes; mostly the two are equal."""

    picture: str
    truth: str

    @property
    def name(self) -> str:
        """Unique among the pairs: the picture's name, followed by the label map's where it differs."""
        return self.picture if self.picture == self.truth else f"{self.picture} {self.truth}"


@dataclass(frozen=True)
class Files:
    """What exists of a data set.

    Attributes:
        image_path, truth_path: from a name to its file.
        image_suffix, truth_suffix: which names may carry in a split file.
    """

    image_path: Callable[[str], Path]
    truth_path: Callable[[str], Path]
    image_suffix: str
    truth_suffix: str

    def image(self, text: str) -> str | None:
        """The picture that a text names; None if there is none."""
        return _existing(text, self.image_suffix, self.image_path)

    def truth(self, text: str) -> str | None:
        """The label map that a text names; None if there is none."""
        return _existing(text, self.truth_suffix, self.truth_path)


def read_split(path: Path, files: Files) -> Iterator[Pair]:
    """The pairs of a split file, each once, in its order.

    Raises:
        DatasetError: it cannot be read, or a name leads out of the data set.
    """
    try:
        text = read_regular(path, MOST_BYTES).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = (error.strerror or str(error)) if isinstance(error, OSError) else "it is not UTF-8"
        raise DatasetError(f"{path} cannot be read ({reason}); it lists the pictures to be used.") from None
    lines = (line.strip() for line in re.split(r"[\r\n]+", text))
    for pair in dict.fromkeys(_pair(line, files) for line in lines if line):
        for name in (pair.picture, pair.truth):
            if Path(name).is_absolute() or ".." in Path(name).parts:
                raise DatasetError(f"{path} names '{name}', which lies outside the data set; fetch it again.")
        yield pair


def _pair(line: str, files: Files) -> Pair:
    """A line's picture and label map; where no picture exists, what the line most likely means."""
    whole = files.image(line)
    if whole is not None:
        return Pair(whole, whole)
    parted = [(line[: gap.start()], line[gap.end() :]) for gap in _GAP.finditer(line)]
    pictures = [(files.image(left), right) for left, right in parted]
    for picture, right in pictures:
        truth = files.truth(right)
        if picture is not None and truth is not None:
            return Pair(picture, truth)
    for picture, _ in reversed(pictures):
        if picture is not None:
            return Pair(picture, picture)
    first = parted[0][0] if parted else line
    name = first.removesuffix(files.image_suffix)
    return Pair(name, name)


def _existing(text: str, suffix: str, path_of: Callable[[str], Path]) -> str | None:
    """The text, or the text without a suffix, if that names a file inside the data set."""
    for name in dict.fromkeys((text, text.removesuffix(suffix))):
        inside = name and not Path(name).is_absolute() and ".." not in Path(name).parts
        if inside and os.path.isfile(path_of(name)):  # noqa: PTH113 - False also for what no file can be called
            return name
    return None
