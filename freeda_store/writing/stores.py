"""The three stores of a bank held together, and what keeps them in agreement."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol
from uuid import UUID

from typing_extensions import override

from freeda_store.fields import Field
from freeda_store.files.owner import Owner
from freeda_store.history import History
from freeda_store.recall import NoRecall, Recall
from freeda_store.sql.catalog import Catalog
from freeda_store.sql.counts import ViewCounts
from freeda_store.sql.sessions import LocalRuns, Runs
from freeda_store.thumbnails.folder import ThumbnailStore
from freeda_store.vectors.filters import PointFilter, View
from freeda_store.vectors.protocol import VectorSizes, VectorStore


class ReaderCatalog(Protocol):
    """What readers ask of a bank's catalog: its SQL answers, and so does what was published of it."""

    def history(self) -> History:
        """The revisions and tags."""

    def published_counts(self, revision: int | None, /) -> ViewCounts | None:
        """What a revision of this number shows, where that needs no SQL; None where SQL is asked."""

    def gained(self, before: View, after: View, /) -> list[UUID]:
        """Ids of the prototypes that one view shows and another does not, sorted."""

    def nouns(self, view: View, /) -> set[str]:
        """The nouns of the prototypes that a view shows."""

    def tally(self, field: Field, view: View, /) -> dict[str, int]:
        """How many of the prototypes that a view shows have each value of a text field."""

    def size_bytes(self) -> int | None:
        """Bytes that it takes on disk; None where that is unknown."""

    def close(self) -> None:
        """Close all connections."""

    def require_sql(self) -> Catalog:
        """The catalog itself, where it is SQL.

        Raises:
            ReadOnlyBankError: it is not; says what to do.
        """


class Publish(Protocol):
    """Publishes the changed history to readers without SQL."""

    def __call__(self, *, recount: bool = False) -> None:
        """Publish; ``recount`` counts anew what old revisions show, after a repair."""


def unpublished(*, recount: bool = False) -> None:
    """A folder has no readers without SQL."""


class Upkeep(Protocol):
    """Sees that an engine is set up as a bank needs it."""

    def faults(self) -> tuple[str, ...]:
        """What is set otherwise, one short line each."""

    def mend(self) -> tuple[str, ...]:
        """Set it again; returns what cannot be changed."""


class NoUpkeep(Upkeep):
    """Of a folder: its engine has no settings that others could change."""

    @override
    def faults(self) -> tuple[str, ...]:
        return ()

    @override
    def mend(self) -> tuple[str, ...]:
        return ()


def nothing() -> None:
    """A folder needs nothing of the kind: its files belong together, and its lock keeps others out."""


class Copies(Protocol):
    """Keeps what revisions added a second time, where it is read without the engine."""

    def keep(self, catalog: Catalog, vectors: VectorStore, revision: int) -> None:
        """Keep what a revision added, before its commit."""

    def tidy(self, catalog: Catalog, sizes: VectorSizes) -> None:
        """See that what is kept is found fast, after a commit."""

    def size_bytes(self) -> int:
        """Bytes on disk."""


class NoCopies(Copies):
    """Of a hosted bank: its server is read by any number."""

    @override
    def keep(self, catalog: Catalog, vectors: VectorStore, revision: int) -> None:
        pass

    @override
    def tidy(self, catalog: Catalog, sizes: VectorSizes) -> None:
        pass

    @override
    def size_bytes(self) -> int:
        return 0


class CommitLock(Protocol):
    """Held while a revision takes its place in the history; it may be taken again inside."""

    def __enter__(self) -> object:
        """Wait for it."""

    def __exit__(self, *_: object) -> None:
        """Let go of it."""

    def require(self) -> None:
        """See that it is still held.

        Raises:
            StorageError: it was lost.
        """


class LocalLock(CommitLock):
    """Of a folder: between the threads of one process."""

    def __init__(self) -> None:
        self._lock = threading.RLock()

    def __enter__(self) -> object:
        return self._lock.__enter__()

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    @override
    def require(self) -> None:
        pass


