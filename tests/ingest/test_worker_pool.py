"""WorkerPool with workers that live in this process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence

import pytest

from freeda_ingest.batches import BatchResult, SeededCaption
from freeda_ingest.errors import WorkerError
from freeda_ingest.executors.worker_pool import ATTEMPTS, WorkerLostError, WorkerPool
from freeda_store.records import Caption

SECONDS = 30
Pool = WorkerPool[SeededCaption, BatchResult]


def batch(text: str, external_id: str = "") -> list[SeededCaption]:
    return [SeededCaption(Caption(text, external_id), 0)]


class FakeWorker:
    """Computes, starts and stops as it is told."""

    def __init__(self, name: str = "worker 1 (cpu)") -> None:
        self.name = name
        self.starts = 0
        self.given: list[str] = []
        self.stopped = threading.Event()
        self.on_start: Callable[[], None] = lambda: None
        self.on_compute: Callable[[str], None] = lambda text: None

    def start(self) -> None:
        self.starts += 1
        self.on_start()

    def compute(self, given: Sequence[SeededCaption]) -> BatchResult:
        text = given[0].caption.text
        self.given.append(text)
        self.on_compute(text)
        return BatchResult((), batch=tuple(given))

    def stop(self) -> None:
        self.stopped.set()


def lose(*_: object) -> None:
    raise WorkerLostError("ended by SIGKILL")


@pytest.fixture
def worker() -> FakeWorker:
    return FakeWorker()


@pytest.fixture
def open_pool() -> Iterator[Callable[..., Pool]]:
    opened: list[Pool] = []

    def make(*workers: FakeWorker) -> Pool:
        opened.append(WorkerPool(workers))
        return opened[-1]

    yield make
    for pool in opened:
        pool.close()


def test_every_batch_is_computed_once(worker: FakeWorker, open_pool: Callable[..., Pool]) -> None:
    pool = open_pool(worker, FakeWorker("worker 2 (cpu)"))
    futures = [pool.submit(batch(f"caption {n}")) for n in range(20)]
    texts = [future.result(SECONDS).batch[0].caption.text for future in futures]
    assert texts == [f"caption {n}" for n in range(20)]


def test_batch_of_a_lost_worker_is_computed_again(worker: FakeWorker, open_pool: Callable[..., Pool]) -> None:
    worker.on_compute = lambda text: lose() if worker.starts == 1 else None
    assert open_pool(worker).submit(batch("a car")).result(SECONDS)
    assert worker.given == ["a car", "a car"]
    assert worker.starts == 2


def test_batch_that_loses_every_worker_is_named(worker: FakeWorker, open_pool: Callable[..., Pool]) -> None:
    worker.on_compute = lambda text: lose() if text == "poison" else None
    pool = open_pool(worker)
    poisoned, healthy = pool.submit(batch("poison", "17")), pool.submit(batch("a car"))
    with pytest.raises(
        WorkerError, match=r"caption 17 \('poison'\), the last, worker 1 \(cpu\), ended by SIGKILL"
    ):
        poisoned.result(SECONDS)
    assert healthy.result(SECONDS)
    assert worker.given == ["poison"] * ATTEMPTS + ["a car"]


def test_long_caption_is_cut_in_the_message(worker: FakeWorker, open_pool: Callable[..., Pool]) -> None:
    worker.on_compute = lose
    with pytest.raises(WorkerError, match=f"begins with '{'x' * 60}…'"):
        open_pool(worker).submit(batch("x" * 200)).result(SECONDS)


def test_error_of_a_batch_is_raised_and_costs_no_worker(
    worker: FakeWorker, open_pool: Callable[..., Pool]
) -> None:
    def fail(text: str) -> None:
        if text == "bad":
            raise ValueError("no such thing")

    worker.on_compute = fail
    pool = open_pool(worker)
    bad, good = pool.submit(batch("bad")), pool.submit(batch("good"))
    with pytest.raises(ValueError, match="no such thing"):
        bad.result(SECONDS)
    assert good.result(SECONDS)
    assert worker.starts == 1


def test_worker_lost_while_it_starts_is_started_again(
    worker: FakeWorker, open_pool: Callable[..., Pool]
) -> None:
    worker.on_start = lambda: lose() if worker.starts < ATTEMPTS else None
    assert open_pool(worker).submit(batch("a car")).result(SECONDS)
    assert worker.starts == ATTEMPTS


def test_worker_that_cannot_start_fails_what_waits_and_what_comes(
    worker: FakeWorker, open_pool: Callable[..., Pool]
) -> None:
    go = threading.Event()

    def start() -> None:
        go.wait(SECONDS)
        lose()

    worker.on_start = start
    pool = open_pool(worker)
    waiting = pool.submit(batch("a car"))
    go.set()
    with pytest.raises(WorkerError, match="before its networks were loaded, at last ended by SIGKILL"):
        waiting.result(SECONDS)
    assert worker.starts == ATTEMPTS
    with pytest.raises(WorkerError, match="before its networks were loaded"):
        pool.submit(batch("a tree")).result(SECONDS)


def test_error_of_a_start_is_raised_and_batches_of_others_in_hand_are_finished(
    worker: FakeWorker, open_pool: Callable[..., Pool]
) -> None:
    busy, failed = threading.Event(), threading.Event()

    def compute(text: str) -> None:
        busy.set()
        failed.wait(SECONDS)

    def start() -> None:
        busy.wait(SECONDS)
        raise LookupError("no weights")

    worker.on_compute = compute
    broken = FakeWorker("worker 2 (cpu)")
    broken.on_start = start
    pool = open_pool(worker, broken)
    in_hand = pool.submit(batch("a car"))
    busy.wait(SECONDS)
    waiting = pool.submit(batch("a tree"))
    with pytest.raises(LookupError, match="no weights"):
        waiting.result(SECONDS)
    failed.set()
    assert in_hand.result(SECONDS)


def test_cancelled_batch_is_not_computed(worker: FakeWorker, open_pool: Callable[..., Pool]) -> None:
    go = threading.Event()

    def start() -> None:
        go.wait(SECONDS)

    worker.on_start = start
    pool = open_pool(worker)
    unwanted, wanted = pool.submit(batch("unwanted")), pool.submit(batch("wanted"))
    assert unwanted.cancel()
    go.set()
    assert wanted.result(SECONDS)
    assert worker.given == ["wanted"]


def test_closing_stops_a_worker_in_the_middle_of_a_batch(
    worker: FakeWorker, open_pool: Callable[..., Pool]
) -> None:
    busy = threading.Event()

    def compute(text: str) -> None:
        busy.set()
        worker.stopped.wait(SECONDS)
        lose()

    worker.on_compute = compute
    pool = open_pool(worker)
    future = pool.submit(batch("a car"))
    busy.wait(SECONDS)
    pool.close()
    pool.close()
    with pytest.raises(WorkerError, match="closed with a batch in hand"):
        future.result(SECONDS)
    assert worker.given == ["a car"]


def test_closing_fails_what_waits_and_what_comes(worker: FakeWorker, open_pool: Callable[..., Pool]) -> None:
    busy = threading.Event()

    def compute(text: str) -> None:
        busy.set()
        worker.stopped.wait(SECONDS)
        lose()

    worker.on_compute = compute
    pool = open_pool(worker)
    futures = [pool.submit(batch("a car")), pool.submit(batch("a tree"))]
    busy.wait(SECONDS)
    unwanted = pool.submit(batch("a boat"))
    assert unwanted.cancel()
    pool.close()
    for future in (*futures, pool.submit(batch("a house"))):
        with pytest.raises(WorkerError, match="the executor was closed"):
            future.result(SECONDS)


def test_a_worker_that_cannot_be_stopped_keeps_no_other_alive() -> None:
    class Stuck(FakeWorker):
        def stop(self) -> None:
            super().stop()
            raise OSError("no such process")

    workers = [Stuck(), FakeWorker("worker 2 (cpu)"), FakeWorker("worker 3 (cpu)")]
    with pytest.raises(OSError, match="no such process"):
        WorkerPool(workers).close()
    assert all(worker.stopped.is_set() for worker in workers)
