"""Vectors that can only be read: where their folder cannot be written, the engine works on a copy.

The engine opens every file for writing, even to read. So on read-only media, without permission to write,
and on a disk without room, a copy is made in a temporary folder and removed at the end. Holes are not
filled, so a copy takes what the vectors take on disk. The lock of the engine is taken for sharing: readers
may be several, and a writer keeps them out.
"""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import weakref
from pathlib import Path
from typing import Any, NoReturn

from freeda_store.errors import BankError, BankInUseError, ReadOnlyBankError
from freeda_store.files.lock_holders import told_holder
from freeda_store.files.room import copy_with_holes, temporary_place
from freeda_store.files.system_faults import fault_of, look, system_error
from freeda_store.vectors.edge import EdgeVectors

logger = logging.getLogger(__name__)


class CopiedVectors(EdgeVectors):
    """An :class:`EdgeVectors` over a private copy of another's folder."""

    _release: weakref.finalize[..., CopiedVectors] | None = None

    @classmethod
    def load_copy(cls, source: Path) -> CopiedVectors:
        """Copy a store and open the copy.

        Raises:
            BankInUseError: somebody writes to the store.
            StorageError: it cannot be read, or no temporary folder has room for the copy.
            BankDamagedError: files are missing or truncated.
        """
        if (fault := look(source, writing=False, reading=False)) is not None:
            raise fault.error(source)
        lock = _shared_lock(source)
        place = None
        try:
            place = temporary_place(source)
            store = cls.load(_copy(source, place / "vectors"))
        except BaseException as error:
            _clean_up(place, lock, os.getpid())
            if place is not None and isinstance(error, BankError):
                raise type(error)(str(error).replace(str(place / "vectors"), str(source))) from error
            raise
        store._folder = source  # what errors name
        store._release = weakref.finalize(store, _clean_up, place, lock, os.getpid())
        logger.info("%s is read from a copy in %s, which is removed at the end", source, place)
        return store

    def close(self) -> None:
        """Let go of the copy, and remove it."""
        super().close()
        if self._release is not None:
            self._release()

    def optimize(self) -> None:
        """Nothing: a copy is only read."""

    def flush(self) -> None:
        """Nothing: a copy is only read."""

    def _update(self, operation: Any) -> NoReturn:
        del operation
        raise ReadOnlyBankError(f"{self._folder} can only be read here.")


def _copy(source: Path, target: Path) -> Path:
    """Copy a folder with the holes of its files, for this user alone.

    Raises:
        StorageError: a file cannot be read or written.
    """
    try:
        shutil.copytree(source, target, copy_function=copy_with_holes)
    except OSError as error:  # shutil.Error, too, whose text has those of all files
        fault = fault_of(str(error) if isinstance(error, shutil.Error) else error, source)
        raise (fault.error(source) if fault else system_error(error, source)) from error
    for path in (target, *target.rglob("*")):
        if path.is_dir():  # folders keep their modes
            path.chmod(0o700)
    return target


def _shared_lock(source: Path) -> int | None:
    """Share the engine's lock, which lies on the folder of its log; None where the disk grants no locks.

    Raises:
        BankInUseError: a writer holds it.
    """
    try:
        handle = os.open(source / "wal", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:  # opening the copy says what is missing
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(handle)
        holder = told_holder(source / "wal")
        raise BankInUseError(
            f"the bank in {source.parent} is in use by {holder}; wait until it ends, or close it."
        ) from error
    except OSError as error:
        logger.info("%s lies on a disk that grants no locks (%s)", source, error)
    return handle


def _clean_up(place: Path | None, lock: int | None, owner: int) -> None:
    """Remove a copy and let go of the lock, unless this is a fork of the process that made them."""
    if os.getpid() != owner:
        return
    if place is not None:
        shutil.rmtree(place, ignore_errors=True)
    if lock is not None:
        os.close(lock)
