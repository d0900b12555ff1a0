"""A folder is read by any number of processes while one writes; what they see is committed and whole."""

from __future__ import annotations

import errno
import logging
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from bank_copies import copy_folder
from reading_process import look
from store_makers import NOUNS, TEXT_DIM, WITHOUT_CHECKSUMS, make_generation, text_key
from system_conditions import as_nobody, failing, read_only_mount, small_disk
from warm_processes import WarmProcess, start

from freeda_store import Bank, parse_filter
from freeda_store.errors import BankDamagedError, BankInUseError, ReadOnlyBankError, StorageError
from freeda_store.files.room import held_bytes
from freeda_store.revisions.layout import FOLDER
from freeda_store.sql import reading
from freeda_store.vectors.filters import PointFilter

ROOT = Path(__file__).parents[2]
SCRIPT = Path(__file__).parent / "reading_process.py"
ENVIRONMENT = {
    **os.environ,
    "OMP_NUM_THREADS": "1",
    "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
}
QUERIES = np.stack([text_key(noun) for noun in NOUNS] + [np.ones(TEXT_DIM, np.float32)])


def under(condition: list[str], *words: object) -> str:
    """What the script prints that is run under a condition."""
    command = [*condition, sys.executable, "-B", str(SCRIPT), *map(str, words)]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def end(process: WarmProcess) -> str:
    done = process.wait()
    assert done.returncode == 0, done.stderr
    return done.stdout


def commit(bank: Bank, number: int) -> None:
    with bank.write("m", f"run {number}") as writer:
        writer.add([make_generation(number)])
        writer.commit()


@pytest.fixture
def shared() -> Iterator[Path]:
    """A folder where every user may look: folders of tests are closed to others."""
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        yield Path(place)


def test_it_answers_as_the_writer_does(source: Bank) -> None:
    address = source.address.folder
    for number in [None, *(r.number for r in source.revisions())]:
        name = address if number is None else f"{address}@{number}"
        one = source
        if number is not None:
            one = Bank(source._stores, source.manifest, source.address, source._history().resolve(number).id)
        with Bank.read(name) as other:
            assert other.revision == one.revision
            assert list(other.infos()) == list(one.infos())
            assert other.stats() == one.stats()
            ids = [info.id for info in one.infos()]
            mine, theirs = one.vectors(ids), other.vectors(ids)
            assert mine.ids == theirs.ids
            np.testing.assert_array_equal(mine.text_keys, theirs.text_keys)
            np.testing.assert_array_equal(mine.visuals, theirs.visuals)
            for where in ([], ["noun=car|boat"], ["source!=coco", "contrast>=1.5"], ["license=nothing"]):
                pairs = zip(
                    one.nearest(QUERIES, 7, parse_filter(where)),
                    other.nearest(QUERIES, 7, parse_filter(where)),
                    strict=True,
                )
                for a, b in pairs:
                    assert a.ids == b.ids
                    assert a.infos == b.infos
                    np.testing.assert_allclose(a.similarities, b.similarities, atol=1e-6)
                    np.testing.assert_array_equal(a.visuals, b.visuals)
    with Bank.read(address) as other:
        assert other.diff(1, 2) == source.diff(1, 2)
        assert other.revisions() == source.revisions()


@pytest.mark.slow
def test_two_readers_beside_a_writer(folder: Path) -> None:
    readers = [start(SCRIPT, "read", folder, 12) for _ in range(2)]
    for reader in readers:
        reader.wait_for("reading\n")
    end(start(SCRIPT, "write", folder, 1, 12))
    for reader in readers:
        assert int(end(reader).split()[-1]) >= 2, "it saw some of the revisions in between"


def test_a_reader_outlives_twenty_commits_and_a_repair(bank: Bank) -> None:
    with Bank.read(bank.address.folder) as reader, Bank.read(bank.address.folder) as other:
        assert reader.revision is None
        assert reader.nearest(QUERIES, 3)[0].ids == ()
        for number in range(1, 21):
            commit(bank, number)
            assert look(reader) == number
        (first, *_) = sorted((bank.address.folder / FOLDER).iterdir())
        first.write_bytes(first.read_bytes()[:-1] + b"x")
        assert not bank.verify(repair=True).ok
        assert bank.verify().ok
        for each in (reader, other):
            assert look(each) == 20
        bank.retire(parse_filter(["noun=car"]), "no cars")
        assert "car" not in {info.noun for info in reader.infos()}


