"""Opens what an address names: a hosted bank, or a folder, made first when it is new.

A folder is made so that a kill midway leaves nothing that looks like a bank.

The vectors are opened first, for their lock keeps every other opener out; ``bank.sqlite`` is put in
its place last, for it is what makes a folder a bank.
"""

from __future__ import annotations

import logging
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path

from freeda_store.address import DATABASE_NAME, Address
from freeda_store.errors import BankDamagedError, BankError, BankInUseError, BankMissingError, StorageError
from freeda_store.files.folder_lock import sole_user
from freeda_store.files.system_faults import system_error
from freeda_store.files.whole_files import replaced, sweep_parts
from freeda_store.manifest import Manifest
from freeda_store.opening.folder_recall import FolderRecall
from freeda_store.opening.hindrances import hindrance_to_writing, load_vectors, refuse_to_write
from freeda_store.profiles.finding import find_profile, may_be_profile
from freeda_store.profiles.settings_path import settings_path
from freeda_store.repair.swap import finish_swap
from freeda_store.revisions.copies import RevisionFiles
from freeda_store.revisions.layout import FOLDER
from freeda_store.revisions.vectors import ReaderVectors
from freeda_store.sql.catalog import Catalog
from freeda_store.sql.schema import create_tables, open_database
from freeda_store.thumbnails.folder import FolderThumbnails
from freeda_store.vectors.edge import EdgeVectors
from freeda_store.vectors.protocol import VectorSizes
from freeda_store.writing.stores import Stores, nothing

logger = logging.getLogger(__name__)

_OUR_NAMES = {"vectors", "thumbnails", FOLDER}


def open_address(address: Address, create: Manifest | None) -> tuple[Stores, Manifest, Address]:
    """Open the bank of a folder or of a profile; the address comes back with the profile's name.

    Raises:
        SettingsError: the settings cannot be read.
        StorageError: the folder may not be looked into.
        Others: those of :func:`open_stores` and of ``hosted.open_hosted``.
    """
    wanted = create if address.version is None else None
    try:
        profile = find_profile(address.folder)
        if profile is None:
            return *open_stores(address.folder, wanted), address
    except OSError as error:
        raise system_error(error, address.folder) from error
    from freeda_store.hosted.opening import open_hosted

    return *open_hosted(profile, wanted), replace(address, profile=profile.name)


def open_stores(folder: Path, create: Manifest | None) -> tuple[Stores, Manifest]:
    """Open the bank in a folder; make it first when there is none and ``create`` is given.

    Raises:
        BankMissingError, BankInUseError, BankDamagedError, NewerSchemaError, UpgradeError,
        ManifestMismatchError, ReadOnlyBankError, StorageError: see their descriptions.
    """
    hindrance = None
    if (folder / DATABASE_NAME).is_file():
        finish_swap(folder)
        hindrance = hindrance_to_writing(folder)
        if create is not None:
            refuse_to_write(folder, hindrance)
        vectors = load_vectors(folder / "vectors", hindrance)
    elif create is None:
        raise BankMissingError(_no_bank(folder))
    else:
        vectors = _create(folder, create)
    try:
        catalog = Catalog(open_database(folder / DATABASE_NAME, hindrance))
        try:
            manifest = _read_manifest(catalog, folder, vectors.sizes)
            if create is not None:
                manifest.check(create)
        except BaseException:
            catalog.close()
            raise
    except BaseException:
        vectors.close()
        raise
    thumbnails = FolderThumbnails(folder / "thumbnails")
    copies = RevisionFiles(folder)
    stores = Stores(
        catalog,
        vectors,
        thumbnails,
        folder,
        recall=FolderRecall(folder, manifest),
        before_writing=partial(refuse_to_write, folder, hindrance),
        catch_up=partial(_keep_missing, copies, catalog, vectors) if hindrance is None else nothing,
        copies=copies,
        regions=ReaderVectors(folder, catalog, manifest.sizes) if hindrance is None else None,
    )
    return stores, manifest


