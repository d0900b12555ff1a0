"""One run: batches are looked up, computed where something is missing, and stored in the background."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Protocol, TypeVar
from uuid import UUID

from freeda_ingest.background import BackgroundWriter, Writer
from freeda_ingest.batches import BatchResult, SeededCaption
from freeda_ingest.errors import NothingDrawnError
from freeda_ingest.executors.protocol import Executor
from freeda_ingest.feed import CaptionFeed
from freeda_ingest.identity import RUN_KEY_CAPTIONS, run_key
from freeda_ingest.interrupts import Interrupts
from freeda_ingest.report import IngestProgress, IngestReport, ProgressCallback, Tally
from freeda_store.records import RevisionInfo

logger = logging.getLogger(__name__)

LOOK_UP = 256
"""How many captions are looked up in the bank at once."""

HOPELESS = 32
"""A run ends after this many unusable pictures without a single usable one."""

_T = TypeVar("_T")
_Keyed = tuple[UUID, SeededCaption]


class WritableBank(Protocol):
    """The part of :class:`freeda_store.Bank` that a run needs."""

    def write(self, message: str, run_key: str) -> AbstractContextManager[Writer]:
        """Open a revision, or resume the one that a dead run with this key left."""

    def close(self) -> None:
        """Let go of the bank's files."""


@dataclass(frozen=True)
class RunPlan:
    """What a run goes by.

    Attributes:
        batch_size: captions drawn together.
        seed: base seed; it is part of the run's name.
        message: kept with the revision.
        total: how many captions there seem to be.
        live: captions come as somebody writes them, so none is waited for before its batch is due.
        first: how many captions name the run.
    """

    batch_size: int
    seed: int
    message: str
    total: int | None = None
    live: bool = False
    first: int = RUN_KEY_CAPTIONS


class Run:
    """Made and used once by :meth:`freeda_ingest.ingestor.Ingestor.run`."""

    def __init__(
        self,
        bank: WritableBank,
        executor: Executor[SeededCaption, BatchResult],
        feed: CaptionFeed,
        plan: RunPlan,
        progress: ProgressCallback | None,
    ) -> None:
        self._bank = bank
        self._executor = executor
        self._feed = feed
        self._plan = plan
        self._progress = progress
        self._tally = Tally()
        self._revision: RevisionInfo | None = None
        self._stopping = False
        self.interrupted = False

    def go(self) -> None:
        """Read, compute, store and commit; after Ctrl-C leave the revision open to be resumed, unless that
        came when it was being committed."""
        with Interrupts(self._say_stopping) as interrupts:
            try:
                key = run_key(self._feed.first(self._plan.first), self._plan.seed)
                self._store(key, interrupts)
            except KeyboardInterrupt:
                if interrupts.insisted:
                    raise
                self.interrupted = True

    def _store(self, key: str, interrupts: Interrupts) -> None:
        with self._bank.write(self._plan.message, key) as writer, BackgroundWriter(writer) as background:
            try:
                with interrupts.shielded():
                    self._compute(self._look_up(iter(self._feed), background, interrupts), background)
                    background.drain()
            finally:
                self._tally.seconds["write"] = background.seconds
            if not interrupts.requested:
                with interrupts.shielded():
                    self._revision = background.commit()
            self.interrupted = interrupts.requested

    def _compute(self, batches: Iterator[list[SeededCaption]], background: BackgroundWriter) -> None:
        """Hand batches to the executor, and what comes back to the writer."""
        with closing(self._executor.run(batches, live=self._plan.live)) as results:
            for result in results:
                self._tally.add(result)
                self._check_hope(result)
                if result.generations:
                    background.submit(result.generations)
                self._tell()

    def _check_hope(self, result: BatchResult) -> None:
        """Give up early on a generator that draws nothing usable.

        Raises:
            NothingDrawnError: none of the first :data:`HOPELESS` pictures can be used.
        """
        if self._tally.undrawn >= HOPELESS and not self._tally.sound:
            raise NothingDrawnError(
                f"none of the first {self._tally.undrawn} pictures is worth anything "
                f"({result.undrawn[-1].reason}); use --device cpu, or a preset with another variant."
            )

    def _look_up(
        self, captions: Iterator[_Keyed], background: BackgroundWriter, interrupts: Interrupts
    ) -> Iterator[list[SeededCaption]]:
        """Batches of which something is missing, in the order of the input, each caption marked whether
        the bank has it. Ctrl-C ends them."""
        size = self._plan.batch_size
        at_once = size if self._plan.live else size * max(1, LOOK_UP // size)
        while window := _read(captions, at_once, interrupts):
            missing = background.missing([key for key, _ in window])
            for batch in _batched([replace(item, stored=key not in missing) for key, item in window], size):
                if interrupts.requested:
                    return
                if all(item.stored for item in batch):
                    self._tally.done_before += len(batch)
                    self._tell()
                else:
                    yield batch

    def _say_stopping(self) -> None:
        self._stopping = True
        self._tell()

    def _tell(self) -> None:
        if self._progress is not None:
            tally = self._tally
            self._progress(
                IngestProgress(
                    captions_done=tally.captions_done,
                    captions_drawn=tally.written,
                    captions_total=self._plan.total,
                    prototypes=tally.prototypes,
                    stopping=self._stopping,
                )
            )

    def report(self, *, rejects_path: Path | None, total_seconds: float) -> IngestReport:
        """What :meth:`go` did."""
        tally, feed = self._tally, self._feed
        return IngestReport(
            captions=feed.captions,
            duplicates=feed.duplicates,
            done_before=tally.done_before,
            written=tally.written,
            without_nouns=tally.without_nouns,
            prototypes=tally.prototypes,
            undrawn=tally.undrawn,
            halved=tally.halved,
            dropped=dict(tally.dropped),
            unknown_nouns=dict(tally.unknown.most_common()),
            cut_captions=tally.cut_captions,
            notes=tuple(tally.notes),
            blank_lines=feed.blank_lines,
            rejected=feed.rejected,
            first_rejects=tuple(feed.first_rejects),
            rejects_path=rejects_path,
            seconds=dict(tally.seconds),
            total_seconds=total_seconds,
            revision=self._revision,
            interrupted=self.interrupted,
            refused=tally.refused,
        )


def _read(captions: Iterator[_Keyed], count: int, interrupts: Interrupts) -> list[_Keyed]:
    """The next captions; none when Ctrl-C came while they were waited for."""
    try:
        with interrupts.exposed():
            return list(islice(captions, count))
    except KeyboardInterrupt:
        if interrupts.insisted:
            raise
        return []


def _batched(items: Iterable[_T], size: int) -> Iterator[list[_T]]:
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
