"""One run: batches are looked up, computed where something is missing, and stored behind one's back."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path
from typing import Protocol, TypeVar
from uuid import UUID

from freeda_store.records import RevisionInfo
from ingest.background import BackgroundWriter, Writer
from ingest.feed import CaptionFeed
from ingest.identity import RUN_KEY_CAPTIONS, run_key
from ingest.interrupts import Interrupts
from ingest.models import IngestModels
from ingest.pipeline import SeededCaption, StageSettings, process_batch
from ingest.report import IngestProgress, IngestReport, ProgressCallback, Tally

logger = logging.getLogger(__name__)

LOOK_UP = 256
"""How many captions are looked up in the bank at once."""

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
    """

    batch_size: int
    seed: int
    message: str
    total: int | None = None
    live: bool = False


class Run:
    """Made and used once by :meth:`ingest.ingestor.Ingestor.run`."""

    def __init__(
        self,
        bank: WritableBank,
        models: IngestModels,
        settings: StageSettings,
        feed: CaptionFeed,
        plan: RunPlan,
        progress: ProgressCallback | None,
    ) -> None:
        self._bank = bank
        self._models = models
        self._settings = settings
        self._feed = feed
        self._plan = plan
        self._progress = progress
        self._tally = Tally()
        self._revision: RevisionInfo | None = None
        self._stopping = False
        self.interrupted = False

    def go(self) -> None:
        """Read, compute, store and commit; after Ctrl-C leave the revision open to be resumed."""
        captions = iter(self._feed)
        with Interrupts(self._say_stopping) as interrupts:
            try:
                first = list(islice(captions, RUN_KEY_CAPTIONS))
                if first:
                    self._store(chain(first, captions), first, interrupts)
            except KeyboardInterrupt:
                if self._stopping:
                    raise
                self.interrupted = True

    def _store(self, captions: Iterator[_Keyed], first: Sequence[_Keyed], interrupts: Interrupts) -> None:
        key = run_key([item.caption for _, item in first], self._plan.seed)
        with self._bank.write(self._plan.message, key) as writer, BackgroundWriter(writer) as background:
            try:
                for batch in self._look_up(captions, background):
                    with interrupts.shielded():
                        self._handle(batch, background)
                    if interrupts.requested:
                        break
                background.drain()
            finally:
                self._tally.seconds["write"] = background.seconds
            self.interrupted = interrupts.requested
            if not self.interrupted:
                with interrupts.shielded():
                    self._revision = background.commit()

    def _look_up(
        self, captions: Iterator[_Keyed], background: BackgroundWriter
    ) -> Iterator[list[SeededCaption]]:
        """Batches in the order of the input, each caption marked whether the bank has it."""
        size = self._plan.batch_size
        at_once = size if self._plan.live else size * max(1, LOOK_UP // size)
        for window in _batched(captions, at_once):
            missing = background.missing([key for key, _ in window])
            marked = [replace(item, stored=key not in missing) for key, item in window]
            yield from _batched(marked, size)

    def _handle(self, batch: list[SeededCaption], background: BackgroundWriter) -> None:
        stored = sum(item.stored for item in batch)
        self._tally.done_before += stored
        if stored < len(batch):
            result = process_batch(self._models, self._settings, batch)
            self._tally.add(result)
            if result.generations:
                background.submit(result.generations)
        self._tell()

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
            dropped=dict(tally.dropped),
            unknown_nouns=dict(tally.unknown.most_common()),
            cut_captions=tally.cut_captions,
            notes=tuple(tally.notes),
            rejected=feed.rejected,
            first_rejects=tuple(feed.first_rejects),
            rejects_path=rejects_path,
            seconds=dict(tally.seconds),
            total_seconds=total_seconds,
            revision=self._revision,
            interrupted=self.interrupted,
        )


def _batched(items: Iterable[_T], size: int) -> Iterator[list[_T]]:
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
