"""Banks that cannot be opened any more: what can be read is taken to new vectors, the old ones are kept.

Nothing is deleted, and nothing of the old folder is changed: it goes to ``damaged/N`` in the bank's
folder, with a copy of the database as it was. Verifying with repair afterwards makes the database agree
with what is left. What the system refuses is no damage, and ends all this before anything is moved.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from freeda_store.address import DATABASE_NAME, Address
from freeda_store.digests import vectors_digest
from freeda_store.errors import BankDamagedError, BankError, EngineRefusedError
from freeda_store.files.room import copy_with_holes
from freeda_store.files.system_faults import look
from freeda_store.manifest import Manifest
from freeda_store.opening.folder import open_address
from freeda_store.profiles.finding import find_profile
from freeda_store.repair.comparing import fetch_whole
from freeda_store.repair.rebuild import saved_points
from freeda_store.repair.semantics import semantics_of
from freeda_store.repair.swap import (
    NEW,
    TRIAL,
    VECTORS,
    clear,
    clear_leftovers,
    finish_swap,
    new_place,
    refusing,
    repairing,
    swap,
)
from freeda_store.revisions.copies import RevisionFiles
from freeda_store.revisions.selection import payloads_of
from freeda_store.sql.catalog import Catalog
from freeda_store.sql.proofs import vectors_digests
from freeda_store.sql.schema import open_database
from freeda_store.vectors.edge import EdgeVectors
from freeda_store.vectors.filters import PointFilter
from freeda_store.vectors.protocol import Point, VectorSizes

if TYPE_CHECKING:
    from freeda_store.bank import Bank

_INDEX = "payload_index"
_PAYLOADS = "payload_storage"
_LOG = "wal"
_AT_ONCE = 512


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
    """Make a bank's folder whose vectors cannot be opened usable again, with all that can be read of them.

    Args:
        address: of the bank; of a hosted one, only its missing alias is set again.

    Returns:
        What was done, one line each; empty when the vectors can be opened.

    Raises:
        BankInUseError: it is open elsewhere, or repaired by another process.
        BankDamagedError: the database is damaged too.
        StorageError: the system refuses a file, or there is no room; nothing was replaced.
    """
    folder = Address.parse(address).folder
    profile = find_profile(folder)
    if profile is not None and profile.sql_url:
        from freeda_store.hosted.aliases import set_again

        return set_again(profile)
    if profile is not None or not (folder / DATABASE_NAME).is_file():
        return []
    finish_swap(folder)
    vectors = folder / VECTORS
    refused = _why_unreadable(vectors)
    if refused is None:
        return []
    if (fault := look(vectors)) is not None:
        raise fault.error(vectors)
    catalog = Catalog(open_database(folder / DATABASE_NAME))
    try:
        sizes = _sizes(catalog, folder)
        with refusing(folder), repairing(folder):
            return _rescue(folder, sizes, catalog, refused)
    finally:
        catalog.close()


def _rescue(folder: Path, sizes: VectorSizes, catalog: Catalog, refused: BankError) -> list[str]:
    done: list[str] = []
    clear(folder / NEW)
    new = EdgeVectors.create(folder / NEW, sizes)
    kept: set[UUID] = set()
    try:
        for part in _parts(folder / VECTORS):
            before = len(kept)
            for points in _batches(_readable_points(folder, part, sizes)):
                new.upsert(_preferred(points, kept, catalog))
                kept |= {point.id for point in points}
            if len(kept) == before and part.name != _LOG:
                done.append(f"nothing could be read from {part}")
        saved = _save(RevisionFiles(folder), new, kept, catalog)
        new.optimize()
        new.flush()
    finally:
        new.close()
        clear(folder / TRIAL)
    useless = not kept or _why_unreadable(folder / NEW) is not None
    if useless and isinstance(refused, EngineRefusedError) and catalog.committed_prototypes():
        clear(folder / NEW)
        raise refused  # that nothing can be read may have a cause outside the files
    place = new_place(folder)
    done.insert(0, f"a copy of the database as it was is {place / DATABASE_NAME}")
    swap(folder, place)
    clear_leftovers(folder)
    done.append(
        f"{len(kept):,} points that can be read were taken to new vectors; the old are in {place / VECTORS}"
    )
    if saved:
        done.append(f"{saved:,} of them have their vectors from the files of revisions")
    return done


def _save(files: RevisionFiles, new: EdgeVectors, kept: set[UUID], catalog: Catalog) -> int:
    """Take from the files of revisions what could not be read of the engine's; returns how many points."""
    wanted = [id_ for revision in files.committed(catalog) for id_ in catalog.prototype_ids(revision)]
    count = 0
    for found in files.proved(catalog, wanted, new.sizes):
        with catalog.transaction() as connection:
            payloads = payloads_of(connection, found.ids)
        here = [id_ for id_ in found.ids if id_ in kept]
        held, fetched = fetch_whole(new, here), new.fetch(here)
        payloads |= dict(zip(fetched.ids, fetched.payloads, strict=True))
        right = {id_: vectors_digest(*pair) for id_, pair in held.items()}
        points = [
            point
            for point in saved_points(found, payloads)
            if right.get(point.id) != vectors_digest(point.text, point.visual)
        ]
        new.upsert(points)
        kept |= {point.id for point in points}
        count += len(points)
    return count


