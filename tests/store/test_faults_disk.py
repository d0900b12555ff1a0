"""A full disk at every place that is written to: a clear message, nothing lost, and the run goes on."""

from __future__ import annotations

import errno
import re
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import warm_processes
from bank_copies import copy_folder
from sqlalchemy import Engine, event
from sqlalchemy.exc import OperationalError
from store_makers import WITHOUT_SEMANTICS, make_generation, make_manifest

from freeda_store import Bank, parse_filter
from freeda_store.errors import StorageError, UpgradeError
from freeda_store.files.room import WRITING_BYTES
from freeda_store.salvage import salvage
from freeda_store.sql import schema
from freeda_store.vectors.edge import EdgeVectors

ROOT = Path(__file__).parents[2]
SCRIPT = Path(__file__).parent / "full_disk_writer.py"


class Usage(NamedTuple):
    total: int
    used: int
    free: int


def full(*_: object, **__: object) -> Any:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.fixture
def folder(on_disk: Path, empty_bank: Path) -> Path:
    return copy_folder(empty_bank, on_disk / "bank")


@pytest.fixture
def filled(bank: Bank) -> Bank:
    add(bank, "first", range(4))
    return bank


def add(bank: Bank, key: str, numbers: range) -> None:
    with bank.write(key, key) as writer:
        writer.add([make_generation(i) for i in numbers])
        writer.commit()


def no_room(patch: pytest.MonkeyPatch) -> None:
    """As the disk looks when there is just too little room for the engine."""
    patch.setattr(shutil, "disk_usage", lambda _: Usage(10**9, 10**9, WRITING_BYTES - 1))


def no_thumbnails(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Path, "write_bytes", full)


