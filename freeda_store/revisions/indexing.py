"""When a folder's visual vectors are indexed."""

from __future__ import annotations

import logging
from pathlib import Path

from freeda_store.errors import BankDamagedError, StorageError
from freeda_store.files.room import WRITING_BYTES, free_bytes
from freeda_store.files.system_faults import system_error
from freeda_store.revisions.library import Library
from freeda_store.revisions.visual_index import NAME, index_bytes, open_index, write_index

logger = logging.getLogger(__name__)

INDEX_FROM = 200_000
"""Prototypes from which a folder has an index of visual vectors: fewer are compared as fast, and exactly."""
_SHARE = 4
"""A new index is due once more than one in so many of its prototypes came after it; so the time that all of
them take grows with the bank, and what is compared one by one stays a part of it."""


def is_due(folder: Path, library: Library) -> bool:
    """Whether an index is to be written, first or anew.

    Args:
        folder: of the files of revisions.
        library: all prototypes of committed revisions, :data:`INDEX_FROM` or more.

    Raises:
        StorageError: the system refuses to read the one that is there.
    """
    try:
        index = open_index(folder / NAME, library.sizes.visual)
    except BankDamagedError as error:
        logger.warning("%s", error)
        index = None
    held = 0 if index is None else int((library.find(index.ids) >= 0).sum())
    return len(library.ids) - held > held // _SHARE


def renew_index(folder: Path, library: Library) -> None:
    """Write the index of all prototypes.

    Raises:
        BankDamagedError: a vector holds a value that is no number.
        StorageError: the disk is too full, or the system refuses; an old index stays.
    """
    needed = index_bytes(len(library.ids), library.sizes.visual) + WRITING_BYTES
    if free_bytes(folder) < needed:
        raise StorageError(f"it takes {needed / 1e6:,.0f} MB, and the disk of {folder} has not so much left.")
    try:
        write_index(folder / NAME, library)
    except ValueError as error:
        raise BankDamagedError(f"{error}; run `freeda bank verify --repair`.") from error
    except OSError as error:
        raise system_error(error, folder / NAME) from error
