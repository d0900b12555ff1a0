"""Writing files so that a reader sees the old one or the new one, never a part.

What is written is readable as the user's umask allows. A link stays, and the file that it leads to is
replaced. What is no regular file is never replaced; ``own_files.py`` has the rest of that rule.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from freeda_store.errors import StorageError
from freeda_store.files.own_files import kind_of

PART_PATTERN = ".*.part"
"""What a killed writer left half written is called."""


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """Give a temporary path beside ``path``; move it there when the block ends well.

    Raises:
        OSError: the folder cannot be made, the file cannot be written, or something is there that is no
            regular file.
    """
    target = target_of(path)
    part = target.with_name(f".{uuid4().hex}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield part
        put_in_place(part, target)
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def target_of(path: Path) -> Path:
    """What is replaced when ``path`` is written: the file that a link leads to."""
    return path.resolve() if path.is_symlink() else path


def put_in_place(part: Path, target: Path) -> None:
    """Give a file that is whole its name, in place of a regular file of that name.

    Raises:
        OSError: it cannot be moved, or something is there that is no regular file.
    """
    with suppress(FileNotFoundError):
        if (kind := kind_of(target.stat().st_mode)) is not None:
            raise OSError(errno.EEXIST, f"it is {kind}", str(target))
    part.replace(target)


def sync(path: Path) -> None:
    """Make what a file or a folder holds survive a power cut.

    Raises:
        OSError: the system refuses.
    """
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sweep_parts(folder: Path) -> int:
    """Remove what killed writers left half written in a folder; returns how many files."""
    parts = list(folder.glob(f"{PART_PATTERN}*"))
    for part in parts:
        part.unlink(missing_ok=True)
    return len(parts)


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """:func:`replaced` with this package's error.

    Raises:
        StorageError: the folder cannot be made or the file cannot be written.
    """
    with writing(path), replaced(path) as part:
        yield part


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """This package's error for what goes wrong while ``path`` is written.

    Raises:
        StorageError: it cannot be written.
    """
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"{path} cannot be written ({error.strerror or error}); choose another place or free disk space."
        ) from error
