"""What is to be learned: regions of pictures, named or not, with where they come from."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from freeda_learn.errors import OptionError
from freeda_learn.marks import Marks
from freeda_models.protocols import ImageArray
from freeda_store.records import Caption, JsonValue


@dataclass(frozen=True, eq=False)
class Example:
    """All of one class that is marked in one picture.

    Attributes:
        picture: path of its file, or uint8 (H, W, 3) RGB.
        name: of the class; it becomes the noun of the prototypes.
        marks: where it is.
        annotation: what the labels call it; ids of several annotations are joined by commas.
        source, license, url: provenance, ``""`` if unknown.
        extra: anything else that is known of the picture.
    """

    picture: Path | ImageArray
    name: str
    marks: Marks
    annotation: str = ""
    source: str = ""
    license: str = ""
    url: str = ""
    extra: Mapping[str, JsonValue] = field(default_factory=dict)

    @property
    def place(self) -> str:
        """Picture and annotation, for people."""
        name = picture_name(self.picture)
        return f"{name}, annotation {self.annotation}" if self.annotation else name


@dataclass(frozen=True, eq=False)
class UnlabelledPicture:
    """A picture of which nobody said what it shows.

    Attributes:
        picture: path of its file, or uint8 (H, W, 3) RGB.
        source, license, url: provenance, ``""`` if unknown.
        extra: anything else that is known of the picture.
    """

    picture: Path | ImageArray
    source: str = ""
    license: str = ""
    url: str = ""
    extra: Mapping[str, JsonValue] = field(default_factory=dict)

    @property
    def place(self) -> str:
        """What it is called for people."""
        return picture_name(self.picture)


MAX_NAME = 60
"""Characters of the name of a class, at most."""

_NOT_IN_NAMES = ",|#"
"""What lists of classes give another meaning."""


def class_name(given: str) -> str:
    """The name of a class as a bank writes it: small letters, single spaces, no underscores.

    Raises:
        OptionError: it is empty, too long, or holds what no list of classes can name.
    """
    name = " ".join(given.replace("_", " ").lower().split())
    fits = 0 < len(name) <= MAX_NAME and name.isprintable()
    if not fits or any(mark in name for mark in _NOT_IN_NAMES):
        raise OptionError(
            f"'{given}' cannot be the name of a class; give a noun or a short phrase of at most {MAX_NAME} "
            "characters, without comma, bar and #."
        )
    return name


@dataclass(frozen=True)
class Rejected:
    """An example that cannot be used: where it stands, and why."""

    place: str
    reason: str


def picture_name(picture: Path | ImageArray) -> str:
    """What a picture is called for people."""
    return str(picture) if isinstance(picture, Path) else "the picture"


def picture_caption(
    item: Example | UnlabelledPicture, says: str, digest: str, by: str, annotation: str = ""
) -> Caption:
    """The caption under which something of a picture is kept.

    Args:
        item: what is kept.
        says: what it is; the name of the picture's file follows.
        digest: SHA-256 of the picture's file, in hex.
        by: who marked or gave it.
        annotation: what labels call it.
    """
    file = item.picture.name if isinstance(item.picture, Path) else ""
    extra: dict[str, JsonValue] = dict(item.extra) | {"picture_sha256": digest}
    extra |= {name: value for name, value in (("file", file), ("by", by)) if value}
    return Caption(
        text=f"{says} {file or 'a picture'}",
        external_id=annotation,
        source=item.source,
        license=item.license,
        url=item.url,
        extra=extra,
    )


def example_caption(example: Example, digest: str, by: str) -> Caption:
    """The caption under which an example is kept: its name, and its picture's."""
    return picture_caption(example, f"{example.name} in", digest, by, example.annotation)


def content_seed(*told: str) -> int:
    """Names something by its content: 0 to 2**63 - 1.

    It stands where drawings have the seed of their noise.
    """
    return int.from_bytes(hashlib.sha256("\n".join(told).encode()).digest()[:8], "big") >> 1


def example_seed(example: Example, digest: str) -> int:
    """Names an example by the picture's content, what is marked, and the class.

    The same picture under another name, with the same marks, is the same example.
    """
    return content_seed(digest, example.marks.fingerprint(), example.name)
