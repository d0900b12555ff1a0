"""Files and ZIP archives that a browser sends, put into a folder that they cannot leave.

An archive is unpacked member by member. Nothing in it decides where it goes but names below its folder; no
links are made; what it claims and what comes out of it are both counted. Pictures are not decoded here:
those of too many pixels are refused where they are read.
"""

from __future__ import annotations

import re
import stat
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO

from freeda_store.files.whole_files import writing
from freeda_studio.errors import RequestError, TooLargeError

MOST_FILES = 50_000
"""Of one work."""

_CHUNK = 2**20
_DEEPEST = 16
_LONGEST_NAME = 200
_ENCRYPTED = 0x1
_KINDS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_LEFT_OUT = frozenset({"__MACOSX", "Thumbs.db", "desktop.ini"})
_BROKEN = (zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, EOFError, ValueError, NotImplementedError)


@dataclass(frozen=True, eq=False)
class Upload:
    """A file that was sent.

    Attributes:
        name: as the browser tells it; of a folder's file with the folders before it.
        file: to be read from its beginning.
    """

    name: str
    file: BinaryIO


class Intake:
    """Takes what is sent for one work.

    Args:
        most_bytes: of all that is kept.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = self._bytes = most_bytes
        self._files = MOST_FILES

    def take(self, uploads: Sequence[Upload], folder: Path) -> None:
        """Put files into a folder; archives are unpacked there.

        Raises:
            RequestError: a name leads out of the folder, comes twice, or an archive is damaged.
            TooLargeError: it is too much.
            StorageError: the disk is full.
        """
        for each in uploads:
            if each.name.lower().endswith(".zip"):
                self._unpack(each, folder)
            elif (parts := _parts(each.name)) is not None:
                self._write(_chunks(each.file), folder.joinpath(*parts), each.name)

    def put(self, upload: Upload, path: Path) -> None:
        """Keep one file as it is, by a name of our own.

        Raises:
            TooLargeError, StorageError: as :meth:`take`.
        """
        self._write(_chunks(upload.file), path, upload.name)

    def _unpack(self, upload: Upload, folder: Path) -> None:
        with _sound(upload.name), zipfile.ZipFile(upload.file) as archive:
            members = [info for info in archive.infolist() if not info.is_dir()]
            self._check(upload.name, members)
            for info in members:
                parts = _parts(info.filename)
                if parts is not None:
                    with archive.open(info) as member:
                        self._write(_chunks(member), folder.joinpath(*parts), info.filename)

    def _check(self, name: str, members: Sequence[zipfile.ZipInfo]) -> None:
        """Refuse an archive by what it says of itself, before anything is written."""
        if len(members) > self._files:
            raise TooLargeError(f"{_shown(name)} holds more than {MOST_FILES:,} files; send fewer.")
        if sum(info.file_size for info in members) > self._bytes:
            raise self._too_large()
        for info in members:
            if info.flag_bits & _ENCRYPTED or info.compress_type not in _KINDS:
                raise RequestError(
                    f"{_shown(name)} is encrypted or packed in a rare way; make it anew as a plain ZIP file."
                )
            if stat.S_ISLNK(info.external_attr >> 16):
                raise RequestError(
                    f"{_shown(name)} holds a link, {_shown(info.filename)}; put the file in its place."
                )

    def _write(self, chunks: Iterator[bytes], path: Path, name: str) -> None:
        self._files -= 1
        if self._files < 0:
            raise TooLargeError(f"more than {MOST_FILES:,} files were sent; send fewer.")
        try:
            with writing(path):
                try:
                    path.parent.mkdir(parents=True, exist_ok=True)
                    file = path.open("xb")
                except (FileExistsError, NotADirectoryError) as error:
                    raise RequestError(f"{_shown(name)} comes twice; give each file its own name.") from error
                with file:
                    for chunk in chunks:
                        self._bytes -= len(chunk)
                        if self._bytes < 0:
                            raise self._too_large()
                        file.write(chunk)
        except UnicodeEncodeError as error:
            raise RequestError(f"{_shown(name)} has a name that no file can have; rename it.") from error

    def _too_large(self) -> TooLargeError:
        return TooLargeError(
            f"what was sent comes to more than {self._most_bytes / 2**20:,.0f} MiB unpacked; send less, or "
            "forget works that are stopped."
        )


def _parts(name: str) -> list[str] | None:
    """Where a file goes below its folder; None for what systems leave in folders.

    Raises:
        RequestError: it would leave the folder, or no file can have that name.
    """
    parts = [part for part in re.split(r"[/\\]", name) if part not in ("", ".")]
    leaves = ".." in parts or name.startswith(("/", "\\")) or re.match(r"[A-Za-z]:[/\\]", name)
    if leaves or not parts:
        raise RequestError(f"{_shown(name)} leads out of its folder; nothing was taken.")
    if len(parts) > _DEEPEST or any(
        len(part.encode(errors="replace")) > _LONGEST_NAME or not part.isprintable() for part in parts
    ):
        raise RequestError(f"{_shown(name)} has a name that no file should have; rename it.")
    hidden = any(part.startswith(".") or part in _LEFT_OUT for part in parts)
    return None if hidden else parts


@contextmanager
def _sound(name: str) -> Iterator[None]:
    try:
        yield
    except RequestError:
        raise
    except (*_BROKEN, RuntimeError) as error:
        raise RequestError(f"{_shown(name)} is no ZIP file, or a damaged one; make it anew.") from error


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    while chunk := file.read(_CHUNK):
        yield chunk


def _shown(name: str) -> str:
    return ascii(name if len(name) <= 80 else f"{name[:60]}...")
