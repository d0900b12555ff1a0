"""Opens a bank for reading: a folder beside its writer and other readers, a hosted bank as always."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from freeda_store.address import DATABASE_NAME, Address
from freeda_store.errors import BankInUseError
from freeda_store.files.system_faults import system_error
from freeda_store.manifest import Manifest
from freeda_store.opening.folder import open_address, read_manifest_of
from freeda_store.opening.folder_recall import FolderRecall
from freeda_store.profiles.finding import find_profile
from freeda_store.revisions.vectors import MissingFilesError, ReaderVectors
from freeda_store.sql.catalog import Catalog
from freeda_store.sql.reading import open_to_read
from freeda_store.thumbnails.folder import FolderThumbnails
from freeda_store.writing.stores import Stores

logger = logging.getLogger(__name__)

_ADVICE = "a command that writes to it, or `freeda bank verify --repair`, lets any number read it"


@dataclass(frozen=True)
class OpenedToRead:
    """What reads a bank.

    Attributes:
        stores: of the bank.
        manifest: what made it.
        address: where it is; with the profile's name.
        beside: whether it is read beside a writer; False where the stores are those that write, too.
    """

    stores: Stores
    manifest: Manifest
    address: Address
    beside: bool


def open_address_to_read(address: Address) -> OpenedToRead:
    """Open the bank of a folder or of a profile for reading.

    A folder of an earlier version, which has no files to be read by, is opened as a writer opens it.

    Raises:
        SettingsError: the settings cannot be read.
        BankDamagedError: the database, or a file of a revision, is damaged.
        StorageError: the system refuses.
        Others: those of ``folder.open_address``.
    """
    folder = address.folder
    try:
        in_folder = find_profile(folder) is None and (folder / DATABASE_NAME).is_file()
        found = _open_folder(folder) if in_folder else None
    except OSError as error:
        raise system_error(error, folder) from error
    if found is not None:
        return OpenedToRead(*found, address, beside=True)
    with _explaining(folder, in_folder=in_folder):
        return OpenedToRead(*open_address(address, None), beside=False)


def _open_folder(folder: Path) -> tuple[Stores, Manifest] | None:
    """What reads a folder; None where it lacks what is needed."""
    engine = open_to_read(folder / DATABASE_NAME)
    if engine is None:
        return None
    catalog = Catalog(engine)
    try:
        manifest = read_manifest_of(catalog, folder)
        vectors = ReaderVectors(folder, catalog, manifest.sizes)
        vectors.require_complete()
    except MissingFilesError as error:
        catalog.close()
        logger.info("%s", error)
        return None
    except BaseException:
        catalog.close()
        raise
    thumbnails, recall = FolderThumbnails(folder / "thumbnails"), FolderRecall(folder, manifest)
    return Stores(catalog, vectors, thumbnails, folder, recall=recall), manifest


@contextmanager
def _explaining(folder: Path, *, in_folder: bool) -> Iterator[None]:
    """Say why a folder is not read beside others."""
    if not in_folder:
        yield
        return
    logger.warning(
        "%s is read by one process at a time: its database is of an earlier version, or its revisions "
        "lack files; %s.",
        folder,
        _ADVICE,
    )
    try:
        yield
    except BankInUseError as error:
        raise BankInUseError(f"{error} Then {_ADVICE} at once.") from error
