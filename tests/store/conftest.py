from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.append(str(Path(__file__).parents[1]))

from bank_copies import copy_folder, made_once
from engine_makers import holding, sixty, store
from hosted_makers import Team, make_team
from postgres_server import PostgresServer, find_binaries, running_postgres
from sharing_makers import fill
from sqlalchemy import Engine, event
from store_makers import FILLED_COUNT, make_generation, make_manifest

from freeda_store import Bank

__all__ = ["holding", "sixty", "store"]


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No test reads the settings of the person who runs it."""
    empty = tmp_path_factory.getbasetemp() / "settings.toml"
    empty.touch()
    monkeypatch.setenv("FREEDA_SETTINGS", str(empty))


@pytest.fixture(autouse=True, scope="session")
def _no_waiting_for_the_disk() -> Iterator[None]:
    """SQLite does not wait until the disk has what it wrote: only a power cut could tell the difference."""

    def relax(connection: Any, _record: Any) -> None:
        if isinstance(connection, sqlite3.Connection):
            connection.execute("PRAGMA synchronous=OFF")

    event.listen(Engine, "connect", relax)
    yield
    event.remove(Engine, "connect", relax)


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers that tests take away are back within a second or two: they are asked again soon."""
    monkeypatch.setattr("freeda_store.patience._LONGEST_PAUSE", 0.3)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A real PostgreSQL; FREEDA_TEST_POSTGRES=required makes its absence a failure."""
    binaries = find_binaries()
    if binaries is None:
        reason = "PostgreSQL is not installed (Debian: apt-get install postgresql)"
        if os.environ.get("FREEDA_TEST_POSTGRES") == "required":
            pytest.fail(reason)
        pytest.skip(reason)
    with running_postgres(binaries) as server:
        yield server


@pytest.fixture
def team(tmp_path: Path, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Team]:
    """An empty hosted bank at the address ``team``, and ``reader`` to look at it."""
    with make_team(tmp_path, postgres, monkeypatch) as made:
        yield made


@pytest.fixture(scope="session")
def empty_bank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One empty bank, made once; making one takes a second or two."""
    return made_once(
        tmp_path_factory, "empty", lambda folder: Bank.open(folder, create=make_manifest()).close()
    )


@pytest.fixture
def folder(tmp_path: Path, empty_bank: Path) -> Path:
    """The folder of an empty bank of one's own."""
    return copy_folder(empty_bank, tmp_path / "bank")


@pytest.fixture
def bank(folder: Path) -> Iterator[Bank]:
    with Bank.open(folder) as opened:
        yield opened


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory, empty_bank: Path) -> Path:
    """One bank of one revision of FILLED_COUNT generations. It is only copied."""

    def make(folder: Path) -> None:
        with Bank.open(copy_folder(empty_bank, folder)) as bank, bank.write("m", "run") as writer:
            writer.add([make_generation(i) for i in range(FILLED_COUNT)])
            writer.commit()

    return made_once(tmp_path_factory, "filled", make)


@pytest.fixture
def on_disk() -> Iterator[Path]:
    """A folder on a disk, where the holes in files take no room; other folders of tests may lie in memory."""
    with TemporaryDirectory(dir="/var/tmp") as place:
        yield Path(place)


@pytest.fixture
def shared(filled: Path) -> Iterator[Path]:
    """A copy of it where every user may look: folders of tests are closed to others."""
    with TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        yield copy_folder(filled, Path(place) / "bank")


@pytest.fixture(scope="session")
def full_bank(tmp_path_factory: pytest.TempPathFactory, empty_bank: Path) -> Path:
    """One bank of five revisions and two tags; see ``sharing_makers.fill``. It is only copied."""

    def make(folder: Path) -> None:
        with Bank.open(copy_folder(empty_bank, folder)) as made:
            fill(made)

    return made_once(tmp_path_factory, "full", make)


@pytest.fixture
def source(tmp_path: Path, full_bank: Path) -> Iterator[Bank]:
    """The full bank, to copy from."""
    with Bank.open(copy_folder(full_bank, tmp_path / "source")) as opened:
        yield opened


@pytest.fixture
def sink(bank: Bank) -> Bank:
    """An empty bank, to copy to."""
    return bank


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two generations a part, so that a small bank has several."""
    from freeda_store.sharing import reading

    monkeypatch.setattr(reading, "PART_GENERATIONS", 2)
