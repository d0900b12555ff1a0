"""The helper that keeps executors' batches bounded, driven by futures that tests finish by hand."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freeda_ingest.batches import BatchResult, SeededCaption
from freeda_ingest.executors.flight import in_flight
from freeda_store.records import Caption


def batch(name: str) -> list[SeededCaption]:
    return [SeededCaption(Caption(name), 0)]


class Hand:
    """Futures that are finished by hand, or at once where ``eager`` names their batch."""

    def __init__(self, eager: str = "") -> None:
        self.futures: dict[str, Future[BatchResult]] = {}
        self.eager = eager
        self.read: list[str] = []

    def submit(self, items: list[SeededCaption]) -> Future[BatchResult]:
        name = items[0].caption.text
        self.futures[name] = Future()
        if name in self.eager:
            self.finish(name)
        return self.futures[name]

    def finish(self, name: str) -> None:
        self.futures[name].set_result(BatchResult((), batch=tuple(batch(name))))

    def batches(self, names: str) -> Iterator[list[SeededCaption]]:
        for name in names:
            self.read.append(name)
            yield batch(name)


def name_of(result: BatchResult) -> str:
    return result.batch[0].caption.text


def test_a_ready_result_is_given_back_before_another_batch_is_read() -> None:
    hand = Hand(eager="b")
    results = in_flight(hand.batches("abcd"), hand.submit, limit=2)
    assert name_of(next(results)) == "b"
    assert hand.read == ["a", "b"]
    hand.finish("a")
    assert name_of(next(results)) == "a"
    assert hand.read == ["a", "b"]


def test_an_error_comes_after_the_others_in_hand_and_ends_the_reading() -> None:
    hand = Hand()
    results = in_flight(hand.batches("abcdef"), hand.submit, limit=3)
    with ThreadPoolExecutor(1) as thread:
        first = thread.submit(next, results)
        while len(hand.futures) < 3:
            time.sleep(0.001)
        hand.finish("c")
        assert name_of(first.result()) == "c"
    hand.futures["a"].set_exception(ValueError("broken"))
    hand.finish("b")
    assert name_of(next(results)) == "b"
    with pytest.raises(ValueError, match="broken"):
        next(results)
    assert hand.read == ["a", "b", "c"]


def test_an_error_of_reading_comes_after_what_is_in_hand() -> None:
    hand = Hand(eager="ab")

    def torn() -> Iterator[list[SeededCaption]]:
        yield batch("a")
        yield batch("b")
        raise OSError("pipe broke")

    results = in_flight(torn(), hand.submit, limit=4)
    assert [name_of(next(results)), name_of(next(results))] == ["a", "b"]
    with pytest.raises(OSError, match="pipe broke"):
        next(results)


def test_closing_cancels_what_has_not_begun() -> None:
    hand = Hand(eager="a")
    results = in_flight(hand.batches("abc"), hand.submit, limit=1)
    next(results)
    results.close()
    assert hand.read == ["a"]
    hand = Hand(eager="b")
    results = in_flight(hand.batches("abc"), hand.submit, limit=2)
    next(results)
    results.close()
    assert hand.futures["a"].cancelled()


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 12), st.integers(1, 5), st.integers(1, 4))
def test_every_batch_comes_back_once_and_few_are_in_hand(count: int, limit: int, workers: int) -> None:
    in_hand: list[int] = []
    given_back = 0
    names = [chr(ord("a") + index) for index in range(count)]
    with ThreadPoolExecutor(workers) as pool:

        def submit(items: list[SeededCaption]) -> Future[BatchResult]:
            in_hand.append(len(submitted) - given_back + 1)
            submitted.append(items)
            return pool.submit(BatchResult, (), batch=tuple(items))

        submitted: list[list[SeededCaption]] = []
        seen = []
        for result in in_flight([batch(name) for name in names], submit, limit=limit):
            given_back += 1
            seen.append(name_of(result))
    assert sorted(seen) == names
    assert max(in_hand, default=0) <= limit


def test_a_batch_that_ends_an_iterator_too_early_is_an_error() -> None:
    def submit(items: list[SeededCaption]) -> Future[BatchResult]:
        raise StopIteration

    with pytest.raises(RuntimeError, match="StopIteration"):
        list(in_flight([batch("a")], submit, limit=1))


def test_one_error_of_several_batches_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    hand, lost = Hand(), ValueError("no weights")

    def submit(items: list[SeededCaption]) -> Future[BatchResult]:
        future = hand.submit(items)
        if len(hand.futures) == 3:
            hand.futures["c"].set_exception(OSError("disk full"))
            for name in "ab":
                hand.futures[name].set_exception(lost)
        return future

    with pytest.raises(ValueError, match="no weights"):
        list(in_flight(hand.batches("abc"), submit, limit=3))
    assert [record.getMessage() for record in caplog.records] == ["another batch failed too: disk full"]
