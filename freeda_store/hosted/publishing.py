"""Publishes a hosted bank's history for readers without SQL. SQL stays the truth.

A writer publishes after every commit, tag and repair, and again when it opens a bank whose last publication
was cut short. Before anything is written it is asked whether the collection is still this bank's: its alias
may have been moved to another one meanwhile.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from uuid import UUID

from freeda_store.errors import (
    BankDamagedError,
    NewerSchemaError,
    NotPublishedError,
    ReadOnlyBankError,
    StorageError,
)
from freeda_store.hosted.agreement import require_points
from freeda_store.hosted.published import Notes, Published, named_pages
from freeda_store.manifest import Manifest
from freeda_store.sql.catalog import Catalog
from freeda_store.sql.counts import count_totals
from freeda_store.vectors.board import Board, Head, Stamp
from freeda_store.vectors.collection import is_refusal
from freeda_store.vectors.server import ServerVectors

logger = logging.getLogger(__name__)


@dataclass
class Publisher:
    """Publishes; called after every change of a bank.

    Attributes:
        board: of the bank's collection.
        vectors: its points.
        catalog: the truth.
        manifest: of the bank.
        bank: its identity.
        lock: keeps other processes' commits and publications out.
        key_variable: where the API key comes from, for messages.
        first: the document of the first format, where the collection holds one and no board.
        mark: writes into the collection's metadata whose it is, where that is not there yet.
    """

    board: Board
    vectors: ServerVectors
    catalog: Catalog
    manifest: Manifest
    bank: UUID
    lock: AbstractContextManager[object]
    key_variable: str
    first: Published | None = None
    mark: Callable[[], None] | None = None
    _last: Stamp | None = None
    _known: Published | None = field(default=None, repr=False)
    _pages: frozenset[UUID] = field(default=frozenset(), repr=False)
    _may_write: bool = False

    def __call__(self, *, recount: bool = False) -> None:
        """Publish, unless what is published says the same already.

        Raises:
            NotPublishedError: the server refused; what was done is kept in SQL.
            BankDamagedError: the collection is of another bank or time.
        """
        with self.lock:
            try:
                self._publish(recount=recount)
            except StorageError as error:
                raise NotPublishedError(
                    "what was done is kept in the database, but readers without it do not see it yet: "
                    f"{error} Then open the bank once with a key that may write, which publishes it."
                ) from error

    def catch_up(self) -> None:
        """Publish what an earlier writer did not come to, after asking whether both stores agree.

        Raises:
            BankDamagedError: points are missing, or the two are of different banks or times.
        """
        with self.lock:
            self._current()
            require_points(self.catalog, self.vectors, self.board.collection)
            try:
                self._publish(recount=False)
                if self.mark is not None:
                    self.mark()
            except StorageError as error:  # a key that may read, or write only one collection, serves as well
                logger.warning("the history could not be published: %s", error)

    def before_writing(self) -> None:
        """Refuse to write with a key that may not, or to a collection that is not this bank's any more.

        Raises:
            ReadOnlyBankError: the key may not write.
            BankDamagedError: the collection is of another bank or time.
        """
        self._require_rights()
        stamp = self.board.peek()
        if stamp is None and self._last is None:  # the server was away when the bank was opened
            self()
            stamp = self._last
        if stamp is None or stamp.bank != str(self.bank):
            raise strange_bank(self.board.collection, None if stamp is None else stamp.bank, self.bank)
        if stamp != self._last:
            self._current()

    def _require_rights(self) -> None:
        if self._may_write:
            return
        try:
            self.board.try_to_write()
        except StorageError as error:
            if is_refusal(error):
                raise ReadOnlyBankError(
                    f"the key in {self.key_variable} may read collection '{self.board.collection}' but not "
                    "write it; nothing was done. Set a key or token that may write."
                ) from error
            raise
        self._may_write = True

    def _publish(self, *, recount: bool) -> None:
        head, current = self._current()
        known = {} if current is None or recount else dict(current.counts)
        history = self.catalog.history()
        records = tuple(history.committed_records())
        counts = {r.id: known.get(r.id) or count_totals(self.catalog, history.view(r.id)) for r in records}
        fresh = Published(self.manifest, records, history.tags, history.unfinished, counts)
        notes = fresh.to_notes(self.bank)
        if head is None or current is None or head.stamp != notes.head.stamp:
            self._put(notes, head)
        self._last, self._known, self._pages = notes.head.stamp, fresh, frozenset(notes.pages)

    def _put(self, notes: Notes, old: Head | None) -> None:
        """Write what is new; pages that nobody needs any more go one publication later."""
        stale = tuple(sorted(self._pages - notes.pages.keys()))
        written = {id_: text for id_, text in notes.pages.items() if id_ not in self._pages}
        self.board.put(replace(notes.head, replaced=stale), written)
        if old is not None:
            self.board.remove([id_ for id_ in old.replaced if id_ not in notes.pages and id_ not in stale])

    def _current(self) -> tuple[Head | None, Published | None]:
        """The head note and what it publishes, once that is known to be of this database's history."""
        head = self.board.head()
        current = self._read(head)
        self._require_shared_past(current)
        if head is not None and current is not None:
            self._last, self._known = head.stamp, current
        return head, current

    def _read(self, head: Head | None) -> Published | None:
        """What a head note publishes; None when it cannot be read and must be written anew."""
        if head is None:
            self._pages = frozenset()
            return self.first
        if head.stamp.bank != str(self.bank):
            raise strange_bank(self.board.collection, head.stamp.bank, self.bank)
        if head.stamp == self._last:
            return self._known
        collection = self.board.collection
        try:
            notes = Notes(head, self.board.pages(named_pages(head, collection)))
            self._pages = frozenset(notes.pages)
            return Published.from_notes(notes, collection)
        except NewerSchemaError:
            raise
        except BankDamagedError:
            return None

    def _require_shared_past(self, published: Published | None) -> None:
        """Refuse what was published of a history that the database does not have."""
        stored = {(r.id, r.number, r.committed_at) for r in self.catalog.history().committed_records()}
        told = {(r.id, r.number, r.committed_at) for r in published.records} if published else set()
        if told - stored:
            raise BankDamagedError(
                f"collection '{self.board.collection}' knows revisions that the database does not; restore "
                "both from copies of one time, or correct the profile's collection or sql_url."
            )


def strange_bank(collection: str, held: str | None, bank: UUID) -> BankDamagedError:
    """What to say of a collection that is not, or not any more, that of a database."""
    if held is None:
        return BankDamagedError(
            f"collection '{collection}' does not say any more which bank it holds: it was replaced while "
            "this bank was open. Nothing was written; see what the name stands for, then repeat."
        )
    return BankDamagedError(
        f"collection '{collection}' belongs to another database than the profile's: it holds bank {held}, "
        f"the database is of bank {bank}. Nothing was written; correct the profile's collection or sql_url."
    )
