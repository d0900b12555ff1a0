from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from freeda_studio.memory import ByteCache, held_bytes


@dataclass(frozen=True)
class Pair:
    first: object
    second: object


def test_arrays_count_once_wherever_they_are() -> None:
    array = np.zeros(100, np.uint8)
    assert held_bytes(array) == 100
    assert held_bytes([array, (array, {"again": array}), Pair(array, None)]) == 100
    assert held_bytes(Pair(array, array.copy())) == 200
    assert held_bytes([b"12345", "text", 7, None, Pair]) == 5


def test_views_count_as_the_array_that_they_keep() -> None:
    array = np.zeros((10, 10), np.uint8)
    assert held_bytes(array[:1]) == 100
    assert held_bytes([array[:1], array[5:], array[:, 2:][1:]]) == 100
    assert held_bytes(np.frombuffer(bytes(30), np.uint8)) == 30


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 60)), max_size=60))
def test_a_cache_keeps_to_its_bytes_and_gives_what_was_made(asked: list[tuple[int, int]]) -> None:
    cache: ByteCache[int, bytes] = ByteCache(100)
    for key, size in asked:
        assert len(cache.get(key * 100 + size, lambda size=size: bytes(size))) == size  # type: ignore[misc]
        assert cache.bytes <= 100


def test_what_was_used_last_stays() -> None:
    cache: ByteCache[str, bytes] = ByteCache(100)
    made: list[str] = []

    def get(key: str) -> None:
        cache.get(key, lambda: made.append(key) or bytes(40))  # type: ignore[func-returns-value]

    for key in ("a", "b", "a", "c", "a", "b"):
        get(key)
    assert made == ["a", "b", "c", "b"]
    cache.forget(lambda key: key == "a")
    get("a")
    assert made[-1] == "a"


def test_what_is_larger_than_all_room_is_made_and_not_kept() -> None:
    cache: ByteCache[str, bytes] = ByteCache(10)
    assert cache.get("a", lambda: bytes(4)) == bytes(4)
    assert cache.get("b", lambda: bytes(11)) == bytes(11)
    assert cache.bytes == 4