@pytest.mark.slow
def test_a_killed_reader_leaves_nothing_behind(folder: Path) -> None:
    end(start(SCRIPT, "write", folder, 1, 2))
    before = sorted(path.relative_to(folder) for path in folder.rglob("*"))
    reader = start(SCRIPT, "read", folder, 4)
    reader.wait_for("reading\n")
    reader.send_signal(signal.SIGKILL)
    assert reader.wait().returncode == -signal.SIGKILL
    assert sorted(path.relative_to(folder) for path in folder.rglob("*")) == before
    end(start(SCRIPT, "write", folder, 3, 3))
    with Bank.open(folder) as bank:
        assert bank.verify().ok


def test_the_first_change_takes_hold_of_the_bank(bank: Bank) -> None:
    commit(bank, 1)
    address = bank.address.folder
    with Bank.read(address) as reader, Bank.read(address) as other:
        changes: list[Callable[[], object]] = [
            reader.require_writable,
            lambda: reader.tag("v1"),
            lambda: reader.write("m", "k"),
            lambda: reader.retire(parse_filter(["noun=car"]), "m"),
            reader.verify,
        ]
        for change in changes:
            with pytest.raises(BankInUseError, match="in use by this very process"):
                change()
        assert look(reader) == 1
        bank.close()
        assert reader.tag("v1").tags == ("v1",)
        commit(reader, 2)
        assert look(reader) == look(other) == 2
        with pytest.raises(BankInUseError):
            other.untag("v1")


def test_what_it_reads_is_refused_to_be_written(bank: Bank) -> None:
    commit(bank, 1)
    with Bank.read(bank.address.folder) as reader:
        vectors = reader._stores.vectors
        writes: tuple[Callable[[], None], ...] = (
            lambda: vectors.upsert([]),
            lambda: vectors.delete([]),
            lambda: vectors.set_payload([], {}),
        )
        for refused in writes:
            with pytest.raises(ReadOnlyBankError, match="opened for reading"):
                refused()
        with pytest.raises(StorageError):
            reader._stores.catalog.set_tag("v1", 1)
    with pytest.raises(StorageError, match="closed; open it again"):
        next(vectors.scroll(PointFilter()))


@pytest.fixture
def old(bank: Bank) -> Path:
    """A bank as earlier versions left it: without files of its revisions."""
    for number in (1, 2):
        commit(bank, number)
    bank.close()
    shutil.rmtree(bank.address.folder / FOLDER)
    return bank.address.folder


def test_a_bank_of_an_earlier_version_is_read_as_it_was(old: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING), Bank.read(old) as reader:
        assert look(reader) == 2
        assert (
            "is read by one process at a time: its database is of an earlier version, or its revisions lack"
            in caplog.text
        )
        with pytest.raises(BankInUseError, match=r"verify --repair`, lets any number read it at once"):
            Bank.read(old)
        assert reader.verify().ok, "it is not damaged"
    assert not (old / FOLDER).exists(), "reading changes nothing"
    with Bank.open(old), Bank.read(old) as reader:
        assert look(reader) == 2
        assert sorted(path.name for path in (old / FOLDER).iterdir()) == [
            "000001-000.safetensors",
            "000002-000.safetensors",
        ]


def test_a_bank_of_the_first_schema_is_upgraded_first(old: Path) -> None:
    with sqlite3.connect(old / "bank.sqlite") as connection:
        for statement in WITHOUT_CHECKSUMS:
            connection.execute(statement)
    with Bank.read(old) as reader:
        assert look(reader) == 2
    with Bank.open(old) as bank:
        assert bank.verify(repair=True).uncompared == 4
    with Bank.open(old), Bank.read(old) as reader:
        assert look(reader) == 2


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "emptied": lambda _: b"",
    "truncated": lambda data: data[:-30],
    "header truncated": lambda data: data[:20],
    "longer": lambda data: data + b"more",
    "another header": lambda data: data.replace(b"freeda revision 1", b"freeda revision 9"),
    "no header": lambda data: b"\xff" * len(data),
}
SILENT: dict[str, Callable[[bytes], bytes]] = {
    "a vector": lambda data: data[:-3] + bytes([data[-3] ^ 4]) + data[-2:],
    "the digest": lambda data: data.replace(b"freeda revision 1, ", b"freeda revision 1, 0"),
    "an id": lambda data: _flipped(data, "ids"),
    "a key": lambda data: _flipped(data, "keys"),
    "whose key": lambda data: _flipped(data, "key_of"),
}


