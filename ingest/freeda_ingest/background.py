"""One thread that writes while the next batch is drawn."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Protocol, Self
from uuid import UUID

from freeda_store.records import NewGeneration, RevisionInfo

logger = logging.getLogger(__name__)


class Writer(Protocol):
    """The part of :class:`freeda_store.RevisionWriter` that a run needs."""

    def missing(self, keys: Sequence[UUID]) -> set[UUID]:
        """Generation keys that are not stored yet."""

    def add(self, generations: Sequence[NewGeneration]) -> None:
        """Store drawn captions, all or none."""

    def commit(self) -> RevisionInfo | None:
        """Show what was added; None when nothing was."""


class BackgroundWriter:
    """Hands all calls of a writer to one thread, at most one batch ahead.

    An error of storing is raised by the next :meth:`submit`, :meth:`drain` or :meth:`commit`. Leaving
    the ``with`` block waits for what was handed over.
    """

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="freeda-writer")
        self._pending: Future[None] | None = None
        self.seconds = 0.0

    def missing(self, keys: Sequence[UUID]) -> set[UUID]:
        """Generation keys that are not stored yet."""
        return self._thread.submit(self._writer.missing, keys).result()

    def submit(self, generations: Sequence[NewGeneration]) -> None:
        """Store a batch later; waits until the one before is stored."""
        self.drain()
        self._pending = self._thread.submit(self._add, generations)

    def drain(self) -> None:
        """Wait until everything handed over is stored, or raise what went wrong."""
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.result()

    def commit(self) -> RevisionInfo | None:
        """Store everything, then see :meth:`Writer.commit`."""
        self.drain()
        return self._thread.submit(self._writer.commit).result()

    def _add(self, generations: Sequence[NewGeneration]) -> None:
        start = time.perf_counter()
        self._writer.add(generations)
        self.seconds += time.perf_counter() - start

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.shutdown(wait=True)
        if error is None:
            self.drain()
        elif self._pending is not None and (second := self._pending.exception()) is not None:
            logger.error("the last batch was not stored either: %s", second)
