"""Banks on media that can only be read, and on disks without room: readers work, writers say why not."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest
import warm_processes
from store_makers import make_manifest
from system_conditions import as_nobody, immutable, read_only_mount, small_disk

from freeda_store import Bank
from freeda_store.errors import BankInUseError, StorageError
from freeda_store.files.room import copy_with_holes, held_bytes, room_to_read, temporary_place

ROOT = Path(__file__).parents[2]
SCRIPT = Path(__file__).parent / "used_bank.py"
ENVIRONMENT = {
    **os.environ,
    "OMP_NUM_THREADS": "1",
    "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
}
READ = "16 5 sound"


def run(condition: Sequence[str], action: str, folder: Path, **variables: str) -> tuple[int, str]:
    if not condition:
        done = warm_processes.run(SCRIPT, action, folder, environment=variables)
    else:
        command = [*condition, sys.executable, "-B", str(SCRIPT), action, str(folder)]
        variables = ENVIRONMENT | variables
        done = subprocess.run(
            command, env=variables, capture_output=True, text=True, check=False, timeout=120
        )
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout.strip() or done.stderr


def copies(place: str | None = None) -> list[Path]:
    return list(Path(place or tempfile.gettempdir()).glob("freeda-vectors-*"))


def test_a_read_only_mount_is_read_and_not_written(shared: Path, tmp_path: Path) -> None:
    condition = read_only_mount(shared)
    assert run(condition, "read", shared, TMPDIR=str(tmp_path)) == (0, READ)
    assert copies(str(tmp_path)) == [], "the copy is removed at the end"
    code, said = run(condition, "write", shared, TMPDIR=str(tmp_path))
    assert code == 1
    assert said.startswith(f"ReadOnlyBankError: the bank in {shared} can only be read")
    assert "(Read-only file system); mount it for writing" in said
    code, said = run(condition, "salvage", shared, TMPDIR=str(tmp_path))
    assert code == 1
    assert said.startswith("StorageError: ")
    assert "Read-only file system" in said


def test_a_folder_of_somebody_else_is_read_and_not_written(shared: Path) -> None:
    condition = as_nobody(shared)
    assert run(condition, "read", shared) == (0, READ)
    code, said = run(condition, "write", shared)
    assert code == 1
    assert said.startswith(f"ReadOnlyBankError: the bank in {shared} can only be read")
    assert "correct the permissions" in said


def test_an_immutable_file_is_read(shared: Path) -> None:
    (page,) = shared.glob("vectors/segments/*/payload_storage/page_0.dat")
    with immutable(page):
        assert run([], "read", shared) == (0, READ)
        code, said = run([], "write", shared)
    assert code == 1
    assert f"{page} cannot be written (Operation not permitted: it is immutable)" in said


@pytest.mark.parametrize("kilobytes", [1024, 4096, 16384])
def test_a_full_disk_in_memory_is_read_from_another(shared: Path, tmp_path: Path, kilobytes: int) -> None:
    """Reading a hole of a file in memory takes room; without any the process would end by SIGBUS."""
    disk, held = tmp_path / "disk", sum(held_bytes(path) for path in shared.rglob("*"))
    condition = small_disk(disk, held // 1024 + kilobytes, shared)
    place = tmp_path / "temporary"
    place.mkdir()
    assert run(condition, "read", disk / "bank", TMPDIR=str(place)) == (0, READ)
    code, said = run(condition, "write", disk / "bank", TMPDIR=str(place))
    assert code == 1, said
    assert f"only {kilobytes / 1024 * 1.048576:.1f} MB are free" in said or "MB are free" in said
    assert "free disk space" in said


def test_no_room_anywhere_is_said(shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("freeda_store.files.room.free_bytes", lambda _: 1000)
    monkeypatch.setattr("freeda_store.opening.hindrances.free_bytes", lambda _: 1000)
    with pytest.raises(StorageError, match=r"takes a copy, and no temporary folder has the \d+ MB.*TMPDIR"):
        Bank.open(shared)


@pytest.fixture
def hindered(shared: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """As if there were no room on the disk of the bank alone."""
    monkeypatch.setattr("freeda_store.opening.hindrances.free_bytes", lambda _: 1000)
    return shared


def test_nothing_that_writes_begins(hindered: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in hindered.rglob("*")}
    with Bank.open(hindered) as bank:
        made = [
            lambda: bank.write("m", "k"),
            lambda: bank.retire([next(bank.infos()).id], "m"),
            lambda: bank.rollback(0),
            lambda: bank.tag("t"),
            lambda: bank.verify(repair=True),
            bank.require_writable,
        ]
        for action in made[:2] + made[3:]:
            with pytest.raises(StorageError, match=r"only 0.0 MB are free\); free disk space, then run"):
                action()
        assert bank.stats().prototypes == 16
        assert bank.verify().ok
    with pytest.raises(StorageError, match="free disk space"):
        Bank.open(hindered, create=make_manifest())
    assert {path: path.stat().st_mtime_ns for path in hindered.rglob("*")} == before
    assert copies() == []


def test_readers_are_several_and_keep_writers_out(hindered: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Bank.open(hindered) as one, Bank.open(hindered) as other:
        assert len(list(one.infos())) == len(list(other.infos())) == 16
        monkeypatch.undo()
        with pytest.raises(BankInUseError):
            Bank.open(hindered)
    with Bank.open(hindered), monkeypatch.context() as patch:
        patch.setattr("freeda_store.opening.hindrances.free_bytes", lambda _: 1000)
        with pytest.raises(BankInUseError):
            Bank.open(hindered)


def test_an_old_version_is_read_too(hindered: Path) -> None:
    with Bank.open(f"{hindered}@1") as bank:
        assert len(list(bank.infos())) == 16


def test_copies_keep_holes(tmp_path: Path) -> None:
    source, target = tmp_path / "a", tmp_path / "b"
    with source.open("wb") as file:
        file.write(b"begin")
        file.seek(2**24)
        file.write(b"end")
        file.truncate(2**25)
    copy_with_holes(str(source), str(target))
    assert target.read_bytes() == source.read_bytes()
    assert held_bytes(target) < 2**20
    assert room_to_read(tmp_path) > 0


def test_a_temporary_place_is_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))
    place = temporary_place(tmp_path)
    assert place.parent == tmp_path
    assert place.stat().st_mode & 0o077 == 0