def _flipped(data: bytes, tensor: str) -> bytes:
    """A file with the lowest bit of a tensor's last byte but three flipped."""
    from safetensors import deserialize

    whole = bytes(dict(deserialize(data))[tensor]["data"])
    place = data.rindex(whole) + len(whole) - 4
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


@pytest.mark.parametrize("damage", [*DAMAGES, *SILENT, "gone"])
def test_a_damaged_file_is_named_and_written_anew(bank: Bank, damage: str) -> None:
    for number in (1, 2):
        commit(bank, number)
    folder = bank.address.folder
    expected = [(info.id, info) for info in bank.infos()]
    path = folder / FOLDER / "000002-000.safetensors"
    sound = path.read_bytes()
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes((DAMAGES | SILENT)[damage](sound))
        assert path.read_bytes() != sound
    if damage in DAMAGES:
        with pytest.raises(BankDamagedError, match=r"000002-000.safetensors is damaged .*verify --repair"):
            Bank.read(folder)
    found = bank.verify()
    assert not found.ok
    assert len(found.wrong_files) == 1
    repaired = bank.verify(repair=True)
    assert repaired.mended
    assert repaired.lost == ()
    assert path.read_bytes() == sound
    if damage != "gone":
        kept = Path(repaired.kept_in) / FOLDER / path.name
        assert kept.read_bytes() != sound, "what was replaced is kept"
    with Bank.read(folder) as reader:
        assert [(info.id, info) for info in reader.infos()] == expected
        assert bank.verify().ok


def test_a_file_that_is_cut_while_it_is_mapped_is_an_error_and_no_signal(bank: Bank) -> None:
    commit(bank, 1)
    with Bank.read(bank.address.folder) as reader:
        assert look(reader) == 1
        os.truncate(bank.address.folder / FOLDER / "000001-000.safetensors", 100)
        with pytest.raises(BankDamagedError, match="is damaged"):
            look(reader)


@pytest.mark.parametrize("loss", ["segments", "everything", "one point", "one vector"])
def test_an_engine_is_built_anew_from_the_files(source: Bank, loss: str) -> None:
    """Whatever happened to the engine's own files, nothing that was committed is lost."""
    from freeda_store.salvage import open_to_verify, salvage

    folder = source.address.folder
    with Bank.read(folder) as reader:
        infos = list(reader.infos())
        expected = reader.vectors([info.id for info in infos])
    store = source._stores.vectors
    victim = infos[0].id
    if loss == "one point":
        store.delete([victim])
    elif loss == "one vector":
        from freeda_store.vectors.protocol import Point

        told = store.fetch([victim], texts=True, visuals=True)
        store.upsert([Point(victim, told.texts[0], told.visuals[0] + 1, told.payloads[0])])
    source.close()
    if loss == "segments":
        shutil.rmtree(folder / "vectors" / "segments")
    elif loss == "everything":
        shutil.rmtree(folder / "vectors")
    with Bank.read(folder) as reader:
        assert list(reader.infos()) == infos, "readers need no engine"
    said = salvage(folder)
    assert bool(said) == (loss == "everything")
    with open_to_verify(folder) as opened:
        report = opened.verify(repair=True)
    assert report.mended
    assert report.lost == ()
    assert (len(report.regained) == 1) == loss.startswith("one")
    with Bank.open(folder) as again:
        assert again.verify().ok
        assert list(again.infos()) == infos
        held = again.vectors([info.id for info in infos])
    np.testing.assert_array_equal(held.text_keys, expected.text_keys)
    np.testing.assert_array_equal(held.visuals, expected.visuals)


def test_what_killed_commits_left_is_swept(bank: Bank) -> None:
    commit(bank, 1)
    folder = bank.address.folder / FOLDER
    bank.close()
    strays = [folder / "000007-000.safetensors", folder / ".0123.part"]
    for path in strays:
        path.write_bytes(b"half")
    with Bank.read(bank.address.folder) as reader:
        assert look(reader) == 1
        assert all(path.exists() for path in strays)
    with Bank.open(bank.address.folder) as again:
        assert [path.name for path in folder.iterdir()] == ["000001-000.safetensors"]
        assert again.verify().ok


