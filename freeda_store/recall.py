"""What a bank gave before and need not be asked for again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias
from uuid import UUID

from typing_extensions import override

from freeda_store.history import History
from freeda_store.records import FloatArray
from freeda_store.vectors.filters import PointFilter
from freeda_store.vectors.protocol import Fetched, Hits

Search: TypeAlias = Callable[[FloatArray], list[Hits]]
Fetch: TypeAlias = Callable[[Sequence[UUID]], Fetched]


class Recall(Protocol):
    """Between a retrieval and the vector store."""

    def hits(
        self, queries: FloatArray, k: int, where: PointFilter, history: History, search: Search
    ) -> list[Hits]:
        """The answers to float32 (Q, D_text) queries; ``search`` is asked for those that are not known."""

    def prototypes(self, ids: Sequence[UUID], history: History, fetch: Fetch) -> Fetched:
        """Payloads and visual vectors by id; ``fetch`` is asked for those that are not known."""

    def derived(self, name: bytes, where: PointFilter, history: History, make: Callable[[], bytes]) -> bytes:
        """What follows from all prototypes that match; ``make`` is asked where it is not known.

        Args:
            name: what it is, how it is made and in which layout it is written.
            where: which prototypes it follows from.
            history: of the bank.
            make: makes it.
        """

    def close(self) -> None:
        """Let go of files."""


class NoRecall(Recall):
    """Of a bank whose vectors lie on this machine."""

    @override
    def hits(
        self, queries: FloatArray, k: int, where: PointFilter, history: History, search: Search
    ) -> list[Hits]:
        return search(queries)

    @override
    def prototypes(self, ids: Sequence[UUID], history: History, fetch: Fetch) -> Fetched:
        return fetch(ids)

    @override
    def derived(self, name: bytes, where: PointFilter, history: History, make: Callable[[], bytes]) -> bytes:
        return make()

    @override
    def close(self) -> None:
        pass
