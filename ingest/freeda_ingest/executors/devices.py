"""Several devices of this machine, each with a process that holds the networks."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
import warnings
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any

from typing_extensions import override

from freeda_ingest.errors import OptionError
from freeda_ingest.executors.flight import in_flight
from freeda_ingest.executors.protocol import Executor, ExecutorFactory, ItemT, ResultT
from freeda_ingest.executors.recipe import PresetRecipe, Recipe
from freeda_ingest.executors.worker import Failed, StageWorker
from freeda_ingest.executors.worker_pool import BATCHES_PER_WORKER, Worker, WorkerLostError, WorkerPool

logger = logging.getLogger(__name__)

_SPAWN = multiprocessing.get_context("spawn")
_PROCESSES = threading.Lock()
"""``multiprocessing`` keeps one list of children, which threads must not change together."""
_GRACE_SECONDS = 5.0


class DevicesExecutor(Executor[ItemT, ResultT]):
    """An :class:`~freeda_ingest.executors.protocol.Executor` with one worker process per device.

    The processes start with the first batch and live until the executor is closed. One that dies is
    started again, and its batch computed anew. They do not hear Ctrl-C, which is for this process to
    answer, and end by themselves when this process is gone.

    As ever with spawned processes, a script that uses this must guard its start with
    ``if __name__ == "__main__":``.

    Args:
        recipe: makes a worker's networks.
        devices: one worker each; a device that is named twice has two.

    Raises:
        OptionError: no device, or devices of several kinds.
    """

    def __init__(self, recipe: Recipe[ItemT, ResultT], devices: Sequence[str]) -> None:
        check_devices(devices)
        self._recipe = recipe
        self._devices = tuple(devices)
        self._pool: WorkerPool[ItemT, ResultT] | None = None

    @override
    def run(self, batches: Iterable[list[ItemT]], *, live: bool = False) -> Generator[ResultT, None, None]:
        """Compute batches, each on the first device that is free.

        Raises:
            WorkerError: a batch, or the loading of networks, killed worker after worker.
            Exception: whatever went wrong in a worker.
        """
        source = iter(batches)
        first = next(source, None)
        if first is None:
            return
        if self._pool is None:
            self._pool = WorkerPool(
                [ProcessWorker(self._recipe, device, n) for n, device in enumerate(self._devices, 1)]
            )
        limit = len(self._devices) * (1 if live else BATCHES_PER_WORKER)
        yield from in_flight(chain([first], source), self._pool.submit, limit=limit)

    @override
    def fitting_batch_size(self) -> int | None:
        return None

    @override
    def close(self) -> None:
        """End the processes, whatever they are doing."""
        if self._pool is not None:
            self._pool.close()
            self._pool = None


def devices_executor(devices: Sequence[str]) -> ExecutorFactory:
    """For ``open_ingestor(..., executor=devices_executor(["cuda:0", "cuda:1"]))``, and for ``open_learner``.

    The cores of the CPU are shared out among the workers, unless ``OMP_NUM_THREADS`` says how many
    each may use.

    Raises:
        OptionError: no device, or devices of several kinds.
    """
    check_devices(devices)

    def make(recipe: PresetRecipe[ItemT, ResultT]) -> DevicesExecutor[ItemT, ResultT]:
        return DevicesExecutor(replace(recipe, threads=_threads(len(devices))), devices)

    return make


def check_devices(devices: Sequence[str]) -> None:
    """Refuse a list of devices that cannot give equal results.

    Raises:
        OptionError: no device, or devices of several kinds.
    """
    if not devices or not all(devices):
        raise OptionError("a name is missing among the devices; write them like cuda:0,cuda:1.")
    if len({device.partition(":")[0] for device in devices}) > 1:
        raise OptionError(
            f"devices {', '.join(devices)} are of several kinds, which round differently; "
            "name devices of one kind, like cuda:0,cuda:1."
        )


class ProcessWorker(Worker[ItemT, ResultT]):
    """A :class:`~freeda_ingest.executors.worker_pool.Worker` in a spawned process, behind a pipe of its own.

    Args:
        recipe: makes its networks.
        device: where they compute.
        number: names the worker in messages.
    """

    def __init__(self, recipe: Recipe[ItemT, ResultT], device: str, number: int) -> None:
        self.name = f"worker {number} ({device})"
        self._recipe = recipe
        self._device = device
        self._process: SpawnProcess | None = None
        self._connection: Connection[Any, Any] | None = None
        self._lock = threading.Lock()
        self._stopped = False

    @override
    def start(self) -> None:
        with self._lock:
            if self._stopped:
                raise WorkerLostError("stopped")
            self._connection, theirs = _SPAWN.Pipe()
            surroundings = _Surroundings(verbose=logger.isEnabledFor(logging.INFO))
            process = _SPAWN.Process(
                target=_serve, args=(theirs, self._recipe, self._device, surroundings), daemon=True
            )
            try:
                with _PROCESSES, _without_interrupts():
                    process.start()
            finally:
                theirs.close()
            self._process = process
        self._receive()

    @override
    def compute(self, batch: Sequence[ItemT]) -> ResultT:
        assert self._connection is not None, "start() comes before compute()"
        try:
            self._connection.send(batch)
        except OSError:
            raise self._lost() from None
        result: ResultT = self._receive()
        return result

    @override
    def stop(self) -> None:
        with self._lock:
            self._stopped = True
            if self._process is not None:
                self._process.terminate()
                self._end(self._process)

    def _receive(self) -> Any:
        assert self._connection is not None
        try:
            answer = self._connection.recv()
        except (EOFError, OSError):
            raise self._lost() from None
        if isinstance(answer, Failed):
            raise answer.original()
        return answer

    def _lost(self) -> WorkerLostError:
        with self._lock:
            assert self._process is not None
            assert self._connection is not None
            self._connection.close()
            return WorkerLostError(_ending(self._end(self._process)))

    @staticmethod
    def _end(process: SpawnProcess) -> int | None:
        with _PROCESSES:
            process.join(_GRACE_SECONDS)
            if process.exitcode is None:
                process.kill()
                process.join()
            return process.exitcode


def _ending(code: int | None) -> str:
    if code is not None and code < 0:
        return f"ended by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"


def _threads(workers: int) -> int | None:
    if "OMP_NUM_THREADS" in os.environ:
        return None
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // workers)


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """A process that is started inside begins deaf to Ctrl-C, so that it never meets one."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@dataclass(frozen=True)
class _Surroundings:
    """What a worker process takes over from the one that starts it."""

    verbose: bool

    def set_up(self) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        threading.Thread(target=_end_with_parent, name="freeda-parent", daemon=True).start()
        if self.verbose:
            logging.basicConfig(
                level=logging.INFO, format="%(asctime)s %(process)d %(name)s: %(message)s", datefmt="%H:%M:%S"
            )
        else:
            logging.getLogger().addHandler(logging.NullHandler())
            warnings.simplefilter("ignore")


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _serve(
    connection: Connection[Any, Any], recipe: Recipe[Any, Any], device: str, surroundings: _Surroundings
) -> None:
    """A worker process from beginning to end."""
    surroundings.set_up()
    worker = StageWorker(recipe, device)
    try:
        connection.send(worker.load())
        while True:
            connection.send(worker.compute(connection.recv()))
    except (EOFError, OSError):
        return  # the other end is gone, and so is the need for this one