def test_a_full_disk_stops_the_commit_and_the_same_run_goes_on(
    bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    from freeda_store.revisions import file

    def full(path: Path, data: bytes) -> None:
        path.write_bytes(data[:50])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    with Bank.read(bank.address.folder) as reader:
        with monkeypatch.context() as patch:
            patch.setattr(file, "fill", full)
            with pytest.raises(StorageError, match=r"No space left on device.*free disk space"):
                commit(bank, 1)
        assert reader.revision is None
        assert list((bank.address.folder / FOLDER).iterdir()) == []
        assert bank.verify().ok
        commit(bank, 1)
        assert look(reader) == 1


# where locks and rights are missing


@pytest.fixture
def lockless(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "grants_locks", lambda _: False)


def test_without_locks_copies_are_read_that_are_whole(bank: Bank, lockless: None) -> None:
    """The writer commits as fast as it can; every look sees one moment."""
    del lockless
    with Bank.read(bank.address.folder) as reader:

        def write() -> None:
            for number in range(1, 9):
                commit(bank, number)

        writing = threading.Thread(target=write)
        writing.start()
        seen = set()
        while writing.is_alive():
            seen.add(look(reader))
        writing.join()
        assert look(reader) == 8
        assert seen <= set(range(9))


def killed_in_a_commit(database: Path) -> None:
    """Leave what a writer leaves that is killed while it writes pages: a journal to be taken back."""
    script = f"""
import os, signal, sqlite3
c = sqlite3.connect({str(database)!r}, isolation_level=None)
c.execute("PRAGMA cache_size=2"); c.execute("PRAGMA cache_spill=1"); c.execute("BEGIN")
c.execute("UPDATE prototype SET noun = noun || hex(zeroblob(3000)), contrast = -1")
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", script], check=False)
    assert done.returncode == -signal.SIGKILL
    assert database.with_name("bank.sqlite-journal").stat().st_size > 0


@pytest.mark.parametrize("locks", [True, False])
def test_a_half_written_commit_is_taken_back(
    bank: Bank, locks: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "grants_locks", lambda _: locks)
    for number in range(1, 6):
        commit(bank, number)
    bank.close()
    killed_in_a_commit(bank.address.folder / "bank.sqlite")
    with Bank.read(bank.address.folder) as reader:
        assert look(reader) == 5
        assert {info.noun for info in reader.infos()} <= set(NOUNS)
    left = (bank.address.folder / "bank.sqlite-journal").exists()
    assert left != locks, "a copy leaves the original as it is"


@pytest.mark.slow
@pytest.mark.parametrize("killed", [False, True])
def test_a_folder_of_somebody_else_is_read(shared: Path, bank: Bank, killed: bool) -> None:
    for number in (1, 2):
        commit(bank, number)
    bank.close()
    mine = copy_folder(bank.address.folder, shared / "bank")
    if killed:
        killed_in_a_commit(mine / "bank.sqlite")
    condition = as_nobody(mine)
    assert under(condition, "read", mine, 2) == "reading\n1\n"


@pytest.mark.slow
def test_a_read_only_mount_is_read_without_a_copy(shared: Path, bank: Bank) -> None:
    commit(bank, 1)
    bank.close()
    mine = copy_folder(bank.address.folder, shared / "bank")
    shutil.rmtree(mine / "vectors")  # what readers never touch
    assert under(read_only_mount(mine), "read", mine, 1) == "reading\n1\n"


@pytest.mark.slow
def test_a_file_system_without_locks_is_read(bank: Bank) -> None:
    """Every lock is answered by ENOLCK, as by a network file system whose server grants none."""
    commit(bank, 1)
    folder = bank.address.folder
    bank.close()
    condition = failing("fcntl", "ENOLCK", [folder, folder / "bank.sqlite"])
    assert under(condition, "read", folder, 1) == "reading\n1\n"


@pytest.mark.slow
def test_a_full_disk_in_memory_is_read_in_place(bank: Bank, tmp_path: Path) -> None:
    """The engine's holes take room when they are read; a reader touches none of them."""
    commit(bank, 1)
    folder = bank.address.folder
    bank.close()
    held = sum(held_bytes(path) for path in folder.rglob("*"))
    condition = small_disk(tmp_path / "disk", held // 1024 + 64, folder)
    assert under(condition, "read", tmp_path / "disk" / "bank", 1) == "reading\n1\n"
