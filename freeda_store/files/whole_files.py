"""Writing files so that a reader sees the old one or the new one, never a part.

What is written is readable as the user's umask allows. A link stays, and the file that it leads to is
replaced. What is no regular file is never replaced; ``own_files.py`` has the rest of that rule.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import stat
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
    target.parent.mkdir(parents=True, exist_ok=True)
    with _part_of(target) as part:
        yield part
        put_in_place(part, target)


@contextmanager
def _part_of(target: Path) -> Iterator[Path]:
    """An empty file beside a target, removed at the end.

    It is always the same one, so that what a killed writer left is used by the next; it is locked, so that
    writers who live at the same time have one each.
    """
    name = hashlib.sha256(os.fsencode(target.name)).hexdigest()[:32]
    part = target.with_name(f".{name}.part")
    handle = _locked(part)
    if handle is None:
        part = target.with_name(f".{uuid4().hex}.part")
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        os.ftruncate(handle, 0)
        yield part
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        os.close(handle)


def _locked(part: Path) -> int | None:
    """Open and lock a regular file of one name, made if need be; None where that cannot be had."""
    try:
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
    except OSError:
        return None
    with suppress(OSError):
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        held, named = os.fstat(handle), part.lstat()
        if stat.S_ISREG(held.st_mode) and held.st_nlink == 1 and held.st_ino == named.st_ino:
            return handle
    os.close(handle)
    return None


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
