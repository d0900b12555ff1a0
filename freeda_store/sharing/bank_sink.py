"""A bank to copy to: a folder or a hosted bank, made when it is new.

A revision arrives with the id it has at its source. Until all of it is there it is an open revision
that no view shows; one statement then makes it count. A kill at any moment leaves at most an open
revision, from which the same copy goes on, and which another copy removes.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Self
from uuid import UUID

from typing_extensions import override

from freeda_store.address import Address
from freeda_store.closeable import Closeable
from freeda_store.digests import canonical_point, checksums
from freeda_store.errors import (
    BankDamagedError,
    BankInUseError,
    DivergedError,
    ReadOnlyViewError,
    StorageError,
    UnfinishedRunError,
)
from freeda_store.history import RevisionRecord
from freeda_store.manifest import Manifest
from freeda_store.opening.folder import open_address
from freeda_store.payload import StoredPrototype, make_payload
from freeda_store.sharing.checking import check_part
from freeda_store.sharing.parts import Part, Sink
from freeda_store.sharing.replica import Arriving, Replica
from freeda_store.sql.visibility import chunks
from freeda_store.vectors.filters import PointFilter
from freeda_store.vectors.protocol import Point, rows_or_none
from freeda_store.writing.stores import Stores, differences, show_retirements, sweep_thumbnails, tidy

logger = logging.getLogger(__name__)

_RUN = "copy into this bank"


class BankSink(Closeable, Sink):
    """A :class:`~freeda_store.sharing.parts.Sink`.

    One copy at a time goes into a bank; other writers of a hosted bank may be at work, and then the
    copy stops if one of them commits meanwhile.
    """

    def __init__(self, stores: Stores, name: str, *, discard_unfinished: bool = False) -> None:
        """Write to open stores, which :meth:`close` closes.

        Args:
            stores: of the bank.
            name: what to call it in messages.
            discard_unfinished: forget local runs that ended early and stand in the way.
        """
        self._stores = stores
        self._name = name
        self._discard_unfinished = discard_unfinished
        self._replica = Replica(stores.catalog)
        self._taken = False
        self._record: RevisionRecord | None = None
        self._arrived = Arriving("")

    @classmethod
    def open(cls, address: str | Path, manifest: Manifest, *, discard_unfinished: bool = False) -> Self:
        """Open a bank by its address, making it with a manifest when it is new.

        Raises:
            ReadOnlyViewError: the address names a version.
            ReadOnlyBankError: its profile can only read.
            ManifestMismatchError: the bank was made with other models or settings.
            Others: those of ``Bank.open``.
        """
        parsed = Address.parse(address)
        if parsed.version is not None:
            raise ReadOnlyViewError(
                f"{parsed} is one version of a bank and cannot be copied to; give {parsed.folder} instead."
            )
        stores, _, parsed = open_address(parsed, manifest)
        try:
            with stores.catalog.transaction():
                pass  # a profile without SQL refuses
            stores.catch_up()
        except BaseException:
            stores.close()
            raise
        return cls(stores, str(parsed), discard_unfinished=discard_unfinished)

    def close(self) -> None:
        """Let go of the bank's files and its lock."""
        self._stores.close()

    @property
    @override
    def name(self) -> str:
        return self._name

    @override
    def records(self) -> list[RevisionRecord]:
        return self._stores.catalog.history().committed_records()

    @override
    def tags(self) -> Mapping[str, int]:
        return self._stores.catalog.history().tags

    @override
    def expect(self, records: Sequence[RevisionRecord]) -> None:
        """Make room for revisions: reserve their ids, and remove what dead copies of others left.

        Raises:
            BankInUseError: another copy into this bank is going on, or a run that stands in the way is.
            UnfinishedRunError: a local run that was not finished has an id that arrives.
        """
        self._stores.before_writing()
        self._take()
        try:
            with self._stores.commit_lock:
                self._make_room(records)
        except BaseException:
            self._let_go()
            raise

    @override
    def begin(self, record: RevisionRecord) -> int:
        self._record = record
        arrived = self._replica.arriving(record) or self._start(record)
        if not self._reconcile(record.id, arrived):
            logger.warning("what an earlier copy stored of revision id %d is lost; it starts anew", record.id)
            with self._stores.commit_lock:
                self._discard(record.id)
            arrived = self._start(record)
        self._refresh_retired(record.id)
        self._arrived = arrived
        return arrived.parts

    @override
    def add(self, part: Part) -> None:
        """Store one more part of the revision that was begun.

        Raises:
            BankDamagedError: the part cannot be of that revision.
            StorageError: the disk is full or an engine refused.
        """
        revision = self._begun().id
        check_part(part, revision, self._stores.vectors.sizes, self._name)
        self._stores.before_writing()
        self._require_turn()
        self._put_thumbnails(part)
        points = _points(part, revision)
        self._stores.vectors.upsert(points)
        arrived = self._arrived
        after = Arriving(arrived.becomes, arrived.parts + 1, arrived.prototypes + len(part.prototypes))
        self._replica.add(revision, part, {point.id: checksums(point) for point in points}, after)
        self._arrived = after

    @override
    def finish(self, retirements: Sequence[UUID]) -> None:
        """Make the revision count, with what it retired.

        Raises:
            DivergedError: somebody committed another revision meanwhile.
            BankDamagedError: points that were written are gone.
        """
        record, stores = self._begun(), self._stores
        with stores.commit_lock:
            stores.before_writing()
            self._require_turn()
            self._require_next(record)
            here = self._replica.retire(record.id, retirements)
            for batch in chunks(here):
                show_retirements(stores, batch)
            stores.vectors.flush()
            if stores.vectors.count(PointFilter(added_in=record.id)) != self._arrived.prototypes:
                raise BankDamagedError(
                    f"vectors that were just written to {self._name} are gone; run the same command again."
                )
            stores.copies.keep(stores.catalog, stores.vectors, record.id)
            stores.commit_lock.require()
            self._replica.close(record)
            self._record = None
            stores.publish()

    @override
    def end(self, tags: Mapping[str, int]) -> None:
        """Set the tags, publish to readers without SQL, and tidy the vectors."""
        with self._stores.commit_lock:
            for name, id_ in tags.items():
                self._stores.catalog.set_tag(name, id_)
            self._stores.publish()
        tidy(self._stores)
        sweep_thumbnails(self._stores)
        self._let_go()

    # inside

    def _take(self) -> None:
        """Keep other copies out, until :meth:`end` or :meth:`close`."""
        with self._stores.commit_lock:
            if self._taken:
                return
            if _RUN in self._stores.writing:
                raise BankInUseError(f"another copy into {self._name} is going on; wait until it ends.")
            self._stores.writing.add(_RUN)
            self._taken = True

    def _let_go(self) -> None:
        self._stores.writing.discard(_RUN)
        self._taken = False

    def _require_turn(self) -> None:
        """See that no other copy came between, which the end of a session may have allowed."""
        lost = self._taken and self._stores.writing.hold(_RUN)
        if lost and self._replica.arriving(self._begun()) != self._arrived:
            raise BankInUseError(
                f"PostgreSQL ended this copy's session, and another copy into {self._name} came between; run "
                "the same command again."
            )

    def _make_room(self, records: Sequence[RevisionRecord]) -> None:
        arriving = {record.id: Arriving.of(record).becomes for record in records}
        if arriving:
            self._replica.reserve(max(arriving))  # first: no other writer is then given one of the ids
        for id_, run_key, message in self._replica.open_revisions():
            copied = Arriving.read(run_key)
            if copied is None and id_ in arriving:
                self._discard_run(id_, run_key, message)
            elif copied is not None and copied.becomes != arriving.get(id_):
                logger.info("removing what an earlier copy left of revision id %d", id_)
                self._discard(id_)

    def _start(self, record: RevisionRecord) -> Arriving:
        self._replica.insert(record)
        return Arriving.of(record)

    def _begun(self) -> RevisionRecord:
        if self._record is None:
            raise ValueError("no revision was begun; call begin first.")
        return self._record

    def _require_next(self, record: RevisionRecord) -> None:
        """The history must still be what it was when the copy was planned."""
        history = self._stores.catalog.history()
        last = (history.head.number or 0) if history.head else 0
        parent = record.parent_id
        if record.number != last + 1 or (parent is not None and history.number_of(parent) == 0):
            raise DivergedError(
                f"revision {record.number} cannot follow revision {last} of {self._name}: somebody committed "
                "to it meanwhile, or a revision is missing; compare both with `freeda bank log`."
            )

    def _put_thumbnails(self, part: Part) -> None:
        wanted = set(part.thumbnail_keys)
        for key, data in part.thumbnails.items():
            try:
                put = self._stores.thumbnails.put(data) if key in wanted else ""
            except OSError as error:
                raise StorageError(
                    f"thumbnails could not be written to {self._name} ({error}); free disk space or correct "
                    "the permissions, then run the same command again. Nothing committed is lost."
                ) from error
            if put != key:
                raise BankDamagedError(
                    f"what arrives at {self._name} is damaged: thumbnail {key[:80]!r} holds other bytes; "
                    "get the bank again."
                )

    def _reconcile(self, revision: int, arrived: Arriving) -> bool:
        """Whether all points of an open revision are there, after removing those without a row."""
        orphans: list[UUID] = []
        with closing(differences(self._stores, revision)) as differing:
            for id_, is_row in differing:
                if is_row:
                    return False
                orphans.append(id_)
        self._stores.vectors.delete(orphans)
        return self._stores.vectors.count(PointFilter(added_in=revision)) == arrived.prototypes

    def _refresh_retired(self, revision: int) -> None:
        """Make points that a revision seems to hide say what SQL says: a dropped run may have had its id."""
        seeming = self._stores.vectors.scroll(PointFilter(retired_in=revision), payloads=False)
        show_retirements(self._stores, [id_ for id_, _ in seeming])

    def _discard_run(self, revision: int, run_key: str, message: str) -> None:
        """Forget a local run that ended early, if that was asked for.

        Raises:
            BankInUseError: it goes on.
            UnfinishedRunError: it was not asked for.
        """
        if not self._discard_unfinished:
            raise UnfinishedRunError(
                f"{self._name} holds an unfinished run ('{message}') under the id {revision}, which "
                "another revision has at the source; copy to another bank, or discard the run "
                "(--discard-unfinished) and run it again after the copy."
            )
        if run_key in self._stores.writing:
            raise BankInUseError(f"run '{run_key}' is being written; commit or leave that writer first.")
        self._stores.writing.add(run_key)
        try:
            self._discard(revision, held=2)
        finally:
            self._stores.writing.discard(run_key)

    def _discard(self, revision: int, *, held: int = 1) -> None:
        """Forget an open revision: points first, so that what is left of it can still be found.

        The caller holds the commit lock, and ``held`` runs.
        """
        thumbnails: set[str] = set()
        while True:
            prototypes, keys = self._replica.some_prototypes(revision)
            if not keys:
                break
            self._stores.vectors.delete(prototypes)
            self._replica.forget_some(revision)
            thumbnails |= keys
        orphans = self._stores.vectors.scroll(PointFilter(added_in=revision), payloads=False)
        self._stores.vectors.delete([id_ for id_, _ in orphans])
        self._stores.catalog.drop_revision(revision)
        self._refresh_retired(revision)
        if thumbnails and len(self._stores.writing) == held:  # another writer may be about to use the same
            for key in sorted(thumbnails - self._stores.catalog.thumbnail_keys()):
                if self._stores.thumbnails.has(key):
                    self._stores.thumbnails.delete(key)


def _points(part: Part, revision: int) -> list[Point]:
    stored = [
        StoredPrototype(
            **vars(prototype),
            generation=generation.key,
            caption=generation.caption,
            seed=generation.seed,
            picture_key=generation.picture_key,
            origin=generation.origin,
            added_in=revision,
        )
        for generation in part.generations
        for prototype in generation.prototypes
    ]
    texts = rows_or_none(part.texts)
    semantics = [None] * len(stored) if part.semantics is None else rows_or_none(part.semantics)
    return [
        canonical_point(
            prototype.id,
            text,
            visual,
            make_payload(prototype),
            semantic,
        )
        for prototype, text, visual, semantic in zip(stored, texts, part.visuals, semantics, strict=True)
    ]