def _keep_missing(copies: RevisionFiles, catalog: Catalog, vectors: EdgeVectors) -> None:
    """Write the files that readers need and a bank lacks; where that fails, it is read as it was before."""
    try:
        copies.keep_missing(catalog, vectors)
    except BankError as error:
        logger.warning("files that let several processes read at once could not be written: %s", error)


def _no_bank(folder: Path) -> str:
    """What to say of a folder without a bank; of profiles only where the address could name one."""
    make = f"make a bank with `freeda ingest --bank {folder}`"
    if not may_be_profile(folder):
        return f"there is no bank in the folder {folder}; {make}, or give another folder or a profile's name."
    return (
        f"there is no bank in the folder {folder}, and no profile of that name in {settings_path()}; "
        f"{make}, or describe a hosted one in the settings."
    )


def require_all_points(stores: Stores) -> None:
    """Refuse a folder whose vectors are fewer than its database lists.

    A truncated file can make the engine show fewer points without a word. Points of open revisions
    do not count: their rows may be more after a power cut, and resuming the run mends that.

    Raises:
        BankDamagedError: points of committed revisions are gone.
    """
    if not isinstance(stores.vectors, EdgeVectors):
        return
    listed, held = stores.catalog.committed_prototypes(), stores.vectors.points
    if held < listed:
        raise BankDamagedError(
            f"the vectors in {stores.folder / 'vectors'} hold {held:,} of the {listed:,} prototypes that "
            f"{DATABASE_NAME} lists, so files are truncated or missing; restore the bank from a copy, or run "
            "`freeda bank verify --repair` to keep what is whole."
        )


def read_manifest_of(catalog: Catalog, folder: Path) -> Manifest:
    """The manifest of a folder.

    Raises:
        BankDamagedError: it is gone.
    """
    document = catalog.manifest()
    if document is None:
        raise BankDamagedError(f"the bank in {folder} has no manifest; restore it from a copy.")
    return Manifest.from_json(document)


def _read_manifest(catalog: Catalog, folder: Path, sizes: VectorSizes) -> Manifest:
    manifest = read_manifest_of(catalog, folder)
    manifest.check_sizes(sizes, f"in {folder}")
    return manifest


def _create(folder: Path, manifest: Manifest) -> EdgeVectors:
    """Make an empty bank, unless somebody did meanwhile; the vectors come back open and locked."""
    if folder.exists() and not folder.is_dir():
        raise BankMissingError(f"{folder} is a file; a bank is a folder.")
    if min(manifest.sizes.text, manifest.sizes.visual) < 1:
        raise BankError("a bank's manifest must give the dim of its keys and of its backbone, at least 1.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with sole_user(folder, "another process is making a bank in"):
            if (folder / DATABASE_NAME).is_file():  # somebody else made it meanwhile
                return EdgeVectors.load(folder / "vectors")
            sweep_parts(folder)
            strange = sorted(path.name for path in folder.iterdir() if path.name not in _OUR_NAMES)
            if strange:
                raise BankMissingError(
                    f"{folder} holds no bank but other files ({strange[0]}); give an empty or a new folder."
                )
            _clear_unfinished(folder)
            return _make(folder, manifest)
    except OSError as error:
        raise StorageError(f"no bank can be made in {folder} ({error}); choose another folder.") from error


def _make(folder: Path, manifest: Manifest) -> EdgeVectors:
    vectors = EdgeVectors.create(folder / "vectors", manifest.sizes)
    try:
        with replaced(folder / DATABASE_NAME) as part:
            catalog = Catalog(create_tables(part))
            try:
                catalog.write_manifest(manifest.model_dump_json())
            finally:
                catalog.close()
            (folder / FOLDER).mkdir(exist_ok=True)
    except BaseException:
        vectors.close()
        raise
    return vectors


def _clear_unfinished(folder: Path) -> None:
    """Remove what a killed creation left, unless that creation is still alive."""
    vectors = folder / "vectors"
    if vectors.is_dir():
        try:
            EdgeVectors.load(vectors).close()
        except BankInUseError:
            raise
        except BankError:
            pass  # half made: removed below all the same
        shutil.rmtree(vectors)
