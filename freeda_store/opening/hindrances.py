"""What hinders writing to a bank's folder, so that it can only be read."""

from __future__ import annotations

import errno
from pathlib import Path

from freeda_store.address import DATABASE_NAME, Address
from freeda_store.errors import ReadOnlyBankError, StorageError
from freeda_store.files.room import free_bytes, room_to_read
from freeda_store.files.system_faults import SystemFault, look, look_at, system_error
from freeda_store.vectors.edge import EdgeVectors
from freeda_store.vectors.edge_copy import CopiedVectors

_REFUSALS = (errno.EROFS, errno.EPERM, errno.EACCES)


def hindrance_to_writing(folder: Path) -> SystemFault | None:
    """Why a bank's folder can only be read: read-only media, permissions, no room even to read in place.

    Raises:
        StorageError: the system refuses something else, so that the folder cannot be read either.
    """
    vectors = folder / "vectors"
    tops = (
        look_at(place, reading=False) for place in (folder, folder / DATABASE_NAME, folder / "thumbnails")
    )
    fault = next(filter(None, tops), None) or look(vectors, reading=False)
    if fault is not None and fault.number not in _REFUSALS:
        raise fault.error(folder)
    if fault is not None:
        return fault
    free = free_bytes(folder)
    if vectors.is_dir() and free < room_to_read(vectors):
        return SystemFault(errno.ENOSPC, f"only {free / 1e6:.1f} MB are free", "free disk space", folder)
    return None


def load_vectors(vectors: Path, hindrance: SystemFault | None) -> EdgeVectors:
    """Open vectors in their place, or a private copy of what can only be read.

    Raises:
        BankInUseError, BankDamagedError, StorageError: see the two ways of opening.
    """
    if hindrance is None or not vectors.is_dir():
        return EdgeVectors.load(vectors)
    return CopiedVectors.load_copy(vectors)


def require_writable(address: str | Path) -> None:
    """Refuse a bank's folder that can only be read, before any work is done that would be written to it.

    A folder without a bank, or a hosted bank, is checked when it is opened.

    Raises:
        AddressError: the address cannot be read.
        ReadOnlyBankError: names what hinders writing, and what to do.
        StorageError: the disk is full, or the system refuses even to look.
    """
    folder = Address.parse(address).folder
    try:
        if (folder / DATABASE_NAME).is_file():
            refuse_to_write(folder, hindrance_to_writing(folder))
    except OSError as error:
        raise system_error(error, folder) from error


def refuse_to_write(folder: Path, hindrance: SystemFault | None) -> None:
    """Refuse to write what can only be read.

    Raises:
        ReadOnlyBankError: names what hinders it, and what to do.
        StorageError: the disk is full.
    """
    if hindrance is not None:
        kind = StorageError if hindrance.number == errno.ENOSPC else ReadOnlyBankError
        raise kind(
            f"the bank in {folder} can only be read, for {hindrance.path} cannot be written "
            f"({hindrance.reason}); {hindrance.advice}, then run the same command again."
        )
