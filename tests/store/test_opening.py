"""Making and opening banks, and what can stand in the way."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest
from store_makers import TEXT_DIM, VISUAL_DIM, make_generation, make_manifest

from freeda_store import Bank, ModelRecord, RevisionInfo
from freeda_store.errors import (
    BankDamagedError,
    BankInUseError,
    BankMissingError,
    ManifestMismatchError,
    StorageError,
)


def ingest(bank: Bank, indices: range | list[int], *, key: str = "run", message: str = "m") -> RevisionInfo:
    with bank.write(message, key) as writer:
        writer.add([make_generation(index) for index in indices])
        info = writer.commit()
    assert info is not None
    return info


def test_missing_and_strange_folders(tmp_path: Path) -> None:
    with pytest.raises(BankMissingError, match="freeda ingest"):
        Bank.open(tmp_path / "none")
    full = tmp_path / "full"
    full.mkdir()
    (full / "photo.jpg").write_bytes(b"x")
    with pytest.raises(BankMissingError, match=r"photo\.jpg"):
        Bank.open(full, create=make_manifest())
    with pytest.raises(BankMissingError, match="is a file"):
        Bank.open(full / "photo.jpg", create=make_manifest())
    assert sorted(path.name for path in full.iterdir()) == ["photo.jpg"]


def test_a_half_made_bank_is_made_anew(folder: Path) -> None:
    Bank.open(folder, create=make_manifest()).close()
    (folder / "bank.sqlite").rename(folder / ".x.part")
    (folder / ".x.part-journal").touch()
    with pytest.raises(BankMissingError):
        Bank.open(folder)
    with Bank.open(folder, create=make_manifest()) as bank:
        assert ingest(bank, [1]).number == 1
    assert not list(folder.glob(".*"))


def test_a_bank_that_another_process_makes_meanwhile_is_kept(tmp_path: Path) -> None:
    folder, mkdir, patch = tmp_path / "bank", Path.mkdir, pytest.MonkeyPatch()

    def mkdir_late(path: Path, *given: object, **options: object) -> None:
        patch.undo()
        with Bank.open(folder, create=make_manifest()) as other:
            ingest(other, [1])
        mkdir(path, *given, **options)  # type: ignore[arg-type]

    patch.setattr(Path, "mkdir", mkdir_late)
    with Bank.open(folder, create=make_manifest()) as bank:
        assert len(bank.revisions()) == 1
        assert bank.verify().ok


def test_two_makers_of_one_bank(folder: Path) -> None:
    (folder / "bank.sqlite").rename(folder / ".x.part")
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        with pytest.raises(BankInUseError, match="another process is making a bank"):
            Bank.open(folder, create=make_manifest())
    finally:
        os.close(handle)
    assert (folder / "vectors").is_dir()
    Bank.open(folder, create=make_manifest()).close()


@pytest.mark.parametrize("kind", ["truncated", "empty", "not_a_database"])
def test_damaged_database_is_named(folder: Path, kind: str) -> None:
    with Bank.open(folder, create=make_manifest()) as bank:
        ingest(bank, range(3))
    path = folder / "bank.sqlite"
    data = path.read_bytes()
    path.write_bytes({"truncated": data[:5000], "empty": b"", "not_a_database": b"x" * 5000}[kind])
    with pytest.raises(BankDamagedError, match=r"bank\.sqlite"):
        Bank.open(folder)
    path.write_bytes(data)
    with Bank.open(folder) as bank:
        assert bank.stats().prototypes == 6


def test_missing_vectors_are_named(folder: Path) -> None:
    Bank.open(folder, create=make_manifest()).close()
    (folder / "vectors").rename(folder / "elsewhere")
    with pytest.raises(BankDamagedError, match="holds no vectors"):
        Bank.open(folder)


def test_second_opener_in_another_process(folder: Path) -> None:
    script = "import sys; from freeda_store import Bank; Bank.open(sys.argv[1])"
    with Bank.open(folder, create=make_manifest()) as bank:
        done = subprocess.run(
            [sys.executable, "-c", script, str(folder)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 1
        last = done.stderr.strip().splitlines()[-1]
        assert last.startswith("freeda_store.errors.BankInUseError: the bank in")
        with pytest.raises(BankInUseError, match="in use"):
            Bank.open(folder)
        ingest(bank, [1])


def test_other_models_are_refused(folder: Path) -> None:
    Bank.open(folder, create=make_manifest()).close()
    other = make_manifest(backbone=ModelRecord(id="dino-b", sha256="zz", dim=VISUAL_DIM))
    with pytest.raises(ManifestMismatchError, match=r"backbone.*dino-a.*dino-b"):
        Bank.open(folder, create=other)
    with Bank.open(folder, create=make_manifest(preset="renamed")) as bank:
        with pytest.raises(ManifestMismatchError, match=r"backbone.*dino-a.*dino-b"):
            bank.check(other)
        with pytest.raises(ManifestMismatchError, match=r"clip.*clip-a.*clip-b"):
            bank.check_models({"clip": ModelRecord(id="clip-b", dim=TEXT_DIM)})
        bank.check_models({"clip": ModelRecord(id="/local/folder", sha256="aa", dim=TEXT_DIM)})


def test_importing_and_opening_stay_light(folder: Path) -> None:
    with Bank.open(folder, create=make_manifest()) as bank:
        ingest(bank, range(3))
    script = """
import sys
import freeda_store
from freeda_store import Bank, Filter, Manifest, parse_filter
assert not {"sqlalchemy", "qdrant_edge", "alembic", "PIL"} & set(sys.modules), "importing"
with Bank.open(sys.argv[1]) as bank:
    import numpy
    bank.nearest(numpy.ones((1, 8), numpy.float32), k=3)
    bank.stats()
assert not {"alembic", "qdrant_client", "torch", "PIL"} & set(sys.modules), "opening"
"""
    subprocess.run([sys.executable, "-c", script, str(folder)], check=True)


def test_disk_full_is_named_and_nothing_is_lost(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    ingest(bank, range(2))

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with bank.write("m", "more") as writer:
        with monkeypatch.context() as patch:
            patch.setattr(Path, "replace", full)
            with pytest.raises(StorageError, match=r"No space left on device.*run the same command again"):
                writer.add([make_generation(5)])
        assert bank.verify().ok
        writer.add([make_generation(5)])
        assert writer.commit() is not None
    assert len(list(bank.infos())) == 6
    assert bank.verify().leftovers == 0
