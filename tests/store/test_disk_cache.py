"""A cache on disk: bounded, whole or not there, for several processes."""

from __future__ import annotations

import sqlite3
import stat
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freeda_store.hosted.disk_cache import DiskCache


def open_cache(folder: Path, limit: int = 10**6) -> DiskCache:
    return DiskCache(folder / "cache", limit)


def the_file(folder: Path) -> Path:
    (file,) = (folder / "cache").glob("*.sqlite")
    return file


@given(st.dictionaries(st.binary(min_size=16, max_size=16), st.binary(max_size=300), max_size=30))
def test_what_is_put_comes_back(
    tmp_path_factory: pytest.TempPathFactory, entries: dict[bytes, bytes]
) -> None:
    folder = tmp_path_factory.mktemp("cache")
    one, other = open_cache(folder), open_cache(folder)
    one.put(entries)
    assert other.get([*entries, b"no such key....."]) == entries
    one.close()
    other.close()


def test_it_is_for_its_user_alone(tmp_path: Path) -> None:
    open_cache(tmp_path).put({b"k": b"v"})
    assert stat.S_IMODE(the_file(tmp_path).stat().st_mode) == 0o600
    assert stat.S_IMODE(the_file(tmp_path).parent.stat().st_mode) == 0o700


def test_it_stays_within_its_size_and_keeps_what_was_used_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from freeda_store.hosted import disk_cache

    cache = open_cache(tmp_path, 400_000)
    monkeypatch.setattr(disk_cache.time, "time", lambda: 86_400.0 * 100)
    cache.put({bytes([index] * 16): bytes(10_000) for index in range(10)})
    monkeypatch.setattr(disk_cache.time, "time", lambda: 86_400.0 * 101)
    used = [bytes([index] * 16) for index in (1, 5)]
    assert set(cache.get(used)) == set(used)
    for index in range(10, 60):
        cache.put({bytes([index] * 16): bytes(10_000)})
        assert the_file(tmp_path).stat().st_size < 430_000
    left = cache.get([bytes([index] * 16) for index in range(60)])
    assert 8 < len(left) < 30
    assert max(left) == bytes([59] * 16)
    assert bytes([2] * 16) not in left
    smaller = open_cache(tmp_path, 100_000)
    smaller.put({b"x" * 16: b""})
    assert the_file(tmp_path).stat().st_size < 200_000


def test_a_damaged_entry_counts_as_missing(tmp_path: Path) -> None:
    cache = open_cache(tmp_path)
    cache.put({b"a" * 16: b"one", b"b" * 16: b"two"})
    with sqlite3.connect(the_file(tmp_path)) as connection:
        connection.execute("UPDATE entry SET data = ? WHERE key = ?", (b"0ne", b"a" * 16))
    assert cache.get([b"a" * 16, b"b" * 16]) == {b"b" * 16: b"two"}


@pytest.mark.parametrize("damage", [b"", b"nonsense" * 5000], ids=["empty", "nonsense"])
def test_a_damaged_file_is_made_anew(tmp_path: Path, damage: bytes) -> None:
    first = open_cache(tmp_path)
    first.put({bytes([index] * 16): bytes(2000) for index in range(100)})
    first.close()
    the_file(tmp_path).write_bytes(damage)
    cache = open_cache(tmp_path)
    assert cache.get([b"\0" * 16]) == {}
    again = open_cache(tmp_path)
    again.put({b"k" * 16: b"v"})
    assert again.get([b"k" * 16]) == {b"k" * 16: b"v"}


def test_a_file_damaged_in_its_middle_is_no_trouble(tmp_path: Path) -> None:
    keys = [bytes([index] * 16) for index in range(200)]
    first = open_cache(tmp_path)
    first.put({key: key * 200 for key in keys})
    first.close()
    file = the_file(tmp_path)
    whole = bytearray(file.read_bytes())
    for place in range(20_000, len(whole), 30_000):
        whole[place : place + 900] = bytes(900)
    file.write_bytes(whole)
    found = open_cache(tmp_path).get(keys)
    assert all(data == key * 200 for key, data in found.items())


def test_without_a_place_there_is_no_cache(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    cache = open_cache(tmp_path)
    cache.put({b"k": b"v"})
    assert cache.get([b"k"]) == {}
    cache.close()
    cache.put({b"k": b"v"})


def test_a_cache_that_another_process_holds_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from freeda_store.hosted import disk_cache

    monkeypatch.setattr(disk_cache, "_BUSY_SECONDS", 0.1)
    cache = open_cache(tmp_path)
    cache.put({b"k": b"v"})
    holder = sqlite3.connect(the_file(tmp_path), isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    cache.put({b"l": b"w"})
    assert cache.get([b"k"]) == {}
    holder.execute("ROLLBACK")
    holder.close()
    assert cache.get([b"k", b"l"]) == {b"k": b"v"}


def test_many_write_at_once(tmp_path: Path) -> None:
    def write(worker: int) -> None:
        cache = open_cache(tmp_path)
        for index in range(20):
            cache.put({bytes([worker, index] * 8): bytes([worker]) * 500})
        cache.close()

    threads = [threading.Thread(target=write, args=(worker,)) for worker in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    keys = [bytes([worker, index] * 8) for worker in range(6) for index in range(20)]
    assert set(open_cache(tmp_path).get(keys)) == set(keys)
