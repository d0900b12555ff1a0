"""A bank in one file: out and in again, and what must not come in."""

from __future__ import annotations

import fcntl
import io
import json
import re
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from archive_makers import Members, fill, look, remake
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from store_makers import make_generation, make_manifest

from freeda_store import Bank
from freeda_store.errors import (
    ArchiveError,
    ArchiveExistsError,
    BankInUseError,
    DivergedError,
    ManifestMismatchError,
    NewerArchiveError,
    OverwriteError,
    StorageError,
)
from freeda_store.sharing.archive import ArchiveSource, export_bank, import_bank
from freeda_store.sharing.copy import CopyProgress
from freeda_store.sharing.parts import PART_GENERATIONS


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bank with every kind of revision; nobody writes to it."""
    made = tmp_path_factory.mktemp("filled") / "bank"
    Bank.open(made, create=make_manifest()).close()
    fill(made)
    return made


@pytest.fixture(scope="module")
def archive(filled: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("archive") / "bank.zip"
    export_bank(filled, path)
    return path


def contents(path: Path) -> list[Any]:
    """All that an archive gives, as it would reach a bank."""
    with ArchiveSource(path) as source:
        found: list[Any] = [source.manifest(), source.records(), source.tags()]
        for record in source.records():
            for part in source.parts(record.id):
                found.append([part.generations, part.thumbnails])
                found.append([array.tobytes() for array in (part.texts, part.visuals)])
            found.append(source.retirements(record.id))
        return found


# out and in


def test_every_version_comes_back(filled: Path, archive: Path, tmp_path: Path) -> None:
    report = import_bank(archive, tmp_path / "copy")
    assert report.revisions == (1, 2, 3, 4, 5)
    assert (report.prototypes, report.tags) == (20, ("v1", "v2"))
    assert look(tmp_path / "copy") == look(filled)
    assert import_bank(archive, tmp_path / "copy").nothing_new


def test_the_same_bank_gives_the_same_bytes(filled: Path, archive: Path, tmp_path: Path) -> None:
    import_bank(archive, tmp_path / "copy")
    export_bank(tmp_path / "copy", tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == archive.read_bytes()


def test_an_older_bank_gets_what_is_new(filled: Path, archive: Path, tmp_path: Path) -> None:
    export_bank(f"{filled}@v1", tmp_path / "old.zip")
    assert import_bank(tmp_path / "old.zip", tmp_path / "copy").revisions == (1,)
    assert import_bank(archive, tmp_path / "copy").revisions == (2, 3, 4, 5)
    assert look(tmp_path / "copy") == look(filled)
    assert import_bank(tmp_path / "old.zip", tmp_path / "copy").ahead == 4


def test_a_revision_of_several_parts(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("reading", "layout_source", "checking"):
        monkeypatch.setattr(f"freeda_store.sharing.{module}.PART_GENERATIONS", 4)
    with Bank.open(folder) as bank, bank.write("ten", "ten") as writer:
        writer.add([make_generation(index) for index in range(10)])
        writer.commit()
    told: list[CopyProgress] = []
    export_bank(folder, tmp_path / "bank.zip", progress=told.append)
    assert [progress.prototypes for progress in told] == [0, 8, 16, 20]
    import_bank(tmp_path / "bank.zip", tmp_path / "copy")
    assert look(tmp_path / "copy") == look(folder)


def swapped(members: Members) -> Members:
    """The first two parts in each other's place, in the index too."""

    def other(name: str) -> str:
        return re.sub("part-0000([01])", lambda found: f"part-0000{1 - int(found[1])}", name)

    info, content = members[-1]
    index = json.loads(content)
    index["files"] = {other(name): entry for name, entry in index["files"].items()}
    moved = [(zipfile.ZipInfo(other(i.filename)), data) for i, data in members[:-1]]
    return [*moved, (info, json.dumps(index).encode())]


