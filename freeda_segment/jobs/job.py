"""Segments many pictures: decoding, superpixels and writing in threads, beside the networks.

The networks run in the caller's thread, over batches that windows of several pictures share. As many
pictures are held at a time as fill a batch and keep the threads busy, but of no more pixels than the
largest picture may have.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

from freeda_segment.encoding import EncodedImage, EncodingFailure, StartedImage, superpixel_pool
from freeda_segment.images import MAX_PIXELS, count_pixels, picture_hash, read_picture
from freeda_segment.jobs.outcome import Failed, Finished, Outcome, Task
from freeda_segment.outputs.formats import output_paths
from freeda_segment.outputs.names import picture_place
from freeda_segment.outputs.report import report
from freeda_segment.outputs.result import DEFAULT_OPACITY, Result
from freeda_segment.outputs.resume import REPORT, write_fresh
from freeda_segment.retrieval.prototypes import ClassPrototypes
from freeda_segment.segmenter import Segmenter
from freeda_store.files.own_files import FileIds, require_free

_MOST_THREADS = 4
"""That read, and that write."""


@dataclass(frozen=True, eq=False)
class Job:
    """How pictures are segmented, and where the results go.

    Attributes:
        segmenter: that labels them.
        prototypes: of the classes, by its ``prepare``.
        folder: of the results.
        formats: names of :data:`freeda_segment.outputs.FORMATS`; the report is written always.
        opacity: of the class colours in overlays, 0..1.
        label_offset: number of the first class in label maps, 0 or 1.
        force: replace also files that freeda did not write.
        inputs: files that are never replaced; see :func:`freeda_store.files.own_files.file_ids`.
    """

    segmenter: Segmenter
    prototypes: ClassPrototypes
    folder: Path
    formats: Sequence[str]
    opacity: float = DEFAULT_OPACITY
    label_offset: int = 0
    force: bool = False
    inputs: FileIds = frozenset()

    def run(self, tasks: Sequence[Task]) -> Generator[Outcome]:
        """Segment pictures; ended early, it finishes the files in hand and lets go of the rest.

        Yields:
            What became of each, in the order of the tasks.
        """
        threads = min(_MOST_THREADS, os.cpu_count() or 1)
        with ExitStack() as stack:
            pools = _Pools(
                stack.enter_context(ThreadPoolExecutor(threads, thread_name_prefix="reading")),
                stack.enter_context(superpixel_pool()),
                stack.enter_context(ThreadPoolExecutor(threads, thread_name_prefix="writing")),
            )
            stack.callback(pools.cancel)
            yield from _Run(self, pools, self.segmenter.settings.batch_size + 2 * threads).outcomes(tasks)

    def read(self, task: Task, pool: ThreadPoolExecutor) -> _Read:
        """Read a picture and begin with it, in a thread.

        Raises:
            ImageError: it cannot be read.
            OverwriteError: a file of somebody else is in the place of a result.
        """
        files = output_paths(self.folder, task.stem, {*self.formats, REPORT})
        require_free(files.values(), inputs=self.inputs, force=self.force)
        sha256 = picture_hash(task.path)
        return _Read(task, sha256, self.segmenter.start(read_picture(task.path), pool))

    def finish(self, read: _Read, encoded: EncodedImage) -> Finished:
        """Label a picture and write its results, in a thread.

        Raises:
            OutputError: a file cannot be written.
        """
        segmentation = self.segmenter.label(encoded, self.prototypes)
        place = picture_place(read.task.path, self.folder)
        result = Result(
            segmentation, read.sha256, file=place, opacity=self.opacity, label_offset=self.label_offset
        )
        files = write_fresh(
            self.folder, read.task.stem, result, self.formats, force=self.force, inputs=self.inputs
        )
        told = report(result.vouching(tuple(self.formats)))
        doubts = (*segmentation.picture.notes, *filter(None, [segmentation.doubt]))
        return Finished(read.task, told, files, summary=segmentation.summary(), doubts=doubts)


def run_rest(job: Job, tasks: Sequence[Task], finished: Mapping[Task, Finished]) -> Iterator[Outcome]:
    """What becomes of each task, in their order; those that are finished are not run."""
    with closing(job.run([task for task in tasks if task not in finished])) as running:
        for task in tasks:
            yield finished[task] if task in finished else next(running)


@dataclass(frozen=True, eq=False)
class _Read:
    """A picture that was read, with the hash of its file."""

    task: Task
    sha256: str
    started: StartedImage


@dataclass(frozen=True)
class _Pools:
    readers: ThreadPoolExecutor
    superpixels: ThreadPoolExecutor
    writers: ThreadPoolExecutor

    def cancel(self) -> None:
        """Forget what was not begun."""
        for pool in (self.readers, self.superpixels, self.writers):
            pool.shutdown(wait=False, cancel_futures=True)


@dataclass(frozen=True, eq=False)
class _Slot:
    """A picture in hand: its pixels, and what will become of it."""

    pixels: int
    outcome: Future[Outcome]


class _Run:
    """One run of a job."""

    def __init__(self, job: Job, pools: _Pools, most: int) -> None:
        self._job, self._pools, self._most = job, pools, most
        self._slots: deque[_Slot] = deque()
        self._reading: deque[tuple[Task, Future[Outcome], Future[_Read]]] = deque()
        self._encoding: deque[tuple[_Read, Future[Outcome]]] = deque()

    def outcomes(self, tasks: Sequence[Task]) -> Iterator[Outcome]:
        for encoded in self._job.segmenter.encode_each(self._started(tasks)):
            self._hand_on(encoded)
            yield from self._done()
        while self._slots:
            yield self._slots.popleft().outcome.result()

    def _started(self, tasks: Sequence[Task]) -> Iterator[StartedImage | None]:
        """The pictures as they are read; None where those in hand must be encoded before more can be."""
        sized = ((task, count_pixels(task.path)) for task in tasks)
        upcoming = next(sized, None)
        while upcoming is not None or self._reading:
            while upcoming is not None and self._has_room(upcoming[1]):
                self._begin(*upcoming)
                upcoming = next(sized, None)
            if self._reading:
                task, outcome, reading = self._reading.popleft()
                try:
                    read = reading.result()
                except Exception as error:  # noqa: BLE001 - one broken picture does not stop the others
                    outcome.set_result(Failed(task, error))
                else:
                    self._encoding.append((read, outcome))
                    yield read.started
            elif self._encoding:
                yield None
            else:
                wait([next(slot.outcome for slot in self._slots if not slot.outcome.done())])

    def _has_room(self, pixels: int) -> bool:
        held = [slot.pixels for slot in self._slots if not slot.outcome.done()]
        return not held or (len(held) < self._most and sum(held) + pixels <= MAX_PIXELS)

    def _begin(self, task: Task, pixels: int) -> None:
        outcome: Future[Outcome] = Future()
        reading = self._pools.readers.submit(self._job.read, task, self._pools.superpixels)
        self._slots.append(_Slot(pixels, outcome))
        self._reading.append((task, outcome, reading))

    def _hand_on(self, encoded: EncodedImage | EncodingFailure) -> None:
        """From the networks to those who write."""
        read, outcome = self._encoding.popleft()
        if isinstance(encoded, EncodingFailure):
            outcome.set_result(Failed(read.task, encoded.error))
        else:
            self._pools.writers.submit(self._finish, read, encoded, outcome)

    def _finish(self, read: _Read, encoded: EncodedImage, outcome: Future[Outcome]) -> None:
        try:
            outcome.set_result(self._job.finish(read, encoded))
        except Exception as error:  # noqa: BLE001 - one broken picture does not stop the others
            outcome.set_result(Failed(read.task, error))

    def _done(self) -> Iterator[Outcome]:
        while self._slots and self._slots[0].outcome.done():
            yield self._slots.popleft().outcome.result()
