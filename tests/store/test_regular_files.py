"""Opening what a person names: regular files, and nothing that could be waited for."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from freeda_store.errors import ArchiveError, ThumbnailDamagedError
from freeda_store.files.regular_files import NotRegularFileError, open_regular, read_regular
from freeda_store.sharing.archive import ArchiveSource
from freeda_store.thumbnails.folder import FolderThumbnails


def test_a_file_is_read_by_whatever_link_or_name(tmp_path: Path) -> None:
    file = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    file.write_bytes(b"12345")
    (tmp_path / "link").symlink_to(file)
    for path in (file, tmp_path / "link", str(file)):
        with open_regular(path) as opened:
            assert opened.read() == b"12345"
    assert read_regular(file, 5) == b"12345"
    with pytest.raises(OSError, match="larger than 4 bytes"):
        read_regular(file, 4)


def test_what_is_no_regular_file_is_named(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
    (tmp_path / "link").symlink_to(tmp_path / "pipe")
    cases = {"pipe": "named pipe", "link": "named pipe", "socket": "socket", "/dev/zero": "device"}
    for name, kind in cases.items():
        with pytest.raises(NotRegularFileError, match=f"it is a {kind}, not a file"):
            open_regular(tmp_path / name)
    with pytest.raises(IsADirectoryError):
        open_regular(tmp_path)


def test_what_is_not_there_is_missing(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "nowhere").symlink_to("gone")
    for name in ("gone", "nowhere", "nul\0"):
        with pytest.raises(FileNotFoundError):
            open_regular(tmp_path / name)
    with pytest.raises(OSError, match="symbolic links"):
        open_regular(tmp_path / "loop")


def test_a_pipe_swapped_in_between_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "file")
    (tmp_path / "real").touch()
    monkeypatch.setattr(os, "stat", lambda path, real=os.stat: real(tmp_path / "real"))
    with pytest.raises(NotRegularFileError, match="named pipe"):
        open_regular(tmp_path / "file")


def test_an_archive_that_is_a_pipe_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "bank.freeda")
    with pytest.raises(ArchiveError, match=r"bank\.freeda cannot be opened \(it is a named pipe"):
        ArchiveSource(tmp_path / "bank.freeda")
    with pytest.raises(ArchiveError, match=r"/dev/zero cannot be opened \(it is a device"):
        ArchiveSource(Path("/dev/zero"))


def test_a_thumbnail_that_is_a_pipe_or_huge_is_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = FolderThumbnails(tmp_path)
    key = store.put(b"picture")
    monkeypatch.setattr("freeda_store.thumbnails.folder.MAX_BYTES", 6)
    with pytest.raises(ThumbnailDamagedError, match="larger than 6 bytes"):
        store.get(key)
    [file] = tmp_path.glob("*/*.webp")
    file.unlink()
    os.mkfifo(file)
    with pytest.raises(ThumbnailDamagedError, match="named pipe"):
        store.get(key)
