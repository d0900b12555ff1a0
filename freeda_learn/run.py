"""One run: pictures are read ahead, computed in batches, and stored in the background."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Generic

from freeda_ingest.background import BackgroundWriter
from freeda_ingest.clock import StageClock
from freeda_ingest.executors.protocol import Executor
from freeda_ingest.interrupts import Interrupts
from freeda_learn.examples import Rejected
from freeda_learn.making import Extracted, Naming, Pictured, Read, T
from freeda_learn.pictures import LearnPicture, load_picture
from freeda_learn.report import LearnProgress, LearnProgressCallback, LearnReport
from freeda_segment.errors import SegmentError
from freeda_store import Bank
from freeda_store.records import RevisionInfo

NAMED = 20
"""How many examples that cannot be used a report names."""

_READERS = 2


@dataclass(frozen=True)
class LearnPlan:
    """What a run goes by.

    Attributes:
        run_key: names the run, so that the same command finds it again.
        message: kept with the revision.
        by: who marked the examples, or gave the pictures.
        batch_size: examples or pictures computed together.
        total: how many there seem to be.
        thumbnails: whether pictures are kept.
    """

    run_key: str
    message: str
    by: str = ""
    batch_size: int = 8
    total: int | None = None
    thumbnails: bool = True


class LearnRun(Generic[T]):
    """Made and used once by :class:`freeda_learn.learner.Learner`."""

    def __init__(
        self,
        bank: Bank,
        executor: Executor[Read[T], Extracted],
        naming: Naming[T],
        plan: LearnPlan,
        progress: LearnProgressCallback | None,
    ) -> None:
        self._bank = bank
        self._executor = executor
        self._naming = naming
        self._plan = plan
        self._progress = progress
        self._learned: Counter[str] = Counter()
        self._rejected: list[Rejected] = []
        self._rejects = self._given = self._before = self._prototypes = 0
        self._clock = StageClock()
        self._revision: RevisionInfo | None = None
        self._known: set[int] = set()
        self._stopping = self._interrupted = False

    def go(self, items: Iterable[T | Rejected]) -> LearnReport:
        """Read, compute, store and commit; after Ctrl-C leave the revision open to be resumed."""
        started = time.perf_counter()
        with Interrupts(self._say_stopping) as interrupts:
            try:
                self._store(items, interrupts)
            except KeyboardInterrupt:
                if interrupts.insisted:
                    raise
                self._interrupted = True
        return LearnReport(
            examples=self._given,
            learned=dict(self._learned),
            done_before=self._before,
            prototypes=self._prototypes,
            rejected=self._rejects,
            first_rejected=tuple(self._rejected),
            seconds=dict(self._clock.seconds),
            total_seconds=time.perf_counter() - started,
            revision=self._revision,
            interrupted=self._interrupted,
        )

    def _store(self, items: Iterable[T | Rejected], interrupts: Interrupts) -> None:
        self._known = {info.seed for info in self._bank.infos(self._naming.known)}
        with (
            self._bank.write(self._plan.message, self._plan.run_key) as writer,
            BackgroundWriter(writer) as background,
        ):
            with interrupts.shielded():
                self._compute(self._batches(items, background, interrupts), background)
                background.drain()
            self._clock.seconds["write"] = background.seconds
            if not interrupts.requested:
                with interrupts.shielded(), self._clock.stage("commit"):
                    self._revision = background.commit()
            self._interrupted = interrupts.requested

    def _compute(self, batches: Iterator[list[Read[T]]], background: BackgroundWriter) -> None:
        """Hand batches to the executor, and what comes back to the writer."""
        with closing(self._executor.run(batches)) as results:
            for made in results:
                if made.generations:
                    background.submit(made.generations)
                self._count(made)

    def _count(self, made: Extracted) -> None:
        self._learned.update(each.prototypes[0].noun for each in made.generations)
        self._prototypes += sum(len(each.prototypes) for each in made.generations)
        for each in made.rejected:
            self._reject(each)
        for stage, took in made.seconds.items():
            self._clock.seconds[stage] = self._clock.seconds.get(stage, 0.0) + took
        self._tell()

    def _batches(
        self, items: Iterable[T | Rejected], background: BackgroundWriter, interrupts: Interrupts
    ) -> Iterator[list[Read[T]]]:
        """What the bank lacks; pictures are read in threads meanwhile."""
        ready: list[Read[T]] = []
        for window in self._read(items):
            if interrupts.requested:
                return
            keys = {read.seed: self._naming.key(read.item, read.picture.digest) for read in window}
            missing = background.missing(list(keys.values()))
            for read in window:
                if read.seed in self._known or keys[read.seed] not in missing:
                    self._before += 1
                    continue
                self._known.add(read.seed)
                ready.append(read)
                if len(ready) == self._plan.batch_size:
                    yield ready
                    ready = []
            self._tell()
        if ready and not interrupts.requested:
            yield ready

    def _read(self, items: Iterable[T | Rejected]) -> Iterator[list[Read[T]]]:
        """Items with their pictures, a window at a time, the next one being read meanwhile."""
        size, source = self._plan.batch_size, iter(items)
        with ThreadPoolExecutor(_READERS, thread_name_prefix="freeda-reader") as pool:
            ahead: list[_Reading[T]] = []
            while True:
                with self._clock.stage("read"):
                    chunk = list(islice(source, size))
                if chunk:
                    ahead.append(_Reading(chunk, pool))
                if not ahead:
                    return
                if len(ahead) > 1 or not chunk:
                    with self._clock.stage("read"):
                        found = self._taken(ahead.pop(0))
                    yield found

    def _taken(self, reading: _Reading[T]) -> list[Read[T]]:
        found = []
        for item in reading.items:
            self._given += 1
            if isinstance(item, Rejected):
                self._reject(item)
                continue
            try:
                picture = reading.picture(item)
            except SegmentError as error:
                self._reject(Rejected(item.place, str(error)))
                continue
            found.append(self._to_compute(item, picture))
        return found

    def _to_compute(self, item: T, picture: LearnPicture) -> Read[T]:
        seed = self._naming.seed(item, picture.digest)
        return Read(item, picture, seed, self._plan.by, self._plan.thumbnails)

    def _reject(self, rejected: Rejected) -> None:
        self._rejects += 1
        if len(self._rejected) < NAMED:
            self._rejected.append(rejected)

    def _say_stopping(self) -> None:
        self._stopping = True
        self._tell()

    def _tell(self) -> None:
        if self._progress is not None:
            learned = self._learned.total()
            done = learned + self._before + self._rejects
            self._progress(LearnProgress(done, learned, self._plan.total, self._stopping))


class _Reading(Generic[T]):
    """Some items whose pictures are being read, each picture once."""

    def __init__(self, items: Sequence[T | Rejected], pool: ThreadPoolExecutor) -> None:
        self.items = items
        self._futures: dict[object, Future[LearnPicture]] = {}
        for item in items:
            if not isinstance(item, Rejected) and (name := _name(item)) not in self._futures:
                self._futures[name] = pool.submit(load_picture, item.picture)

    def picture(self, item: T) -> LearnPicture:
        """The picture of one of them."""
        return self._futures[_name(item)].result()


def _name(item: Pictured) -> object:
    return item.picture if isinstance(item.picture, Path) else id(item.picture)
