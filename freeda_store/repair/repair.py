"""Repairs what a check found wrong: only what is proved wrong, and never without keeping what it replaces.

Of a folder, a copy of the database and the old vectors go to ``damaged/N``. The database is corrected
first, then vectors are built anew beside the old ones (:mod:`freeda_store.repair.rebuild`), and what nothing
could bring back is forgotten last. A kill in between leaves a bank that the same command goes on with.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import select

from freeda_store.errors import BankDamagedError
from freeda_store.fields import defaults
from freeda_store.history import History
from freeda_store.repair.comparing import Findings, compare
from freeda_store.repair.evidence import Contradiction
from freeda_store.repair.rebuild import Plan, rebuild
from freeda_store.repair.row_repairs import rename_rows, restore_rows, take_in
from freeda_store.repair.semantics import mend_semantics, wrong_semantics
from freeda_store.repair.swap import VECTORS, new_place, refusing, repairing
from freeda_store.revisions.copies import RevisionFiles
from freeda_store.sql.catalog import Catalog
from freeda_store.sql.proofs import replace_checksums
from freeda_store.sql.tables import PrototypeRow
from freeda_store.sql.visibility import chunks
from freeda_store.vectors.edge import EdgeVectors

if TYPE_CHECKING:
    from freeda_store.writing.stores import Stores

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Repaired:
    """What a repair did.

    Attributes:
        lost: prototypes of committed revisions that are forgotten, for nothing could bring their
            vectors back.
        unresolved: what is as it was, for nothing proves who is right.
        kept_in: where everything that was replaced is; None when nothing was.
        regained: prototypes whose vectors came back from the files of revisions.
    """

    lost: tuple[UUID, ...] = ()
    unresolved: tuple[Contradiction, ...] = ()
    kept_in: Path | None = None
    regained: tuple[UUID, ...] = ()


def repair(stores: Stores, history: History, found: Findings, *, answers_wrong: bool) -> Repaired:
    """Repair what was found.

    Args:
        stores: of the bank; the vectors of a folder may be others afterwards.
        history: of the bank.
        found: what a comparison found.
        answers_wrong: whether the engine answers something else than it stores.

    Raises:
        StorageError: the system refuses; what it refused to replace is as it was.
    """
    if not isinstance(stores.vectors, EdgeVectors):
        return _repair_in_place(stores, history, found)
    with refusing(stores.folder), repairing(stores.folder):
        place = None
        if answers_wrong or _is_damaged(history, found):
            place = new_place(stores.folder)
            found = _correct_rows(stores, history, found)
            plan = _plan(stores, found)
            if answers_wrong or plan.without or plan.names or plan.payloads or plan.expected or plan.saved:
                rebuild(stores, history, plan, place)
            lost = _forget(stores.catalog, history, plan.expected)
            return Repaired(lost, _unresolved(found), place, tuple(sorted(plan.saved)))
        stores.vectors.delete(sorted(found.orphans))  # of runs that ended early
        return Repaired(unresolved=_unresolved(found))


def repair_semantics(stores: Stores, history: History, place: Path | None) -> Path | None:
    """Make semantic vectors right; where the engine refuses to write them, all vectors are built anew before.

    Args:
        stores: of the bank; the vectors of a folder may be others afterwards.
        history: of the bank.
        place: where what was replaced so far is kept.

    Returns:
        Where everything that was replaced is.

    Raises:
        BankDamagedError: they cannot be written to vectors that are new, or on a server.
        StorageError: the system refuses; what it refused to replace is as it was.
    """
    try:
        mend_semantics(stores, wrong_semantics(stores))
    except BankDamagedError:
        is_new = place is not None and (place / VECTORS).exists()
        if is_new or not isinstance(stores.vectors, EdgeVectors):
            raise
        with refusing(stores.folder), repairing(stores.folder):
            place = place or new_place(stores.folder)
            rebuild(stores, history, Plan(), place)
        mend_semantics(stores, wrong_semantics(stores))
    return place


def write_again(stores: Stores, files: RevisionFiles, place: Path | None) -> Path | None:
    """Write the files of revisions that are wrong, or that a bank never had, from its vectors.

    Args:
        stores: of the bank, repaired.
        files: of its revisions.
        place: where what was replaced so far is kept.

    Returns:
        Where everything that was replaced is.
    """
    catalog, sizes = stores.catalog, stores.vectors.sizes
    with refusing(stores.folder):
        wrong = files.faults(catalog, sizes)
        if wrong or files.index_fault(sizes):
            place = place or new_place(stores.folder)
            files.give_up_index(place)  # it may hold what was wrong
            for revision in wrong:
                try:
                    files.replace(catalog, stores.vectors, revision, place)
                except BankDamagedError as error:  # what nothing could repair stays as it is
                    logger.warning("%s", error)
        try:
            files.keep_missing(catalog, stores.vectors)
        except BankDamagedError as error:
            logger.warning("%s", error)
        files.tidy(catalog, sizes)
    return place


def _repair_in_place(stores: Stores, history: History, found: Findings) -> Repaired:
    """What can be repaired on a server: wrong vectors stay, for only a snapshot brings them back.

    A point that lacks a vector holds nothing that SQL does not, and stops every search that finds it: it is
    forgotten as one that is gone.
    """
    found = _correct_rows(stores, history, found)
    fetched = stores.vectors.fetch(found.wrong_vectors, texts=True, visuals=True)
    told = zip(fetched.ids, fetched.texts, fetched.payloads, strict=True)
    held = {id_ for id_, text, payload in told if text.any() or payload.get("noun") == ""}
    without = set(found.wrong_vectors) - held
    stores.vectors.delete(sorted(found.orphans.keys() | without))
    for id_, payload in found.wrong_points.items():
        stores.vectors.set_payload([id_], {**defaults(), **payload})
    return Repaired(_forget(stores.catalog, history, set(found.lost) | without), _unresolved(found))


def relabelled(found: Findings) -> dict[UUID, UUID]:
    """Points that go by a wrong id, and the id of a row without a point that their content has."""
    lost = set(found.lost) - found.own_row_ids.keys()
    return {orphan: own for orphan, own in found.own_ids.items() if own != orphan and own in lost}


def mislabelled_rows(found: Findings) -> dict[UUID, UUID]:
    """Rows that go by a wrong id, and the id of a point without a row that their content has."""
    return {row: own for row, own in found.own_row_ids.items() if found.own_ids.get(own) == own}


def rows_gone(history: History, found: Findings) -> list[UUID]:
    """Points of committed revisions that prove themselves and have no row."""
    named = set(mislabelled_rows(found).values())
    return sorted(
        id_
        for id_, revision in found.orphans.items()
        if found.own_ids.get(id_) == id_ and history.number_of(revision) and id_ not in named
    )


def open_orphans(history: History, found: Findings) -> set[UUID]:
    """Points that runs which ended early left; the same command uses or removes them."""
    return {
        id_
        for id_, revision in found.orphans.items()
        if history.has(revision) and history.number_of(revision) == 0
    }


def _is_damaged(history: History, found: Findings) -> bool:
    return bool(
        found.orphans.keys() - open_orphans(history, found)
        or found.lost
        or found.wrong_points
        or found.wrong_rows
        or found.wrong_vectors
        or found.wrong_checksums
    )


def _correct_rows(stores: Stores, history: History, found: Findings) -> Findings:
    """Correct what is proved wrong in SQL; returns what a new comparison finds."""
    names, gone = mislabelled_rows(found), rows_gone(history, found)
    if not (names or gone or found.wrong_rows or found.wrong_checksums):
        return found
    rename_rows(stores, names)
    take_in(stores, history, gone)
    restore_rows(stores, history, found.wrong_rows)
    replace_checksums(stores.catalog, found.wrong_checksums)
    return compare(stores, history)


def _plan(stores: Stores, found: Findings) -> Plan:
    names = relabelled(found)
    bare = (set(found.lost) - set(names.values())) | set(found.wrong_vectors)
    saved: set[UUID] = set()
    if isinstance(stores.copies, RevisionFiles):
        for held in stores.copies.proved(stores.catalog, bare, stores.vectors.sizes):
            saved.update(held.ids)
    return Plan(
        without=(found.orphans.keys() - names.keys()) | set(found.wrong_vectors),
        names=names,
        payloads=found.wrong_points,
        expected=bare - saved,
        saved=saved,
    )


def _forget(catalog: Catalog, history: History, ids: Iterable[UUID]) -> tuple[UUID, ...]:
    """Forget prototypes; returns those of committed revisions."""
    wanted, lost = sorted(ids), []
    with catalog.transaction() as connection:
        for batch in chunks(wanted):
            query = select(PrototypeRow.id, PrototypeRow.revision_id).where(PrototypeRow.id.in_(batch))
            lost += [id_ for id_, revision in connection.execute(query) if history.number_of(revision)]
    catalog.forget_prototypes(wanted)
    return tuple(sorted(lost))


def _unresolved(found: Findings) -> tuple[Contradiction, ...]:
    """What nothing proves, and rows that are proved wrong and could not be restored."""
    stuck = (
        Contradiction(id_, "row", None, str(told.get("caption"))) for id_, told in found.wrong_rows.items()
    )
    return (*found.contradictions, *stuck)