def _why_unreadable(vectors: Path) -> BankError | None:
    """Why a store cannot be opened, or not all its points be listed; None when all is well.

    Raises:
        BankInUseError: it is open elsewhere.
        StorageError: the system refuses to read it.
    """
    try:
        store = EdgeVectors.load(vectors)
    except (BankDamagedError, EngineRefusedError) as error:
        return error
    try:
        for _ in store.scroll(PointFilter()):
            pass
    except (BankDamagedError, EngineRefusedError) as error:
        return error
    finally:
        store.close()
    return None


def _parts(vectors: Path) -> list[Path]:
    """What points may be read from: segments, and the log of what was written last."""
    segments = sorted(path for path in (vectors / "segments").glob("*") if path.is_dir())
    return [*segments, *(path for path in (vectors / _LOG,) if path.is_dir())]


def _readable_points(folder: Path, part: Path, sizes: VectorSizes) -> Iterator[Point]:
    """The points of one part, read from a copy of it alone; of a segment without its index, if need be.

    Without its payloads, too, if they cannot be read: the database says the same.
    """
    for left_out in ((), (_INDEX,), (_INDEX, _PAYLOADS)):
        store = _alone(folder / TRIAL, part, sizes, left_out)
        if store is None:
            continue
        try:
            ids = (id_ for id_, _ in store.scroll(PointFilter(), payloads=False))
            while batch := list(islice(ids, _AT_ONCE)):
                yield from _whole(store, batch)
            return
        except (BankDamagedError, EngineRefusedError):
            continue
        finally:
            store.close()


def _whole(store: EdgeVectors, ids: list[UUID]) -> Iterator[Point]:
    vectors = fetch_whole(store, ids)
    fetched, semantics = store.fetch(list(vectors)), semantics_of(store, list(vectors))
    for id_, payload in zip(fetched.ids, fetched.payloads, strict=True):
        yield Point(id_, *vectors[id_], payload, semantics.get(id_))


def _preferred(points: list[Point], kept: set[UUID], catalog: Catalog) -> list[Point]:
    """Points that are new, or have the vectors that were written; two segments may hold one point."""
    proofs = vectors_digests(catalog, [point.id for point in points])
    return [
        point
        for point in points
        if point.id not in kept or proofs.get(point.id) == vectors_digest(point.text, point.visual)
    ]


def _batches(points: Iterator[Point]) -> Iterator[list[Point]]:
    while batch := list(islice(points, _AT_ONCE)):
        yield batch


def _alone(trial: Path, part: Path, sizes: VectorSizes, left_out: Sequence[str]) -> EdgeVectors | None:
    """A store that holds a copy of one part and nothing else; None when it cannot be opened.

    Parts of earlier versions have no place for semantic vectors.
    """
    for each in dict.fromkeys((sizes.semantic, 0)):
        store = _alone_with(trial, part, replace(sizes, semantic=each), left_out)
        if store is not None:
            return store
    return None


def _alone_with(trial: Path, part: Path, sizes: VectorSizes, left_out: Sequence[str]) -> EdgeVectors | None:
    clear(trial)
    EdgeVectors.create(trial, sizes).close()
    clear(trial / _LOG)
    target = trial / _LOG
    if part.name != _LOG:
        clear(trial / "segments")
        (trial / "segments").mkdir()
        target = trial / "segments" / part.name
    shutil.copytree(part, target, copy_function=copy_with_holes, ignore=shutil.ignore_patterns(*left_out))
    return EdgeVectors.load(trial) if _why_unreadable(trial) is None else None


def _sizes(catalog: Catalog, folder: Path) -> VectorSizes:
    """The lengths of a bank's vectors as its manifest has them."""
    document = catalog.manifest()
    if document is None:
        raise BankDamagedError(f"the bank in {folder} has no manifest; restore it from a copy.")
    manifest = Manifest.from_json(document)
    return manifest.sizes
