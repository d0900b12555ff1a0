"""What may be overwritten: what freeda wrote; others by force; inputs, banks and what is no file never."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from store_makers import make_generation

from freeda_store import Bank, export_table
from freeda_store.errors import ArchiveExistsError, OverwriteError
from freeda_store.files.own_files import file_ids, is_ours, require_free
from freeda_store.files.whole_files import replaced, written_whole
from freeda_store.sharing.archive import export_bank


@pytest.fixture
def filled(bank: Bank) -> Bank:
    with bank.write("m", "run") as writer:
        writer.add([make_generation(i) for i in range(3)])
        writer.commit()
    return bank


def test_files_of_others_need_force(tmp_path: Path) -> None:
    theirs = tmp_path / "thesis.png"
    theirs.write_bytes(b"\x89PNG of somebody")
    with pytest.raises(OverwriteError, match=r"thesis.png exists and was not written by freeda.*--force"):
        require_free([tmp_path / "new", theirs])
    require_free([theirs], force=True)
    (tmp_path / "empty").touch()
    require_free([tmp_path / "empty", tmp_path / "new" / "deeper"])


@pytest.mark.parametrize("link", ["itself", "hard", "symbolic", "other spelling"])
def test_inputs_are_never_overwritten(tmp_path: Path, link: str) -> None:
    source, target = tmp_path / "a.png", tmp_path / "b.png"
    source.write_bytes(b"")
    if link == "itself":
        target = source
    elif link == "hard":
        os.link(source, target)
    elif link == "symbolic":
        target.symlink_to(source)
    else:
        target = tmp_path / "." / "x" / ".." / "a.png"
        (tmp_path / "x").mkdir()
    for force in (False, True):
        with pytest.raises(OverwriteError, match="input of this command"):
            require_free([target], inputs=file_ids([source, tmp_path / "gone"]), force=force)


def test_what_is_no_file_is_never_overwritten(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        kinds = {"pipe": "a pipe", "folder": "a folder", "socket": "a socket", "nowhere": "a link that leads"}
        for name, kind in {**kinds, "/dev/null": "a device"}.items():
            with pytest.raises(OverwriteError, match=f"is {kind}"):
                require_free([tmp_path / name], force=True)
            if name != "nowhere":
                with pytest.raises(OSError, match="it is a"), replaced(tmp_path / name) as part:
                    part.write_bytes(b"new")
    assert Path("/dev/null").is_char_device()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "nowhere", "pipe", "socket"]


def test_a_bank_is_never_overwritten(filled: Bank, folder: Path) -> None:
    thumbnail = next(folder.glob("thumbnails/*/*.webp"))
    page = next(folder.glob("vectors/**/page_0.dat"))
    for path in (folder / "bank.sqlite", thumbnail, page):
        with pytest.raises(OverwriteError, match="belongs to a bank"):
            require_free([path], force=True)
    require_free([folder / "overview.png"])


def test_a_link_stays_and_its_file_is_replaced(tmp_path: Path) -> None:
    target, link = tmp_path / "real.txt", tmp_path / "link.txt"
    target.write_text("old")
    link.symlink_to(target)
    with written_whole(link) as part:
        part.write_text("new")
    assert link.is_symlink()
    assert target.read_text() == "new"


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o002, 0o664), (0o077, 0o600)])
def test_files_are_as_open_as_the_umask_says(bank: Bank, tmp_path: Path, umask: int, mode: int) -> None:
    before = os.umask(umask)
    try:
        key = bank._stores.thumbnails.put(b"x" * umask)
        export_table(bank, tmp_path / "table.csv")
    finally:
        os.umask(before)
    thumbnail = bank.address.folder / "thumbnails" / key[:2] / f"{key}.webp"
    for path in (thumbnail, tmp_path / "table.csv"):
        assert path.stat().st_mode & 0o777 == mode, path


@pytest.mark.parametrize("name", ["table.csv", "table.parquet"])
def test_tables_replace_tables_only(filled: Bank, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    assert export_table(filled, path) == 6
    assert export_table(filled, path) == 6, "one of ours is replaced"
    path.write_bytes(b"id,mine\n1,2\n")
    with pytest.raises(OverwriteError, match="was not written by freeda"):
        export_table(filled, path)
    assert path.read_bytes() == b"id,mine\n1,2\n"
    assert export_table(filled, path, force=True) == 6


def test_a_parquet_file_of_others_is_not_ours(filled: Bank, tmp_path: Path) -> None:
    from pyarrow import parquet

    export_table(filled, tmp_path / "ours.parquet")
    assert is_ours(tmp_path / "ours.parquet")
    table = parquet.read_table(tmp_path / "ours.parquet").replace_schema_metadata(None)
    parquet.write_table(table, tmp_path / "theirs.parquet")
    assert not is_ours(tmp_path / "theirs.parquet")


def test_an_archive_replaces_no_pipe_and_no_folder(filled: Bank, tmp_path: Path, folder: Path) -> None:
    filled.close()
    os.mkfifo(tmp_path / "pipe")
    for force in (False, True):
        kinds = {tmp_path / "pipe": "a pipe", Path("/dev/null"): "a device", tmp_path: "a folder"}
        for path, kind in kinds.items():
            with pytest.raises(OverwriteError, match=f"is {kind}"):
                export_bank(folder, path, force=force)
    (tmp_path / "file.zip").write_bytes(b"mine")
    with pytest.raises(ArchiveExistsError):
        export_bank(folder, tmp_path / "file.zip")
    with pytest.raises(OverwriteError, match="belongs to a bank"):
        export_bank(folder, folder / "bank.sqlite", force=True)
    export_bank(folder, tmp_path / "file.zip", force=True)
    assert Path("/dev/null").is_char_device()


def _write_and_be_killed(path: Path) -> None:
    """Be killed half way through writing a file, in a process of its own."""
    script = (
        "import os, signal, sys\nfrom pathlib import Path\n"
        "from freeda_store.files.whole_files import replaced\n"
        "with replaced(Path(sys.argv[1])) as part:\n"
        "    part.write_bytes(b'half')\n    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    ended = subprocess.run([sys.executable, "-c", script, str(path)], check=False, env={**os.environ})
    assert ended.returncode == -signal.SIGKILL


def test_what_a_killed_writer_left_is_used_by_the_next(tmp_path: Path) -> None:
    path = tmp_path / "sheet.png"
    path.write_bytes(b"old")
    for _ in range(2):
        _write_and_be_killed(path)
    assert path.read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 2
    with replaced(path) as part:
        assert part.read_bytes() == b""
        part.write_bytes(b"new")
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_writers_at_the_same_time_have_a_file_each(tmp_path: Path) -> None:
    path = tmp_path / "sheet.png"
    with replaced(path) as first:
        first.write_bytes(b"first")
        with replaced(path) as second:
            assert second != first
            second.write_bytes(b"second")
        assert path.read_bytes() == b"second"
        assert first.read_bytes() == b"first"
    assert path.read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("kind", ["link", "hard link", "pipe", "folder"])
def test_what_bears_the_name_of_a_part_is_let_be(tmp_path: Path, kind: str) -> None:
    path, mine = tmp_path / "sheet.png", tmp_path / "mine.txt"
    mine.write_text("mine")
    with replaced(path) as part:
        part.write_bytes(b"x")
    if kind == "link":
        part.symlink_to(mine)
    elif kind == "hard link":
        part.hardlink_to(mine)
    elif kind == "pipe":
        os.mkfifo(part)
    else:
        part.mkdir()
    with replaced(path) as other:
        other.write_bytes(b"y")
    assert other != part
    assert (path.read_bytes(), mine.read_text()) == (b"y", "mine")
    assert os.path.lexists(part)
