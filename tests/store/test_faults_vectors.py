"""Truncated and missing files of the vectors: one clear sentence, and nothing lost that can be kept."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from uuid import uuid4

import numpy as np
import pytest
import qdrant_edge as engine
import warm_processes
from bank_copies import copy_folder
from store_makers import FILLED_COUNT, TEXT_DIM, make_generation

from freeda_store import Bank
from freeda_store.errors import BankDamagedError, BankInUseError, StorageError
from freeda_store.salvage import open_to_verify, salvage
from freeda_store.vectors.edge import EdgeVectors
from freeda_store.vectors.edge_faults import quiet_panics
from freeda_store.vectors.filters import PointFilter
from freeda_store.vectors.protocol import VectorSizes

ROOT = Path(__file__).parents[2]

FAULTS = {
    "config missing": ("edge_config.json", None),
    "config truncated": ("edge_config.json", 40),
    "ids missing": ("segments/*/mutable_id_tracker.mappings", None),
    "ids truncated": ("segments/*/mutable_id_tracker.mappings", 100),
    "payloads missing": ("segments/*/payload_storage/page_0.dat", None),
    "payloads emptied": ("segments/*/payload_storage/page_0.dat", 0),
    "text vectors missing": ("segments/*/vector_storage-text/vectors/chunk_0.mmap", None),
    "text vectors truncated": ("segments/*/vector_storage-text/vectors/chunk_0.mmap", 100),
    "visual vectors truncated": ("segments/*/vector_storage-visual/vectors/chunk_0.mmap", 100),
    "visual vectors unknown": ("segments/*/vector_storage-visual/vectors/status.dat", None),
    "a panic": ("segments/*/vector_storage-visual/deleted/status.dat", 5),
    "index of payloads": ("segments/*/payload_index/*-noun-null/is_null/status.dat", 8),
    "segment without state": ("segments/*/segment.json", None),
    "log truncated": ("wal/open-1", 0),
}


@pytest.fixture
def damage(tmp_path: Path, filled: Path) -> Callable[[str], Path]:
    """A copy of the filled bank with one fault."""

    def make(fault: str) -> Path:
        folder = copy_folder(filled, tmp_path / "bank")
        pattern, length = FAULTS[fault]
        paths = sorted((folder / "vectors").glob(pattern))
        assert paths, pattern
        for path in paths:
            if length is None:
                path.unlink()
            else:
                os.truncate(path, length)
        return folder

    return make


def use(folder: Path) -> int:
    """Open, search and read: what segmenting does."""
    with Bank.open(folder) as bank:
        (found,) = bank.nearest(np.ones((1, TEXT_DIM), np.float32), 5)
        bank.vectors(found.ids)
        return len(list(bank.infos()))


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_one_sentence_and_is_repaired(
    damage: Callable[[str], Path], fault: str, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = damage(fault)
    with pytest.raises(BankDamagedError) as caught:
        use(folder)
    message = str(caught.value)
    assert str(folder / "vectors") in message
    assert "`freeda bank verify --repair`" in message
    assert "restore the bank from a copy" in message
    assert "\n" not in message
    assert "panicked" not in capfd.readouterr().err
    done = salvage(folder)
    assert not done or "copy of the database" in done[0]
    with open_to_verify(folder) as bank:
        report = bank.verify(repair=True)
    assert (folder / "damaged" / "1" / "bank.sqlite").is_file()
    assert list((folder / "damaged" / "1" / "vectors").rglob("chunk_0.mmap")) or "vectors missing" in fault
    kept = 2 * FILLED_COUNT - len(report.lost)
    assert report.mended == (kept == 2 * FILLED_COUNT)
    assert use(folder) == kept
    with Bank.open(folder) as bank:
        assert bank.verify().ok
        with bank.write("again", "again") as writer:
            writer.add([make_generation(i) for i in range(FILLED_COUNT)])
            writer.commit()
        assert bank.verify().ok
    assert use(folder) == 2 * FILLED_COUNT, "the same captions make anew what was lost"
    assert "panicked" not in capfd.readouterr().err


class Panicking:
    """An engine whose files broke after it was opened."""

    def panic(self, *_: object) -> None:
        os.write(2, b"thread '<unnamed>' panicked at lib/pages.rs:244:9:\nstack backtrace:\n")
        raise BaseException("assertion failed: byte_offset < page_size_bytes")

    scroll = retrieve = query_batch = count = panic


@pytest.mark.parametrize("method", ["scroll", "fetch", "nearest", "count"])
def test_a_panic_while_reading_stays_off_standard_error(
    method: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    class Exact(EdgeVectors):
        exact = True

    store = Exact(Panicking(), tmp_path, VectorSizes(4, 6))
    where = PointFilter()
    calls: dict[str, Callable[[], object]] = {
        "scroll": lambda: list(store.scroll(where)),
        "fetch": lambda: store.fetch([uuid4()]),
        "nearest": lambda: store.nearest(np.ones((1, 4), np.float32), 1, where),
        "count": lambda: store.count(where),
    }
    with pytest.raises(BankDamagedError):
        calls[method]()
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("fault", ["config missing", "index of payloads"])
def test_what_can_be_made_anew_costs_nothing(damage: Callable[[str], Path], fault: str) -> None:
    folder = damage(fault)
    assert f"{2 * FILLED_COUNT} points" in salvage(folder)[-1]
    with Bank.open(folder) as bank:
        assert bank.verify().ok
    assert use(folder) == 2 * FILLED_COUNT


@pytest.mark.parametrize(("name", "length"), [("tracker.dat", None), ("config.json", 9), ("page_0.dat", 0)])
def test_payloads_that_cannot_be_read_come_back_from_the_database(
    filled: Path, tmp_path: Path, name: str, length: int | None
) -> None:
    folder = copy_folder(filled, tmp_path / "bank")
    (path,) = (folder / "vectors").glob(f"segments/*/payload_storage/{name}")
    if length is None:
        path.unlink()
    else:
        os.truncate(path, length)
    with pytest.raises((BankDamagedError, StorageError)):
        use(folder)
    salvage(folder)
    with open_to_verify(folder) as bank:
        report = bank.verify(repair=True)
        assert len(report.wrong_payloads) == 2 * FILLED_COUNT
        assert (report.lost, report.mended) == ((), True)
    with Bank.open(folder) as mended, Bank.open(copy_folder(filled, tmp_path / "whole")) as whole:
        assert list(mended.infos()) == list(whole.infos())


def test_an_engine_that_refuses_everything_empties_no_bank(
    filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = copy_folder(filled, tmp_path / "bank")

    def refuse(*_: object) -> None:
        raise Exception("Service runtime error: something that nobody has seen before")

    shard = engine.EdgeShard
    monkeypatch.setattr(engine, "EdgeShard", SimpleNamespace(load=refuse, create=shard.create))
    with pytest.raises(StorageError, match="something that nobody has seen before"):
        salvage(folder)
    assert sorted(path.name for path in folder.iterdir()) == [
        "bank.sqlite",
        "revisions",
        "thumbnails",
        "vectors",
    ]
    monkeypatch.undo()
    assert use(folder) == 2 * FILLED_COUNT


def test_the_whole_folder_of_vectors_missing(filled: Path, tmp_path: Path) -> None:
    folder = copy_folder(filled, tmp_path / "bank")
    (folder / "vectors").rename(tmp_path / "elsewhere")
    shutil.rmtree(folder / "revisions")
    with pytest.raises(BankDamagedError, match="holds no vectors"):
        use(folder)
    salvage(folder)
    with open_to_verify(folder) as bank:
        report = bank.verify(repair=True)
        assert len(report.lost) == len(report.rows_without_point) == report.prototypes == 2 * FILLED_COUNT
    assert use(folder) == 0


def test_semantic_vectors_that_cannot_be_written_are_repaired_at_once(filled: Path, tmp_path: Path) -> None:
    """The engine opens such files, reads none of the vectors, and refuses to write them."""
    folder = copy_folder(filled, tmp_path / "bank")
    (place,) = (folder / "vectors").glob("segments/*/vector_storage-semantic/vectors")
    (place / "status.dat").rename(place / "kept")
    (place / "chunk_0.mmap").rename(place / "status.dat")
    (place / "kept").rename(place / "chunk_0.mmap")
    assert salvage(folder) == []
    with open_to_verify(folder) as bank:
        report = bank.verify(repair=True)
        assert report.wrong_semantics
        assert report.mended
        assert report.kept_in == str(folder / "damaged" / "1")
        assert bank.verify().ok
    assert use(folder) == 2 * FILLED_COUNT


def test_a_whole_segment_is_kept_beside_a_broken_one(filled: Path, tmp_path: Path) -> None:
    """Two segments hold the same points here, so that every prototype outlives one of them."""
    folder = copy_folder(filled, tmp_path / "bank")
    (segment,) = [path for path in (folder / "vectors" / "segments").iterdir() if path.is_dir()]
    shutil.copytree(segment, segment.with_name("0" * 8 + segment.name[8:]))
    (segment / "segment.json").unlink()
    with pytest.raises(BankDamagedError, match=r"segment\.json"):
        use(folder)
    done = salvage(folder)
    assert segment.name in done[1]
    kept = folder / "damaged" / "1" / "vectors" / "segments"
    assert (kept / segment.name / "version.info").is_file()
    assert use(folder) == 2 * FILLED_COUNT


def test_sound_banks_are_left_alone(filled: Path, tmp_path: Path) -> None:
    folder = copy_folder(filled, tmp_path / "bank")
    assert salvage(folder) == []
    assert salvage(tmp_path / "none") == []
    assert not (folder / "damaged").exists()
    with Bank.open(folder), pytest.raises(BankInUseError):
        salvage(folder)


@pytest.mark.parametrize("refusal", ["Permission denied (os error 13)", "Too many open files (os error 24)"])
@pytest.mark.parametrize("when", ["load", "scroll"])
def test_what_the_system_refuses_is_no_damage(
    filled: Path, tmp_path: Path, refusal: str, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = copy_folder(filled, tmp_path / "bank")
    file = folder / "vectors" / "segments" / "a" / "segment.json"

    def refuse(*_: object, **__: object) -> None:
        raise Exception(f"Service internal error: failed to open file `{file}`: {refusal}, not readable")

    load = engine.EdgeShard.load
    shard = SimpleNamespace(close=lambda: None, scroll=refuse)
    monkeypatch.setattr(
        engine, "EdgeShard", SimpleNamespace(load=refuse if when == "load" else lambda *_: shard)
    )
    reason = refusal.partition(" (")[0]
    with pytest.raises(StorageError, match=rf"^{file} cannot be used \({reason}[^)]*\); \w+"):
        salvage(folder)
    assert sorted(path.name for path in folder.iterdir()) == [
        "bank.sqlite",
        "revisions",
        "thumbnails",
        "vectors",
    ]
    monkeypatch.setattr(engine, "EdgeShard", SimpleNamespace(load=load))
    assert salvage(folder) == []


def test_rows_of_an_open_revision_do_not_count(filled: Path, tmp_path: Path) -> None:
    """A power cut may lose points of an open revision; the bank opens, and the run is resumed."""
    folder = copy_folder(filled, tmp_path / "bank")
    with Bank.open(folder) as bank, bank.write("more", "more") as writer:
        writer.add([make_generation(99)])
        bank._stores.vectors.delete(list(bank._stores.catalog.prototype_ids(2)))
    assert use(folder) == 2 * FILLED_COUNT


def test_only_panics_are_kept_off_standard_error(capfd: pytest.CaptureFixture[str]) -> None:
    with quiet_panics():
        os.write(2, b"words of another library\n")
    assert capfd.readouterr().err == "words of another library\n"
    with quiet_panics():
        os.write(2, b"thread '<unnamed>' panicked at src/lib.rs:1\n")
    assert capfd.readouterr().err == ""


@pytest.mark.slow
def test_the_command_regains_all_from_the_files_of_revisions(damage: Callable[[str], Path]) -> None:
    folder = damage("a panic")
    done = warm_processes.run("freeda_cli", "bank", "verify", "--repair", "--bank", folder)
    assert done.returncode == 0, done.stderr
    assert f"{2 * FILLED_COUNT} of them have their vectors from the files of revisions" in done.stderr
    assert use(folder) == 2 * FILLED_COUNT


@pytest.mark.slow
def test_the_command_repairs(damage: Callable[[str], Path]) -> None:
    """Of a bank without files of its revisions, as earlier versions made it."""
    folder = damage("a panic")
    shutil.rmtree(folder / "revisions")

    def freeda(*arguments: str) -> subprocess.CompletedProcess[str]:
        return warm_processes.run("freeda_cli", "bank", *arguments, "--bank", folder)

    for command in ("stats", "verify"):
        done = freeda(command)
        assert done.returncode == 1
        said = [line for line in done.stderr.splitlines() if "lack files" not in line]
        assert len(said) == 1, done.stderr
        assert said[0].startswith("error: ")
        assert "verify --repair" in done.stderr
    repaired = freeda("verify", "--repair")
    assert repaired.returncode == 1, "prototypes were lost"
    assert f"of {2 * FILLED_COUNT} prototypes 0 could be kept" in repaired.stdout
    assert f"{folder}/damaged/1" in repaired.stderr
    assert "panicked" not in repaired.stderr
    assert "prototypes without vectors" in repaired.stdout
    assert freeda("verify").returncode == 0
