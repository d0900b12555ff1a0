"""Damaged lengths that the engine believes: opening must not take all memory or room, nor go on for ever."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import qdrant_edge as engine
from bank_copies import copy_folder
from store_makers import FILLED_COUNT
from system_conditions import limited

from freeda_store import Bank
from freeda_store.errors import BankDamagedError, BankError, StorageError
from freeda_store.salvage import open_to_verify
from freeda_store.vectors import edge_child, edge_trial
from freeda_store.vectors.edge import EdgeVectors
from freeda_store.vectors.protocol import Point

FILLED = 2 * FILLED_COUNT
SCRIPT = Path(__file__).parent / "used_bank.py"
LENGTHS = {
    "of an index": ("payload_index/*-noun-null/is_null/status.dat", 2**43),
    "of vectors": ("vector_storage-visual/deleted/status.dat", 2**36),
}
"""A file in a segment, and the length that it tells in its first eight bytes."""


def wild(source: Path, folder: Path, pattern: str, length: int) -> Path:
    """A copy of a bank with another length in a file of its vectors."""
    copy_folder(source, folder)
    with next((folder / "vectors" / "segments").glob(f"*/{pattern}")).open("r+b") as file:
        file.write(length.to_bytes(8, "little"))
    return folder


def use(action: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Use a bank in a process that ends if it takes 3 GB, makes a file of 3 GB or computes for a minute."""
    bounds = limited("--data=3000000000", "--fsize=3000000000", "--cpu=60")
    return subprocess.run(
        [*bounds, sys.executable, str(SCRIPT), action, str(folder)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )


def require_repaired(folder: Path) -> None:
    """See that salvage and repair lose nothing."""
    assert use("salvage", folder).returncode == 0
    with open_to_verify(folder) as bank:
        assert bank.verify(repair=True).lost == ()
    with Bank.open(folder) as bank:
        assert len(list(bank.infos())) == FILLED
        assert bank.verify().ok


@pytest.mark.parametrize("where", LENGTHS)
def test_wild_lengths_are_damage_and_are_repaired(where: str, filled: Path, tmp_path: Path) -> None:
    folder = wild(filled, tmp_path / "bank", *LENGTHS[where])
    before = sum(path.stat().st_size for path in folder.rglob("*"))
    done = use("write", folder)
    assert done.stdout.startswith(f"BankDamagedError: files in {folder / 'vectors'} are damaged, for opening")
    assert "opening them makes files of more than" in done.stdout
    assert "`freeda bank verify --repair`" in done.stdout
    assert done.stdout.count("\n") == 1
    assert done.stderr == ""
    assert sum(path.stat().st_size for path in folder.rglob("*")) < before + 2**29, "no file grows so far"
    require_repaired(folder)


IDS = "segments/*/mutable_id_tracker.mappings"


@pytest.mark.parametrize("bit", [16, 20, 23, 31])
def test_a_place_far_away_is_damage_and_is_repaired(bit: int, filled: Path, tmp_path: Path) -> None:
    """The engine would make room for all places before it."""
    folder = copy_folder(filled, tmp_path / "bank")
    (ids,) = (folder / "vectors").glob(IDS)
    data = bytearray(ids.read_bytes())
    data[3 * 21 + 17 + bit // 8] ^= 1 << bit % 8
    ids.write_bytes(data)
    done = use("write", folder)
    assert done.stdout.startswith(f"BankDamagedError: {ids} is damaged, for it gives one of {FILLED} points")
    assert done.stdout.count("\n") == 1
    require_repaired(folder)


def test_places_of_points_that_come_and_go_are_near(filled: Path, tmp_path: Path) -> None:
    folder = copy_folder(filled, tmp_path / "bank")
    (ids,) = (folder / "vectors").glob(IDS)
    with Bank.open(folder) as bank:
        store = bank._stores.vectors
        shown = [info.id for info in bank.infos()]
        before = ids.stat().st_size
        for some in (shown[:3], shown[5:6]):
            held = store.fetch(some, texts=True, visuals=True)
            store.delete(some)
            points = zip(held.ids, held.texts, held.visuals, held.payloads, strict=True)
            store.upsert([Point(*point) for point in points])
            store.flush()
    assert ids.stat().st_size == before + 4 * (17 + 21)
    edge_trial.require_openable(folder / "vectors")
    data = bytearray(ids.read_bytes())
    data[-1] ^= 64
    ids.write_bytes(data)
    with pytest.raises(BankDamagedError, match="gives one of"):
        edge_trial.require_openable(folder / "vectors")


def test_vectors_that_grew_are_opened(filled: Path, tmp_path: Path) -> None:
    """The child neither writes nor keeps the lock, and limits rise with what files hold."""
    folder = copy_folder(filled, tmp_path / "bank")
    small = edge_trial.Limits.of(folder / "vectors")
    (folder / "vectors" / "wal" / "more").write_bytes(bytes(5 * 2**20))
    large = edge_trial.Limits.of(folder / "vectors")
    assert large.seconds >= small.seconds + 5
    assert large.memory >= small.memory + 10 * 2**20
    assert large.size >= small.size + 5 * 2**20
    (folder / "vectors" / "wal" / "more").unlink()
    for _ in range(2):
        edge_trial.require_openable(folder / "vectors")
    EdgeVectors.load(folder / "vectors").close()


def ending(monkeypatch: pytest.MonkeyPatch, code: int, said: str = "") -> None:
    """The child ends so."""
    ended = SimpleNamespace(returncode=code, stderr=said.encode())
    monkeypatch.setattr(edge_trial.subprocess, "run", lambda *_, **__: ended)


@pytest.mark.parametrize(
    ("number", "said", "kind", "words"),
    [
        (signal.SIGABRT, "memory allocation of 21 bytes failed", BankDamagedError, "MB of memory"),
        (signal.SIGXCPU, "", BankDamagedError, "opening them does not come to an end"),
        (signal.SIGSEGV, "", BankDamagedError, "ends the vector engine by SIGSEGV"),
        (signal.SIGBUS, "", BankDamagedError, "ends the vector engine by SIGBUS"),
        (signal.SIGKILL, "", StorageError, r"ended from outside \(SIGKILL\); run the same command again"),
    ],
)
def test_ends_of_the_child_are_told(
    number: int,
    said: str,
    kind: type[BankError],
    words: str,
    filled: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = copy_folder(filled, tmp_path / "bank")
    ending(monkeypatch, -number, said)
    with pytest.raises(kind, match=words) as caught:
        Bank.open(folder)
    assert type(caught.value) is kind
    assert str(folder / "vectors") in str(caught.value)


def test_the_child_ends_with_its_caller(filled: Path, tmp_path: Path) -> None:
    folder = copy_folder(filled, tmp_path / "bank")
    (folder / "vectors" / "edge_config.json").unlink()
    os.mkfifo(folder / "vectors" / "edge_config.json")  # at which it waits
    reading, writing = os.pipe()
    packages = Path(engine.__file__).parents[1]
    command = [sys.executable, "-I", "-S", edge_child.__file__, packages, folder / "vectors"]
    with subprocess.Popen([*map(str, command), "1000000000", "1000000000", "9"], stdin=reading) as child:
        os.close(reading)
        with (folder / "vectors" / "edge_config.json").open("wb"):  # opens when the child does
            assert child.poll() is None
            os.close(writing)
            assert child.wait(60) == -signal.SIGIO


def test_a_full_disk_is_no_damage(filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = copy_folder(filled, tmp_path / "bank")
    ending(monkeypatch, -signal.SIGBUS)
    monkeypatch.setattr(edge_trial, "free_bytes", lambda _: 4096)
    with pytest.raises(StorageError, match=r"only 0\.0 MB are free on the disk of") as caught:
        EdgeVectors.load(folder / "vectors")
    assert not isinstance(caught.value, BankDamagedError)


def test_a_lower_limit_of_the_process_is_no_damage(
    filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = copy_folder(filled, tmp_path / "bank")
    ending(monkeypatch, -signal.SIGABRT, "memory allocation of 21 bytes failed")
    monkeypatch.setattr(edge_trial.resource, "getrlimit", lambda _: (2**20, 2**20))
    with pytest.raises(StorageError, match="Cannot allocate memory"):
        edge_trial.require_openable(folder / "vectors")


def test_where_no_process_can_be_started_vectors_are_opened(
    filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = copy_folder(filled, tmp_path / "bank")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no-python"))
    EdgeVectors.load(folder / "vectors").close()
