"""Banks that cannot be opened any more: what is whole is kept, what is not is put aside.

Nothing is deleted: damaged files go to ``damaged/N`` in the bank's folder, with a copy of the
database as it was. Verifying with repair afterwards makes the database agree with what is left.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from freeda_store.address import Address
from freeda_store.catalog import Catalog
from freeda_store.errors import BankDamagedError, StorageError
from freeda_store.manifest import Manifest
from freeda_store.opening import open_address
from freeda_store.profiles import DATABASE_NAME, find_profile
from freeda_store.schema import open_database
from freeda_store.vectors.edge import EdgeVectors, read_sizes
from freeda_store.vectors.protocol import VectorSizes

if TYPE_CHECKING:
    from freeda_store.bank import Bank

_CONFIG = "edge_config.json"
_INDEX = "payload_index"
_TRIAL = "vectors.trial"


def open_to_verify(address: str | Path) -> Bank:
    """Open a bank without asking whether its vectors are complete, for ``verify`` to find out.

    Raises:
        RevisionMissingError, BankMissingError and others: see :meth:`freeda_store.Bank.open`.
    """
    from freeda_store.bank import Bank

    stores, manifest, parsed = open_address(Address.parse(address), None)
    try:
        pinned = None if parsed.version is None else stores.catalog.history().resolve(parsed.version).id
    except BaseException:
        stores.close()
        raise
    return Bank(stores, manifest, parsed, pinned)


def salvage(address: str | Path) -> list[str]:
    """Make the vectors of a bank's folder readable again, at the price of those in damaged files.

    Args:
        address: of the bank; a hosted one has nothing to be salvaged here.

    Returns:
        What was done, one line each; empty when every vector can be read.

    Raises:
        BankInUseError: it is open elsewhere.
        BankDamagedError: the database is damaged too.
        StorageError: there is no room, or no permission, to put files aside.
    """
    folder = Address.parse(address).folder
    if find_profile(folder) is not None or not (folder / DATABASE_NAME).is_file():
        return []
    vectors = folder / "vectors"
    sizes, listed = _expected(folder)
    held = _readable(vectors)
    if held is not None and held >= listed:
        return []
    try:
        aside = _new_place(folder)
        done = [f"a copy of the database as it was is {aside / DATABASE_NAME}"]
        return done if held is not None else done + _rescue(folder, vectors, sizes, aside)
    except OSError as error:
        raise StorageError(
            f"damaged vectors of {folder} could not be put aside ({error}); free disk space or correct the "
            "permissions, then run the same command again."
        ) from error


def _rescue(folder: Path, vectors: Path, sizes: VectorSizes, aside: Path) -> list[str]:
    done = []
    config = vectors / _CONFIG
    with _trial(folder, sizes) as trial:
        if not _is_configured(vectors, sizes):
            _put_aside(config, aside)
            vectors.mkdir(exist_ok=True)
            shutil.copyfile(trial / _CONFIG, config)
            done.append(f"{config} was written anew")
        if _readable(vectors) is None:
            for segment in sorted((vectors / "segments").glob("*")):
                if (broken := _broken_part(trial, segment)) is not None:
                    _put_aside(broken, aside)
                    done.append(f"the damaged {broken} was moved to {aside}")
    if _readable(vectors) is None:
        _put_aside(vectors / "wal", aside)
        done.append(f"the damaged {vectors / 'wal'} was moved to {aside}")
    if _readable(vectors) is None:
        _put_aside(vectors, aside)
        EdgeVectors.create(vectors, sizes).close()
        done.append(f"no vectors of {vectors} can be read; they were moved to {aside}")
    return done


def _readable(vectors: Path) -> int | None:
    """How many points a store holds, every one of which can be read; None when it is damaged.

    Raises:
        BankInUseError: it is open elsewhere.
        StorageError: the system refuses to read it.
    """
    try:
        store = EdgeVectors.load(vectors)
    except BankDamagedError:
        return None
    try:
        store.check_readable()
        return store.points
    except BankDamagedError:
        return None
    finally:
        store.close()


def _broken_part(trial: Path, segment: Path) -> Path | None:
    """What of a segment must go: nothing, its payload index, which the engine makes anew, or all of it."""
    if _is_sound_alone(trial, segment):
        return None
    return segment / _INDEX if _is_sound_alone(trial, segment, without=_INDEX) else segment


def _is_sound_alone(trial: Path, segment: Path, *, without: str = "") -> bool:
    """Whether a segment can be read in an otherwise empty store; its files are not copied but linked."""
    for name in ("segments", "wal"):
        shutil.rmtree(trial / name, ignore_errors=True)
    (trial / "segments").mkdir()
    left_out = shutil.ignore_patterns(without)
    shutil.copytree(segment, trial / "segments" / segment.name, copy_function=_link, ignore=left_out)
    return _readable(trial) is not None


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # this file system knows no hard links
        shutil.copy2(source, target)


@contextmanager
def _trial(folder: Path, sizes: VectorSizes) -> Iterator[Path]:
    """A new empty store beside the bank's own, for its configuration and for trying segments."""
    place = folder / _TRIAL
    shutil.rmtree(place, ignore_errors=True)
    EdgeVectors.create(place, sizes).close()
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _is_configured(vectors: Path, sizes: VectorSizes) -> bool:
    try:
        return read_sizes(vectors) == sizes
    except BankDamagedError:
        return False


def _expected(folder: Path) -> tuple[VectorSizes, int]:
    """The lengths of a bank's vectors as its manifest has them, and how many the database lists."""
    catalog = Catalog(open_database(folder / DATABASE_NAME))
    try:
        document, listed = catalog.manifest(), catalog.committed_prototypes()
    finally:
        catalog.close()
    if document is None:
        raise BankDamagedError(f"the bank in {folder} has no manifest; restore it from a copy.")
    manifest = Manifest.from_json(document)
    return VectorSizes(manifest.keys.dim, manifest.backbone.dim), listed


def _new_place(folder: Path) -> Path:
    """A new numbered folder for damaged files, with a copy of the database in it."""
    count = 1
    while (place := folder / "damaged" / str(count)).exists():
        count += 1
    place.mkdir(parents=True)
    with (
        closing(sqlite3.connect(folder / DATABASE_NAME)) as source,
        closing(sqlite3.connect(place / DATABASE_NAME)) as copy,
    ):
        source.backup(copy)
    return place


def _put_aside(path: Path, aside: Path) -> None:
    if path.exists():
        target = aside / path.parent.name / path.name
        target.parent.mkdir(exist_ok=True)
        path.rename(target)
