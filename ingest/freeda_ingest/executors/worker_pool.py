"""Workers that may die: a thread drives each, and the batch of a dead one is given out again."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Generic, Protocol

from freeda_ingest.errors import WorkerError
from freeda_ingest.executors.protocol import ItemInT, ItemT, ResultOutT, ResultT

logger = logging.getLogger(__name__)

ATTEMPTS = 3
"""How many workers a batch may outlive, and how often in a row one may be lost before it is ready."""

BATCHES_PER_WORKER = 2
"""Batches in hand per worker: one that it computes, and one that waits, so that none idles."""

_CLOSED = "the executor was closed with a batch in hand."


class WorkerLostError(Exception):
    """A worker is gone; the message says why, as in ``ended by SIGKILL``. Never leaves this package."""


class Worker(Protocol[ItemInT, ResultOutT]):
    """A process somewhere, driven by one thread. It can be started again after it was lost.

    Attributes:
        name: for messages, ``worker 1 (cuda:0)``.
    """

    name: str

    def start(self) -> None:
        """Start the process and wait until its networks are loaded.

        Raises:
            WorkerLostError: it ended.
            Exception: what went wrong in it.
        """

    def compute(self, batch: Sequence[ItemInT]) -> ResultOutT:
        """Compute a batch; raises as :meth:`start` does."""

    def stop(self) -> None:
        """End the process for good, from whichever thread; what it computes is lost. Twice is fine."""


@dataclass
class _Job(Generic[ItemT, ResultT]):
    batch: list[ItemT]
    future: Future[ResultT] = field(default_factory=Future)
    lost: int = 0


class WorkerPool(Generic[ItemT, ResultT]):
    """Gives batches to workers, each driven by a thread of its own.

    A worker that is lost is started again, and its batch goes to the first that is free. After
    :data:`ATTEMPTS` lost workers the batch fails. When a worker cannot be started at all, whatever
    waits and whatever comes later fails with its error.

    Args:
        workers: at least one; started at once.
    """

    def __init__(self, workers: Sequence[Worker[ItemT, ResultT]]) -> None:
        self._workers = workers
        self._waiting: deque[_Job[ItemT, ResultT]] = deque()
        self._changed = threading.Condition()
        self._closed = threading.Event()
        self._error: BaseException | None = None
        self._threads = [
            threading.Thread(target=self._drive, args=(worker,), name=f"freeda-{worker.name}", daemon=True)
            for worker in workers
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, batch: list[ItemT]) -> Future[ResultT]:
        """Queue a batch for the first worker that is free."""
        job: _Job[ItemT, ResultT] = _Job(batch)
        with self._changed:
            if self._closed.is_set():
                job.future.set_exception(WorkerError(_CLOSED))
            elif self._error is not None:
                job.future.set_exception(self._error)
            else:
                self._waiting.append(job)
                self._changed.notify()
        return job.future

    def close(self) -> None:
        """Stop all workers and threads; batches in hand fail. Closing twice is fine."""
        with self._changed:
            self._closed.set()
            waiting, self._waiting = list(self._waiting), deque()
            self._changed.notify_all()
        _fail(waiting, WorkerError(_CLOSED))
        with ExitStack() as stopping:  # stops the others when one cannot be stopped
            for worker in self._workers:
                stopping.callback(worker.stop)
        for thread in self._threads:
            thread.join()

    def _drive(self, worker: Worker[ItemT, ResultT]) -> None:
        try:
            while self._start(worker):
                self._work(worker)
        except BaseException as error:  # noqa: BLE001 - a thread that died in silence would hang the run
            self._give_up(error)

    def _start(self, worker: Worker[ItemT, ResultT]) -> bool:
        """Start a worker, if need be several times; false when it is not needed any more."""
        reason = ""
        for _ in range(ATTEMPTS):
            if self._closed.is_set() or self._error is not None:
                return False
            try:
                worker.start()
                return True
            except WorkerLostError as lost:
                reason = str(lost)
                if self._closed.is_set():
                    return False
                logger.warning("%s was lost before it was ready: %s", worker.name, reason)
        raise WorkerError(
            f"{worker.name} was lost {ATTEMPTS} times before its networks were loaded, at last {reason}; "
            "when memory runs short use fewer workers."
        )

    def _work(self, worker: Worker[ItemT, ResultT]) -> None:
        """Compute what waits, until the worker is lost or nothing will come any more."""
        while (job := self._next()) is not None:
            try:
                result = worker.compute(job.batch)
            except WorkerLostError as lost:
                self._again(job, worker, str(lost))
                return
            except BaseException as error:  # noqa: BLE001 - raised where the result is asked for
                job.future.set_exception(error)
            else:
                job.future.set_result(result)

    def _next(self) -> _Job[ItemT, ResultT] | None:
        with self._changed:
            while not self._closed.is_set() and self._error is None:
                while self._waiting:
                    job = self._waiting.popleft()
                    if job.lost or job.future.set_running_or_notify_cancel():
                        return job
                self._changed.wait()
        return None

    def _again(self, job: _Job[ItemT, ResultT], worker: Worker[ItemT, ResultT], reason: str) -> None:
        """Put the batch of a lost worker in front, or fail it."""
        job.lost += 1
        if not self._closed.is_set():
            logger.warning("%s was lost with a batch in hand: %s", worker.name, reason)
        with self._changed:
            error: BaseException | None = self._error
            if job.lost >= ATTEMPTS:
                error = WorkerError(
                    f"{job.lost} workers in a row were lost with the batch that begins with "
                    f"{job.batch[0].place}, the last, {worker.name}, {reason}; use a smaller batch size if "
                    "memory ran short, or else leave that one out."
                )
            if error is None and not self._closed.is_set():
                self._waiting.appendleft(job)
                self._changed.notify()
                return
        job.future.set_exception(error or WorkerError(_CLOSED))

    def _give_up(self, error: BaseException) -> None:
        with self._changed:
            if self._error is not None:
                logger.error("another worker failed too: %s", error)
                return
            self._error = error
            waiting, self._waiting = list(self._waiting), deque()
            self._changed.notify_all()
        _fail(waiting, error)


def _fail(waiting: Sequence[_Job[ItemT, ResultT]], error: BaseException) -> None:
    for job in waiting:
        if job.lost or job.future.set_running_or_notify_cancel():
            job.future.set_exception(error)
