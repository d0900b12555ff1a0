"""Builds an embedded bank's vectors anew from all points that are right, beside the old ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from freeda_store.digests import vectors_digest
from freeda_store.errors import BankDamagedError, EngineRefusedError, StorageError
from freeda_store.files.room import free_bytes, room_to_merge
from freeda_store.history import History
from freeda_store.repair.answers import Stored
from freeda_store.repair.comparing import compare, fetch_whole
from freeda_store.repair.semantics import semantics_of
from freeda_store.repair.swap import NEW, VECTORS, clear, clear_leftovers, refusing, swap
from freeda_store.revisions.copies import RevisionFiles
from freeda_store.revisions.selection import payloads_of
from freeda_store.sql.proofs import vectors_digests
from freeda_store.vectors.edge import EdgeVectors
from freeda_store.vectors.filters import PointFilter
from freeda_store.vectors.protocol import Fetched, Payload, Point, rows_or_none

if TYPE_CHECKING:
    from freeda_store.writing.stores import Stores

_AT_ONCE = 512


@dataclass(frozen=True)
class Plan:
    """What of the old points comes along.

    Attributes:
        without: points that do not.
        names: points that go under another id, which their content proves.
        payloads: what points are to say instead of what they say.
        expected: rows that will have no point.
        saved: rows whose points have no right vectors, which the files of revisions have.
    """

    without: Set[UUID] = frozenset()
    names: Mapping[UUID, UUID] = field(default_factory=dict)
    payloads: Mapping[UUID, Payload] = field(default_factory=dict)
    expected: Set[UUID] = frozenset()
    saved: Set[UUID] = frozenset()


def rebuild(stores: Stores, history: History, plan: Plan, place: Path) -> None:
    """Put new vectors with all that is right in the place of the old ones, which go to ``place``.

    The stores' vectors are the new ones afterwards, open and locked.

    Raises:
        StorageError: the disk is too full, or the system refuses; the old vectors stay in use.
    """
    old, folder = stores.vectors, stores.folder
    if not isinstance(old, EdgeVectors):
        raise TypeError("only the vectors of a folder can be built anew.")
    needed = room_to_merge(folder / VECTORS)
    if free_bytes(folder) < needed:
        raise StorageError(
            f"a repair needs {needed / 1e6:,.0f} MB of free disk space beside {folder / VECTORS}; free it, "
            "then run the same command again. Nothing was given up."
        )
    with refusing(folder):
        clear(folder / NEW)
        new = EdgeVectors.create(folder / NEW, old.sizes)
        try:
            for points in _batches(chain(_points(stores, old, plan), _saved(stores, old, plan))):
                new.upsert(points)
            new.optimize()
            new.flush()
            _require_right(replace(stores, vectors=new), history, plan)
        finally:
            new.close()
        old.close()
        swap(folder, place)
        stores.vectors = EdgeVectors.load(folder / VECTORS)
        clear_leftovers(folder)


def _points(stores: Stores, old: EdgeVectors, plan: Plan) -> Iterator[Point]:
    kept = ((id_, told) for id_, told in old.scroll(PointFilter()) if id_ not in plan.without)
    while batch := dict(islice(kept, _AT_ONCE)):
        vectors, semantics = fetch_whole(old, list(batch)), semantics_of(old, list(batch))
        proofs = vectors_digests(stores.catalog, [plan.names.get(id_, id_) for id_ in batch])
        for id_, (text, visual) in vectors.items():
            name = plan.names.get(id_, id_)
            if name != id_ and proofs.get(name) not in (None, vectors_digest(text, visual)):
                continue
            yield Point(name, text, visual, plan.payloads.get(name, batch[id_]), semantics.get(id_))


def _saved(stores: Stores, old: EdgeVectors, plan: Plan) -> Iterator[Point]:
    """Points with vectors from the files of revisions, and with the payloads that they had."""
    files = stores.copies
    if not isinstance(files, RevisionFiles):
        return
    for found in files.proved(stores.catalog, plan.saved, old.sizes):
        with stores.catalog.transaction() as connection:
            payloads = payloads_of(connection, found.ids)
        payloads |= _payloads(old, found.ids) | {
            id_: plan.payloads[id_] for id_ in found.ids if id_ in plan.payloads
        }
        yield from saved_points(found, payloads)


def saved_points(found: Fetched, payloads: Mapping[UUID, Payload]) -> Iterator[Point]:
    """Points with vectors of the files of revisions, and with other payloads."""
    texts, semantics = rows_or_none(found.texts), rows_or_none(found.semantics)
    for id_, text, visual, semantic in zip(found.ids, texts, found.visuals, semantics, strict=True):
        yield Point(id_, text, visual, payloads[id_], semantic)


def _payloads(old: EdgeVectors, ids: Sequence[UUID]) -> dict[UUID, Payload]:
    """What points say, as far as they are there and can be read."""
    try:
        fetched = old.fetch(ids)
    except (BankDamagedError, EngineRefusedError):
        return {}
    return dict(zip(fetched.ids, fetched.payloads, strict=True))


def _batches(points: Iterator[Point]) -> Iterator[list[Point]]:
    while batch := list(islice(points, _AT_ONCE)):
        yield batch


def _require_right(stores: Stores, history: History, plan: Plan) -> None:
    """The new vectors must hold and answer what they should before they replace anything."""
    new = stores.vectors
    if not isinstance(new, EdgeVectors):
        raise TypeError("only the vectors of a folder can be built anew.")
    stored = Stored.of(history, new.sizes.text)
    found = compare(stores, history, stored)
    wrong = [
        *found.wrong_points,
        *found.wrong_vectors,
        *found.orphans,
        *(set(found.lost) - plan.expected),
    ]
    answers = list(stored.differences(new, history))
    if wrong or answers:
        first = answers[0] if answers else f"prototype {wrong[0]} differs"
        raise StorageError(
            f"vectors that were built anew in {stores.folder} are not what they should be ({first}); nothing "
            "was replaced. Check the disk, then run the same command again."
        )