@dataclass
class Stores:
    """SQL, vectors and thumbnails of one bank.

    Attributes:
        known: what should exist, for reading alone; see :attr:`catalog`.
        vectors: the points.
        thumbnails: pictures and attribution maps.
        folder: where they are; of a hosted bank, only the profile's name.
        writing: keys of the runs that writers have in hand; a hosted bank's also count other processes.
        commit_lock: held while a revision takes its place in the history.
        publish: publishes a changed history to readers without SQL.
        recall: what need not be asked again.
        catch_up: asked once at opening: refuses stores that do not agree, and publishes what was not.
        upkeep: of the engine's settings.
        before_writing: refuses where the rights are missing, or the points are not this bank's any more.
        copies: of the vectors that committed revisions added, for readers; of a hosted bank none.
        owner: the process that opened them.
        regions: what searches visual vectors of committed revisions; None where the engine itself does.
    """

    known: ReaderCatalog
    vectors: VectorStore
    thumbnails: ThumbnailStore
    folder: Path
    writing: Runs = field(default_factory=LocalRuns)
    commit_lock: CommitLock = field(default_factory=LocalLock)
    publish: Publish = unpublished
    recall: Recall = field(default_factory=NoRecall)
    catch_up: Callable[[], None] = nothing
    before_writing: Callable[[], None] = nothing
    upkeep: Upkeep = field(default_factory=NoUpkeep)
    copies: Copies = field(default_factory=NoCopies)
    owner: Owner = field(default_factory=Owner)
    regions: VectorStore | None = None

    @property
    def catalog(self) -> Catalog:
        """The SQL that writers and checks need.

        Raises:
            ReadOnlyBankError: the bank was opened without.
        """
        return self.known.require_sql()

    def close(self) -> None:
        """Let go of files and locks; in a fork of the process that opened them, they are left to that."""
        if not self.owner.is_here:
            return
        try:
            self.writing.clear()
            self.known.close()
        finally:
            self.recall.close()
            self.vectors.close()
            if self.regions is not None:
                self.regions.close()


def show_retirements(stores: Stores, ids: Sequence[UUID]) -> None:
    """Make the points of these prototypes say what SQL says about their retirement."""
    retired = stores.catalog.retirements(ids)
    groups: dict[tuple[int, ...], list[UUID]] = {}
    for id_ in ids:
        groups.setdefault(retired.get(id_, ()), []).append(id_)
    for revisions, group in groups.items():
        stores.vectors.set_payload(group, {"retired_in": list(revisions)})


def reconcile(stores: Stores, revision: int) -> int:
    """Make the points of an open revision and its rows agree; returns how many generations were lost.

    A killed writer may leave points without rows: they are deleted. A power cut may lose points
    that have rows: their generations are forgotten, so that they are drawn again.
    """
    catalog = stores.catalog
    catalog.drop_generations(revision, catalog.incomplete(revision))
    lost = catalog.generations_of(_delete_orphans(stores, revision))
    if lost:
        catalog.drop_generations(revision, sorted(lost))
        _delete_orphans(stores, revision)
    return len(lost)


def _delete_orphans(stores: Stores, revision: int) -> list[UUID]:
    """Delete the points of an open revision that have no row; returns the rows that have no point."""
    differing = {True: list[UUID](), False: list[UUID]()}
    for id_, is_row in differences(stores, revision):
        differing[is_row].append(id_)
    stores.vectors.delete(differing[False])
    return differing[True]


def differences(stores: Stores, revision: int) -> Generator[tuple[UUID, bool], None, None]:
    """Ids of an open revision that have a row but no point (True) or a point but no row (False).

    Both are walked together in the order of their ids, in constant memory. Nothing may be written to SQL
    until the walk is at its end, or closed.
    """
    points = (id_ for id_, _ in stores.vectors.scroll(PointFilter(added_in=revision), payloads=False))
    point = next(points, None)
    with closing(stores.catalog.prototype_ids(revision)) as rows:
        for row in rows:
            while point is not None and point < row:
                yield point, False
                point = next(points, None)
            if point == row:
                point = next(points, None)
            else:
                yield row, True
    while point is not None:
        yield point, False
        point = next(points, None)


def commit(stores: Stores, revision: int, parent: int | None) -> None:
    """Give a revision its place: its points are made safe first, tidied afterwards."""
    stores.vectors.flush()
    stores.copies.keep(stores.catalog, stores.vectors, revision)
    stores.commit_lock.require()
    stores.catalog.commit_revision(revision, parent)
    stores.publish()
    tidy(stores)


def tidy(stores: Stores) -> None:
    """Merge and index what was written: readers find the same without, and take longer."""
    stores.vectors.optimize()
    stores.copies.tidy(stores.catalog, stores.vectors.sizes)


def sweep_thumbnails(stores: Stores) -> None:
    """Remove files that killed writers left half written, unless another writer is at work."""
    if len(stores.writing) <= 1:
        stores.thumbnails.sweep()
