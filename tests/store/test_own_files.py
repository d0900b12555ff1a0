"""What may be overwritten: what freeda wrote; others by force; inputs, banks and what is no file never."""

from __future__ import annotations

import os
import socket
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
