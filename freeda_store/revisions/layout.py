"""Where the files of a bank's revisions are, and what they are called."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

FOLDER = "revisions"
UNFINISHED = "revisions.new"
"""The folder while the files of a bank of an earlier version are written for the first time."""
PART_PROTOTYPES = 8192
"""Prototypes in a file, at most; a file is made in memory."""
_NAME = re.compile(r"([0-9]{6,18})-([0-9]{3,18})\.safetensors")

Stamp: TypeAlias = tuple[int, int, int]
"""A file's number, length and time: another one means that it was replaced."""


@dataclass(frozen=True, order=True)
class Part:
    """One file: the n-th part of what a revision added, by the revision's id. Ids rise from part to part."""

    revision: int
    number: int

    @property
    def name(self) -> str:
        """Of its file."""
        return f"{self.revision:06d}-{self.number:03d}.safetensors"

    @classmethod
    def read(cls, name: str) -> Part | None:
        """The part of a file's name; None for another file."""
        match = _NAME.fullmatch(name)
        return None if match is None else cls(int(match[1]), int(match[2]))


def parts_in(folder: Path) -> dict[Part, Stamp]:
    """All files in a folder of revisions; none when there is no such folder.

    Raises:
        OSError: the system refuses.
    """
    found: dict[Part, Stamp] = {}
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if (part := Part.read(entry.name)) is not None:
                    found[part] = _stamp(entry.stat())
    except FileNotFoundError:
        return {}
    return found


def stamp_of(path: Path) -> Stamp | None:
    """The stamp of a file; None where there is none."""
    try:
        return _stamp(path.stat())
    except FileNotFoundError:
        return None


def _stamp(status: os.stat_result) -> Stamp:
    return status.st_ino, status.st_size, status.st_mtime_ns
