"""The catalog of a reader that has no SQL: what was published, read once and again when it is newer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, NoReturn
from uuid import UUID

from freeda_store.errors import BankDamagedError, ReadOnlyBankError
from freeda_store.fields import Field
from freeda_store.history import History
from freeda_store.hosted.published import Notes, Published, named_pages
from freeda_store.sql.counts import Shares, ViewCounts, shares
from freeda_store.vectors.board import Board, Stamp
from freeda_store.vectors.filters import PointFilter, View

if TYPE_CHECKING:
    from freeda_store.vectors.protocol import Payload
    from freeda_store.vectors.server import ServerVectors

_TRIES = 3
"""How often a publication that changes while it is read is read again."""
_KEPT = 8
_READ: dict[Stamp, Published] = {}
"""What was read in this process: a command opens a bank several times. A stamp names its content."""


class PublishedCatalog:
    """It knows what was published, and changes nothing.

    It is a :class:`freeda_store.writing.stores.ReaderCatalog`.
    """

    def __init__(self, board: Board, vectors: ServerVectors, metadata: str | None, refusal: str) -> None:
        """Read nothing yet.

        Args:
            board: of the bank.
            vectors: of the bank.
            metadata: the document of the first format, for a bank that no newer writer has opened.
            refusal: what to say to whoever would write.
        """
        self._board = board
        self._vectors = vectors
        self._metadata = metadata
        self._refusal = refusal
        self._first: Published | None = None
        self._bank = ""

    @property
    def bank(self) -> str:
        """The identity of the bank that was read last; empty where the first format has none."""
        return self._bank

    def require_sql(self) -> NoReturn:
        """Refuse: there is none.

        Raises:
            ReadOnlyBankError: always.
        """
        raise ReadOnlyBankError(self._refusal)

    def published(self) -> Published:
        """What is published now; only a stamp is asked for when that is known already.

        Raises:
            BankDamagedError, NewerSchemaError: what is published.
        """
        stamp = self._board.peek()
        if stamp is None:
            return self._read_first()
        self._bank, known = stamp.bank, _READ.get(stamp)
        if known is None:
            head, known = self._read()
            while len(_READ) >= _KEPT:
                _READ.pop(next(iter(_READ)), None)
            _READ[head] = known
        return known

    def _read_first(self) -> Published:
        """What is published in the first format, which has no stamp: read once."""
        if self._first is None:
            if self._metadata is None:
                raise self._nothing()
            self._first = Published.from_metadata(self._metadata, self._board.collection)
        return self._first

    def _read(self) -> tuple[Stamp, Published]:
        """Head and pages; again from the start when a publication comes between."""
        board, tries = self._board, 0
        while True:
            tries += 1
            head = board.head()
            if head is None:
                raise self._nothing()
            try:
                notes = Notes(head, board.pages(named_pages(head, board.collection)))
                return head.stamp, Published.from_notes(notes, board.collection)
            except BankDamagedError:
                if tries == _TRIES:
                    raise

    def _nothing(self) -> BankDamagedError:
        return BankDamagedError(
            f"collection '{self._board.collection}' says nothing of its bank; open the bank once with a "
            "profile that names its sql_url."
        )

    def history(self) -> History:
        """The published history."""
        return self.published().history()

    def published_counts(self, revision: int | None) -> ViewCounts:
        """What a revision of this number shows; the server counts how it divides."""
        published = self.published()
        if revision is None:
            return ViewCounts()
        history = published.history()
        id_ = history.resolve(revision).id
        totals, view = published.counts[id_], history.view(id_)

        def divided(field: str) -> Shares:
            return shares(self._vectors.tally(field, PointFilter(view=view)), totals.prototypes)

        return ViewCounts(totals, divided("source"), divided("license"))

    def gained(self, before: View, after: View) -> list[UUID]:
        """What one view shows and another does not, by the points' payloads, sorted."""
        return sorted({id_ for id_, _ in self._points(after)} - {id_ for id_, _ in self._points(before)})

    def nouns(self, view: View) -> set[str]:
        """The nouns that a view shows, by the points' payloads."""
        return {str(told["noun"]) for _, told in self._points(view, payloads=True)} - {""}

    def tally(self, field: Field, view: View) -> dict[str, int]:
        """How many of the prototypes that a view shows have each value, by the points' payloads."""
        return dict(Counter(str(field.said(told)) for _, told in self._points(view, payloads=True)))

    def _points(self, view: View, *, payloads: bool = False) -> Iterator[tuple[UUID, Payload]]:
        if view.ranges:
            yield from self._vectors.scroll(PointFilter(view=view), payloads=payloads)

    def size_bytes(self) -> int | None:
        """None: a reader cannot know."""
        return None

    def close(self) -> None:
        """Nothing of its own to close."""