def test_parts_in_another_order(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("reading", "layout_source", "checking"):
        monkeypatch.setattr(f"freeda_store.sharing.{module}.PART_GENERATIONS", 4)
    with Bank.open(folder) as bank, bank.write("eight", "eight") as writer:
        writer.add([make_generation(index) for index in range(8)])
        writer.commit()
    export_bank(folder, tmp_path / "bank.zip")
    data = (tmp_path / "bank.zip").read_bytes()
    (tmp_path / "bank.zip").write_bytes(remake(data, swapped))
    with pytest.raises(ArchiveError, match=r"part 1 of revision 1 .* does not follow the part before it"):
        import_bank(tmp_path / "bank.zip", tmp_path / "copy")
    with Bank.open(tmp_path / "copy") as copy:
        assert copy.revisions() == []


def test_an_empty_bank(folder: Path, tmp_path: Path) -> None:
    export_bank(folder, tmp_path / "bank.zip")
    import_bank(tmp_path / "bank.zip", tmp_path / "copy")
    with Bank.open(tmp_path / "copy") as copy:
        assert copy.revisions() == []
        assert copy.manifest == make_manifest()


def test_another_bank_is_refused(archive: Path, folder: Path, tmp_path: Path) -> None:
    with Bank.open(folder) as bank, bank.write("other", "other") as writer:
        writer.add([make_generation(99)])
        writer.commit()
    with pytest.raises(DivergedError, match="revision 1"):
        import_bank(archive, folder)
    Bank.open(tmp_path / "models", create=make_manifest(key_strategy="span")).close()
    with pytest.raises(ManifestMismatchError, match="key_strategy"):
        import_bank(archive, tmp_path / "models")


def test_a_thumbnail_that_is_gone_is_counted_and_left_out(filled: Path, folder: Path, tmp_path: Path) -> None:
    fill(folder)
    lost = next((folder / "thumbnails").glob("*/*.webp"))
    lost.unlink()
    report = export_bank(folder, tmp_path / "bank.zip")
    assert report.missing_thumbnails >= 1
    import_bank(tmp_path / "bank.zip", tmp_path / "copy")
    with Bank.open(tmp_path / "copy") as copy:
        assert copy.verify().missing_thumbnails == (lost.stem,)


def test_prototypes_that_never_had_a_picture(folder: Path, tmp_path: Path) -> None:
    drawn = make_generation(1)
    bare = tuple(replace(prototype, attribution_hw=None) for prototype in drawn.prototypes)
    with Bank.open(folder) as bank, bank.write("bare", "bare") as writer:
        writer.add([replace(drawn, image_hwc=None, prototypes=bare)])
        writer.commit()
        expected = list(bank.infos())
    assert export_bank(folder, tmp_path / "bank.zip").missing_thumbnails == 0
    import_bank(tmp_path / "bank.zip", tmp_path / "copy")
    with Bank.open(tmp_path / "copy") as copy:
        assert list(copy.infos()) == expected
        assert copy.verify().ok


# the file itself


def test_a_file_is_not_overwritten_unasked(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "bank.zip"
    path.write_text("mine")
    with pytest.raises(ArchiveExistsError, match="--force"):
        export_bank(folder, path)
    assert path.read_text() == "mine"
    export_bank(folder, path, force=True)
    assert zipfile.is_zipfile(path)
    with pytest.raises(OverwriteError, match="is a folder"):
        export_bank(folder, tmp_path, force=True)


def test_a_failure_leaves_nothing(filled: Path, tmp_path: Path) -> None:
    def fail(progress: CopyProgress) -> None:
        raise StorageError("the disk is gone")

    with pytest.raises(StorageError):
        export_bank(filled, tmp_path / "bank.zip", progress=fail)
    assert not list(tmp_path.iterdir())


def test_a_killed_export_leaves_no_archive_and_the_next_one_works(filled: Path, tmp_path: Path) -> None:
    path = tmp_path / "bank.zip"
    program = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from freeda_store.sharing.archive import ArchiveSink, export_bank\n"
        "ArchiveSink.end = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "export_bank(sys.argv[1], Path(sys.argv[2]))\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(filled), str(path)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert [left.name for left in tmp_path.iterdir()] == [".bank.zip.partial"]
    export_bank(filled, path)
    assert [left.name for left in tmp_path.iterdir()] == ["bank.zip"]
    assert contents(path)


def test_two_exports_to_one_file(folder: Path, tmp_path: Path) -> None:
    with (tmp_path / ".bank.zip.partial").open("wb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(BankInUseError, match="another export"):
            export_bank(folder, tmp_path / "bank.zip")
    assert not (tmp_path / "bank.zip").exists()


def test_a_place_that_cannot_be_written(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="file"):
        export_bank(folder, tmp_path / "file" / "bank.zip")


# what must not come in


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    return tmp_path / "broken.zip"


@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_flipped_byte_is_found_or_changes_nothing(data: st.DataObject, archive: Path, broken: Path) -> None:
    content = bytearray(archive.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1) | st.integers(len(content) - 6000, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    broken.write_bytes(content)
    with suppress(ArchiveError):
        assert contents(broken) == contents(archive)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_truncated_archive_is_one_clear_sentence(data: st.DataObject, archive: Path, broken: Path) -> None:
    content = archive.read_bytes()
    broken.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
    with pytest.raises(ArchiveError, match="cut short"):
        contents(broken)


def test_what_was_imported_stays_and_a_sound_copy_goes_on(
    filled: Path, archive: Path, broken: Path, tmp_path: Path
) -> None:
    name = "revisions/00003/part-00000/vectors.safetensors"
    with zipfile.ZipFile(archive) as opened:
        place = opened.getinfo(name).header_offset + 200
    content = bytearray(archive.read_bytes())
    content[place] ^= 1
    broken.write_bytes(content)
    with pytest.raises(ArchiveError, match=f"{name} cannot be read"):
        import_bank(broken, tmp_path / "copy")
    with Bank.open(tmp_path / "copy") as copy:
        assert [revision.number for revision in copy.revisions()] == [1, 2]
        assert copy.verify().ok
    assert import_bank(archive, tmp_path / "copy").revisions == (3, 4, 5)
    assert look(tmp_path / "copy") == look(filled)


def edit_index(**changes: object) -> Any:
    def change(members: Members) -> Members:
        (info, content) = members[-1]
        return [*members[:-1], (info, json.dumps(json.loads(content) | changes).encode())]

    return change


def rename(old: str, new: str) -> Any:
    """Rename a member, in the index too."""

    def change(members: Members) -> Members:
        info, content = members[-1]
        index = json.loads(content)
        index["files"][new] = index["files"].pop(old)
        others = [(zipfile.ZipInfo(new if i.filename == old else i.filename), c) for i, c in members[:-1]]
        return [*others, (info, json.dumps(index).encode())]

    return change


def twice(members: Members) -> Members:
    return [members[0], *members]


def stranger(members: Members) -> Members:
    return [(zipfile.ZipInfo("../../outside"), b"hello"), *members]


def deflated(members: Members) -> Members:
    members[0][0].compress_type = zipfile.ZIP_DEFLATED
    return members


def no_index(members: Members) -> Members:
    return members[:-1]


RETIRED = "revisions/00001/retirements.parquet"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (rename(RETIRED, "../../outside.parquet"), "its files are not those"),
        (rename(RETIRED, "/etc/outside.parquet"), "its files are not those"),
        (rename(RETIRED, "revisions/1/retirements.parquet"), "its files are not those"),
        (stranger, "other members"),
        (twice, "twice"),
        (deflated, "compressed member"),
        (no_index, "no freeda-bank.json"),
        (edit_index(format="zoo"), "no freeda bank"),
        (edit_index(format_version=0), "unknown format 0"),
        (edit_index(files={}), "its files are not those"),
        (edit_index(tags={"../x": 1}), "tag"),
        (edit_index(tags={"v9": 9}), "tag"),
        (edit_index(revisions=[], tags={}), "its files are not those"),
        (edit_index(surprise=1), "surprise"),
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_an_archive_that_nobody_exported(change: Any, said: str, archive: Path, broken: Path) -> None:
    broken.write_bytes(remake(archive.read_bytes(), change))
    with pytest.raises(ArchiveError, match=said):
        contents(broken)
    assert [path.name for path in broken.parent.iterdir()] == [broken.name]


def test_a_newer_format_asks_for_a_newer_freeda(archive: Path, broken: Path) -> None:
    broken.write_bytes(remake(archive.read_bytes(), edit_index(format_version=2, whatever={})))
    with pytest.raises(NewerArchiveError, match="install a newer freeda"):
        contents(broken)


def test_a_directory_that_lies_about_sizes(archive: Path, broken: Path) -> None:
    content = archive.read_bytes()
    with zipfile.ZipFile(archive) as opened:
        start, info = opened.start_dir, opened.infolist()[0]
    size = info.file_size.to_bytes(4, "little")
    lied = content[:start] + content[start:].replace(size, (2**30).to_bytes(4, "little"), 2)
    broken.write_bytes(lied)
    with pytest.raises(ArchiveError, match="claims more than its size"):
        contents(broken)


@pytest.mark.parametrize("text", ["", "[" * 100_000, "{}", "null", '{"format": "freeda-bank"}', "\ud800"])
def test_an_index_that_is_none(text: str, archive: Path, broken: Path) -> None:
    data = text.encode("utf-8", "surrogatepass")
    broken.write_bytes(remake(archive.read_bytes(), lambda members: [*members[:-1], (members[-1][0], data)]))
    with pytest.raises(ArchiveError, match="not valid"):
        contents(broken)


def test_other_files_are_no_archives(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="cannot be opened"):
        ArchiveSource(tmp_path / "none.zip")
    with pytest.raises(ArchiveError, match="cannot be opened"):
        ArchiveSource(tmp_path)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as other:
        other.writestr("hello.txt", "hello")
    (tmp_path / "other.zip").write_bytes(buffer.getvalue())
    with pytest.raises(ArchiveError, match=r"no freeda-bank\.json"):
        ArchiveSource(tmp_path / "other.zip")


def test_nothing_but_the_parts_in_hand_is_read(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    whole = ArchiveSource._read_member

    def noted(self: ArchiveSource, name: str, size: int) -> bytes:
        read.append(name)
        return whole(self, name, size)

    monkeypatch.setattr(ArchiveSource, "_read_member", noted)
    with ArchiveSource(archive) as source:
        parts: Iterator[Any] = source.parts(source.records()[0].id)
        assert read == ["freeda-bank.json"]
        next(parts)
        assert {name.rpartition("/")[0] for name in read[1:]} == {"revisions/00001/part-00000"}
    assert PART_GENERATIONS == 256  # a part of every archive there is
