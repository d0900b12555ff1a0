"""What the system refuses is named as what it is, with its advice, and is never called damage."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import warm_processes
from bank_copies import copy_folder
from store_makers import FILLED_COUNT
from system_conditions import as_nobody, failing, immutable, limited

from freeda_store import Bank
from freeda_store.errors import BankDamagedError, BankInUseError, StorageError
from freeda_store.files.lock_holders import lock_holder
from freeda_store.files.system_faults import fault_of, look
from freeda_store.vectors import edge_faults
from freeda_store.vectors.edge_faults import opening_error, refusal

ROOT = Path(__file__).parents[2]
SCRIPT = Path(__file__).parent / "used_bank.py"
ENVIRONMENT = {
    **os.environ,
    "OMP_NUM_THREADS": "1",
    "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
}
ENGINE_FILES = (
    "edge_config.json",
    "wal/open-1",
    "segments/*/payload_storage/page_0.dat",
    "segments/*/vector_storage-text/vectors/chunk_0.mmap",
    "segments/*/payload_index/*-retired_-map/tracker.dat",
)


@pytest.fixture
def mine(filled: Path, tmp_path: Path) -> Path:
    return copy_folder(filled, tmp_path / "bank")


def run(condition: Sequence[str], action: str, folder: Path) -> tuple[int, str]:
    """Use a bank in a process of its own, under a condition; its code and what it says."""
    if not condition:
        done = warm_processes.run(SCRIPT, action, folder)
    else:
        command = [*condition, sys.executable, "-B", str(SCRIPT), action, str(folder)]
        done = subprocess.run(
            command, env=ENVIRONMENT, capture_output=True, text=True, check=False, timeout=120
        )
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout.strip()


def one(folder: Path, pattern: str) -> Path:
    return sorted(folder.glob(pattern))[0]


def is_whole(folder: Path) -> bool:
    with Bank.open(folder) as bank:
        return len(list(bank.infos())) == 2 * FILLED_COUNT and bank.verify().ok


@pytest.mark.parametrize("pattern", ENGINE_FILES)
@pytest.mark.parametrize("action", ["read", "salvage"])
def test_an_immutable_file_is_no_damage(mine: Path, pattern: str, action: str) -> None:
    path = one(mine / "vectors", pattern)
    with immutable(path):
        code, said = run([], action, mine)
    if code:
        assert said.startswith(
            f"StorageError: {path} cannot be used (Operation not permitted: it is immutable)"
        )
        assert "chattr -i" in said
    assert not (mine / "damaged").exists()
    assert is_whole(mine)


def test_an_immutable_database_is_named_when_written(mine: Path) -> None:
    with immutable(mine / "bank.sqlite"):
        code, said = run([], "write", mine)
    assert code == 1
    assert said.startswith(f"ReadOnlyBankError: the bank in {mine} can only be read")
    assert f"{mine / 'bank.sqlite'} cannot be written" in said
    assert "chattr -i" in said
    assert "free disk space" not in said
    assert is_whole(mine)


@pytest.mark.parametrize("pattern", ["vectors/segments/*/segment.json", "vectors/wal/open-1", "bank.sqlite"])
@pytest.mark.parametrize("action", ["read", "salvage"])
def test_a_file_of_somebody_else_is_no_damage(shared: Path, pattern: str, action: str) -> None:
    condition = as_nobody(shared, owned=True)
    path = one(shared, pattern)
    os.chown(path, 0, 0)
    path.chmod(0o600)
    code, said = run(condition, action, shared)
    if (action, pattern) == ("salvage", "bank.sqlite"):  # the vectors are sound, and nothing is to be done
        assert not (shared / "damaged").exists()
        return
    assert code == 1
    assert said.startswith(f"StorageError: {path} ")
    assert "-rw------- of user 0, and this is user 65534" in said
    assert "correct the permissions" in said
    assert not (shared / "damaged").exists()


@pytest.mark.parametrize(
    ("call", "error", "pattern", "advice"),
    [
        ("read", "EIO", "vectors/segments/*/segment.json", "the disk or its connection fails"),
        ("openat", "EMFILE", "vectors/segments/*/segment.json", "ulimit -n"),
        ("openat", "ENFILE", "vectors/segments/*/payload_storage/page_0.dat", "too many files"),
        ("mmap", "ENOMEM", "vectors/segments/*/payload_storage/page_0.dat", "ulimit -v"),
        ("openat", "EDQUOT", "vectors/segments/*/payload_storage/page_0.dat", "quota"),
        ("openat", "ESTALE", "vectors/wal/open-1", "file server"),
        ("pread64", "EIO", "bank.sqlite", "the disk or its connection fails"),
    ],
)
@pytest.mark.parametrize("action", ["read", "salvage"])
def test_an_error_of_the_disk_is_no_damage(
    mine: Path, call: str, error: str, pattern: str, advice: str, action: str
) -> None:
    condition = failing(call, error, [one(mine, pattern)])
    code, said = run(condition, action, mine)
    if (action, pattern) != ("salvage", "bank.sqlite"):  # where the vectors are sound, nothing is to be done
        assert code == 1, said
        assert said.startswith("StorageError: ")
        assert advice in said
        assert str(mine) in said
    assert not (mine / "damaged").exists()
    assert is_whole(mine)


@pytest.mark.parametrize("megabytes", [400, 500, 600])
def test_too_little_memory_is_no_damage(mine: Path, megabytes: int) -> None:
    """With 500 MB the engine would hang: it runs out of memory while it tells that it did."""
    code, said = run(limited(f"--as={megabytes * 10**6}"), "salvage", mine)
    if code:
        assert said.startswith(f"StorageError: {mine / 'vectors'} cannot be used (")
        assert "Cannot allocate memory" in said or "Resource temporarily unavailable" in said
        assert f"the limit is {megabytes},000,000" in said
        assert "ulimit -v" in said
    assert code == 1 or megabytes == 600
    assert not (mine / "damaged").exists()
    assert is_whole(mine)


def test_whoever_holds_the_bank_is_named(mine: Path) -> None:
    waiting = (
        "import sys; from freeda_store import Bank; b = Bank.open(sys.argv[1]); print(flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", waiting, str(mine)],
        env=ENVIRONMENT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with pytest.raises(BankInUseError) as caught:
            Bank.open(mine)
        holder.communicate(b"\n")
    said = str(caught.value)
    if Path("/proc/locks").exists():
        assert f"in use by process {holder.pid} of {os.uname().nodename}, started 20" in said
    assert "wait until it ends, or close it" in said
    assert lock_holder(mine / "vectors", mine / "vectors" / "wal") is None


def test_this_process_is_named_as_such(mine: Path) -> None:
    with Bank.open(mine), pytest.raises(BankInUseError, match=r"in use by (this very|another) process"):
        Bank.open(mine)


@pytest.mark.parametrize(
    "number", [errno.EROFS, errno.EPERM, errno.EIO, errno.EDQUOT, errno.EMFILE, errno.EAGAIN]
)
@pytest.mark.parametrize("form", ["{text} (os error {number})", 'Os {{ code: {number}, message: "{text}" }}'])
def test_any_number_of_the_system_is_known(tmp_path: Path, number: int, form: str) -> None:
    told = form.format(number=number, text=os.strerror(number))
    for error in (
        Exception(f"failed to load segment {tmp_path}/a: {told}"),
        BaseException(f"unwrap: {told}"),
    ):
        for made in (refusal(error, tmp_path), opening_error(error, tmp_path, BankDamagedError)):
            assert isinstance(made, StorageError)
            assert not isinstance(made, BankDamagedError)
            assert os.strerror(number) in str(made)


def test_what_nobody_knows_is_not_called_damage(tmp_path: Path) -> None:
    made = opening_error(Exception("failed to load segment: the moon is full"), tmp_path, BankDamagedError)
    assert isinstance(made, StorageError)
    assert not isinstance(made, BankDamagedError)
    assert "the moon is full" in str(made)


def test_missing_files_are_no_fault_of_the_system(tmp_path: Path) -> None:
    assert fault_of("No such file or directory (os error 2)") is None
    assert look(tmp_path / "gone") is None
    assert look(tmp_path) is None


def test_files_are_looked_at_once_for_many_errors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each look reads every file, and a repair may meet an error at every point."""
    now, looks = [0.0], []

    def slow(folder: Path) -> None:
        looks.append(folder)
        now[0] += 1

    monkeypatch.setattr(edge_faults, "look", slow)
    monkeypatch.setattr(edge_faults.time, "monotonic", lambda: now[0])
    for _ in range(10):
        assert isinstance(refusal(Exception("row 3 is out of bounds"), tmp_path), BankDamagedError)
    assert looks == [tmp_path]
    refusal(Exception("row 3 is out of bounds"), tmp_path / "other")
    assert looks == [tmp_path, tmp_path / "other"]
    now[0] += 60
    refusal(Exception("row 3 is out of bounds"), tmp_path)
    assert looks == [tmp_path, tmp_path / "other", tmp_path]