def no_rows(patch: pytest.MonkeyPatch) -> None:
    from sqlalchemy.engine.default import DefaultDialect

    def refuse(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    patch.setattr(DefaultDialect, "do_executemany", refuse)


def engine_refuses(patch: pytest.MonkeyPatch) -> None:
    original = EdgeVectors._ask

    class Shard:
        def update(self, _: object) -> None:
            raise Exception("IO Error: No space left on device (os error 28)")

    def ask(self: Any, method: str, *arguments: Any) -> Any:
        if method != "update":
            return original(self, method, *arguments)
        whole, self._shard = self._shard, Shard()
        try:
            return original(self, method, *arguments)
        finally:
            self._shard = whole

    patch.setattr(EdgeVectors, "_ask", ask)


PLACES = {
    "no room for vectors": (no_room, "only 67 MB are free on the disk of .*vectors.*run the same command"),
    "thumbnails": (no_thumbnails, "thumbnails could not be written.*No space left.*run the same command"),
    "rows": (
        no_rows,
        r"bank\.sqlite refused \(database or disk is full: No space left on device\).*free disk space",
    ),
    "the engine": (engine_refuses, r"vectors cannot be used \(No space left on device\); free disk space"),
}


@pytest.mark.parametrize("place", PLACES)
def test_a_full_disk_is_named_and_the_run_goes_on(
    filled: Bank, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    fill, message = PLACES[place]
    before = list(filled.infos())
    with monkeypatch.context() as patch, filled.write("more", "more") as writer:
        fill(patch)
        with pytest.raises(StorageError, match=message) as caught:
            writer.add([make_generation(i) for i in range(10, 14)])
        assert re.search(r"[Nn]othing (that was )?committed is lost", str(caught.value))
    assert list(filled.infos()) == before
    assert filled.verify().ok
    add(filled, "more", range(10, 14))
    assert len(list(filled.infos())) == len(before) + 8
    assert filled.verify().ok


def test_no_room_to_retire_hides_nothing(filled: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    before = list(filled.infos())
    with monkeypatch.context() as patch:
        no_room(patch)
        with pytest.raises(StorageError, match="free disk space"):
            filled.retire(parse_filter(["noun=boat"]), "no boats")
    assert list(filled.infos()) == before
    assert filled.verify().ok
    assert filled.retire(parse_filter(["noun=boat"]), "no boats") is not None
    assert not list(filled.infos(parse_filter(["noun=boat"])))


def test_no_room_to_commit_is_resumed(filled: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    with filled.write("more", "more") as writer:
        writer.add([make_generation(i) for i in range(10, 14)])
        with monkeypatch.context() as patch:
            no_room(patch)
            with pytest.raises(StorageError, match="free disk space"):
                writer.commit()
    assert len(list(filled.infos())) == 8
    add(filled, "more", range(10, 14))
    assert len(list(filled.infos())) == 16
    assert filled.verify().ok


def test_reading_needs_no_room(filled: Bank, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filled.close()
    no_room(monkeypatch)
    with Bank.open(folder) as bank:
        assert len(list(bank.infos())) == 8
        assert bank.verify().ok


def test_merging_waits_for_room(
    filled: Bank, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Merging takes as much room again as the vectors; the commit counts without it."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**9, 10**9, WRITING_BYTES + 1))
    add(filled, "more", range(10, 14))
    assert "too full to merge" in caplog.text
    assert len(list(filled.infos())) == 16


def test_no_bank_is_made_without_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        no_room(patch)
        with pytest.raises(StorageError, match="free disk space"):
            Bank.open(tmp_path / "new", create=make_manifest())
    Bank.open(tmp_path / "new", create=make_manifest()).close()


def test_no_room_to_put_damage_aside(filled: Bank, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filled.close()
    (folder / "vectors" / "edge_config.json").unlink()
    with monkeypatch.context() as patch:
        patch.setattr(Path, "mkdir", full)
        with pytest.raises(StorageError, match=r"No space left.*free disk space, then run the same command"):
            salvage(folder)
    salvage(folder)
    with Bank.open(folder) as bank:
        assert len(list(bank.infos())) == 8


@pytest.mark.slow
@pytest.mark.parametrize("what", ["thumbnails", "database"])
def test_files_that_may_not_grow(filled: Bank, folder: Path, what: str) -> None:
    """A real refusal of the system: no file of the process may grow beyond so many bytes."""
    before = list(filled.infos())
    filled.close()
    limit = {"thumbnails": 64, "database": (folder / "bank.sqlite").stat().st_size}[what]

    def run(limit: int) -> subprocess.CompletedProcess[str]:
        return warm_processes.run(SCRIPT, folder, limit)

    refused = run(limit)
    assert refused.returncode == 3, refused.stderr
    assert refused.stdout.startswith("StorageError ")
    assert re.search(r"Nothing (that was )?committed is lost", refused.stdout)
    assert "Traceback" not in refused.stderr
    with Bank.open(folder) as bank:
        assert list(bank.infos()) == before
        assert bank.verify().ok
    assert run(-1).returncode == 0
    with Bank.open(folder) as bank:
        assert len(list(bank.infos())) == len(before) + 600
        assert bank.verify().ok


@contextmanager
def few_pages(count: int) -> Iterator[None]:
    """Databases that are opened inside are full when they have so many pages."""

    def limit(connection: Any, _record: Any) -> None:
        connection.execute(f"PRAGMA max_page_count={count}")

    event.listen(Engine, "connect", limit)
    try:
        yield
    finally:
        event.remove(Engine, "connect", limit)


def test_a_disk_that_fills_while_a_bank_is_made_is_named(tmp_path: Path) -> None:
    told = r"bank/\S*\.part refused \(database or disk is full.*free disk space"
    for count in (1, 3, 9):
        with few_pages(count), pytest.raises(StorageError, match=told) as caught:
            Bank.open(tmp_path / "bank", create=make_manifest())
        assert "\n" not in str(caught.value)
    with Bank.open(tmp_path / "bank", create=make_manifest()) as bank:
        assert bank.verify().ok


@pytest.mark.parametrize("step", ["copy_database", "run_migrations"])
def test_a_disk_that_fills_while_a_bank_is_upgraded_is_named(
    folder: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(sqlite3.connect(folder / "bank.sqlite")) as connection, connection:
        for statement in WITHOUT_SEMANTICS:
            connection.execute(statement)
    before = (folder / "bank.sqlite").read_bytes()
    error: Exception = sqlite3.OperationalError("database or disk is full")
    told = r"backups refused \(database or disk is full.*free disk space"
    if step == "run_migrations":
        error = OperationalError("ALTER TABLE prototype", None, error)
        told = r"could not be upgraded .* \(database or disk is full\); it is unchanged"

    def fail(*_: object) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(schema, step, fail)
        with pytest.raises((StorageError, UpgradeError), match=told) as caught:
            Bank.open(folder)
    assert "\n" not in str(caught.value)
    assert (folder / "bank.sqlite").read_bytes() == before
    with Bank.open(folder) as bank:
        assert bank.verify().ok
