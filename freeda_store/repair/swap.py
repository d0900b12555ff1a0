"""Repaired vectors take the place of the old ones; a kill at any moment leaves one of both in use.

The new folder is made whole under another name, then ``vectors`` is moved to ``damaged/N`` and the new
one takes its name. Between those two steps there is no ``vectors``, and whoever opens the bank next
makes the second step.
"""

from __future__ import annotations

import logging
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from freeda_store.address import DATABASE_NAME
from freeda_store.errors import StorageError
from freeda_store.files.folder_lock import sole_user
from freeda_store.files.system_faults import system_error
from freeda_store.files.whole_files import sync
from freeda_store.sql.backup import copy_database

logger = logging.getLogger(__name__)

VECTORS = "vectors"
NEW = "vectors.new"
TRIAL = "vectors.trial"
_READY = "vectors.ready"


def finish_swap(folder: Path) -> None:
    """Make the last step of a repair that was killed before it.

    Raises:
        BankInUseError: another process is at it.
        StorageError: the folder cannot be written.
    """
    vectors, ready = folder / VECTORS, folder / _READY
    if vectors.exists() or not ready.is_dir():
        return
    with repairing(folder), refusing(folder):
        if not vectors.exists() and ready.is_dir():
            ready.rename(vectors)
            sync(folder)


def swap(folder: Path, place: Path) -> None:
    """Put the folder ``vectors.new`` in the place of ``vectors``, which goes to ``place``."""
    vectors, ready = folder / VECTORS, folder / _READY
    for path in sorted((folder / NEW).rglob("*")):
        sync(path)
    sync(folder / NEW)
    clear(ready)
    (folder / NEW).rename(ready)
    sync(folder)
    if vectors.exists():
        vectors.rename(place / VECTORS)
        sync(place)
    ready.rename(vectors)
    sync(folder)


def clear_leftovers(folder: Path) -> None:
    """Remove what killed repairs left, once ``vectors`` is in its place."""
    for name in (NEW, TRIAL, _READY):
        clear(folder / name)


def clear(path: Path) -> None:
    """Remove a folder, if it is there."""
    if path.exists():
        shutil.rmtree(path)


def new_place(folder: Path) -> Path:
    """A new numbered folder for what is replaced, with a copy of the database in it."""
    count = 1
    while (place := folder / "damaged" / str(count)).exists():
        count += 1
    place.mkdir(parents=True)
    copy_database(folder / DATABASE_NAME, place / DATABASE_NAME)
    return place


def repairing(folder: Path) -> AbstractContextManager[None]:
    """Keep out everybody else who would repair a bank; a kill lets go.

    Raises:
        BankInUseError: another process is at it.
    """
    return sole_user(folder, "another process repairs the bank in")


@contextmanager
def refusing(folder: Path) -> Iterator[None]:
    """Turn the system's refusals into this package's error; what was not replaced is as it was.

    Raises:
        StorageError: names the file.
    """
    try:
        yield
    except OSError as error:
        raise system_error(error, folder) from error
    except sqlite3.OperationalError as error:
        raise StorageError(
            f"{folder / DATABASE_NAME} cannot be copied ({error}); free disk space or correct the "
            "permissions, then run the same command again. Nothing was given up."
        ) from error
