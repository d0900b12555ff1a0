"""A bank in one file: a ZIP64 whose members are stored as they are, read without being unpacked.

The index is written last and the file is renamed to its name when it is whole, so that a file of that
name is a whole archive. Reading opens members that the index names and nothing else.
"""

from __future__ import annotations

import fcntl
import os
import struct
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO
from uuid import UUID

from typing_extensions import override

from freeda_store.closeable import Closeable
from freeda_store.errors import ArchiveError, ArchiveExistsError, BankInUseError
from freeda_store.files.own_files import require_free
from freeda_store.files.regular_files import open_regular
from freeda_store.files.whole_files import put_in_place, target_of, writing
from freeda_store.history import RevisionRecord
from freeda_store.manifest import Manifest
from freeda_store.sharing.bank_sink import BankSink
from freeda_store.sharing.bank_source import BankSource
from freeda_store.sharing.copy import CopyReport, ProgressCallback, copy
from freeda_store.sharing.layout import INDEX_NAME, MAX_INDEX_BYTES, Index, read_index
from freeda_store.sharing.layout_source import LayoutSource
from freeda_store.sharing.layout_writer import LayoutWriter
from freeda_store.sharing.parts import Part, Sink

_EPOCH = (1980, 1, 1, 0, 0, 0)
_ENCRYPTED = 0x1
_BROKEN = (
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    struct.error,
    ValueError,
    EOFError,
    RuntimeError,
    OverflowError,
)


class ArchiveSink(Closeable, Sink):
    """A :class:`~freeda_store.sharing.parts.Sink` that makes a new archive.

    Use it in a ``with`` block. The file appears at :meth:`end`; without it nothing is left.
    """

    def __init__(self, path: Path, manifest: Manifest, *, force: bool = False) -> None:
        """Start an archive.

        Args:
            path: its name.
            manifest: of the bank.
            force: replace a file of that name.

        Raises:
            ArchiveExistsError: there is such a file already.
            OverwriteError: what is there is no regular file, or belongs to a bank.
            BankInUseError: somebody else is writing it.
            StorageError: it cannot be written.
        """
        require_free([path], force=True)
        if path.exists() and not force:
            raise ArchiveExistsError(f"{path} exists already; give another name, or --force to replace it.")
        self._path = path
        self._target = target_of(path)
        self._partial = self._target.with_name(f".{path.name}.partial")
        self._writer = LayoutWriter(manifest)
        with writing(path):
            self._target.parent.mkdir(parents=True, exist_ok=True)
            self._file = _lock(self._partial, path)
        self._zip = zipfile.ZipFile(self._file, "w", zipfile.ZIP_STORED, allowZip64=True)

    def close(self) -> None:
        """Let go of the file; one that was not ended is removed. Closing twice is fine."""
        if self._file.closed:
            return
        self._partial.unlink(missing_ok=True)
        with suppress(OSError):  # what it writes is removed already
            self._zip.close()
        with suppress(OSError):
            self._file.close()

    @property
    @override
    def name(self) -> str:
        return str(self._path)

    @override
    def records(self) -> Sequence[RevisionRecord]:
        return self._writer.records()

    @override
    def tags(self) -> Mapping[str, int]:
        return self._writer.index().tag_ids()

    @override
    def expect(self, records: Sequence[RevisionRecord]) -> None:
        """A new archive takes any."""

    @override
    def begin(self, record: RevisionRecord) -> int:
        """Start a revision; there is nothing of it yet."""
        self._writer.begin(record)
        return 0

    @override
    def add(self, part: Part) -> None:
        """Store one more part of the revision that was begun.

        Raises:
            StorageError: the disk is full.
        """
        self._put(self._writer.add(part))

    @override
    def finish(self, retirements: Sequence[UUID]) -> None:
        self._put(self._writer.finish(retirements))

    @override
    def end(self, tags: Mapping[str, int]) -> None:
        """Set the tags, write the index, and give the file its name."""
        self._writer.end(tags)
        self._put({INDEX_NAME: self._writer.index().to_bytes()})
        with writing(self._path):
            self._zip.close()
            self._file.flush()
            os.fsync(self._file.fileno())
            require_free([self._path], force=True)
            put_in_place(self._partial, self._target)
            self._file.close()

    def _put(self, files: Mapping[str, bytes]) -> None:
        with writing(self._path):
            for name, data in files.items():
                self._zip.writestr(zipfile.ZipInfo(name, _EPOCH), data)


def _lock(partial: Path, path: Path) -> BinaryIO:
    """The temporary file, empty and held by this process alone; one that a kill left is used again."""
    handle = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not partial.exists() or not os.path.samestat(os.fstat(handle), partial.stat()):
            raise BlockingIOError  # its writer ended just before the lock was taken
        os.ftruncate(handle, 0)
    except BlockingIOError as error:
        os.close(handle)
        raise BankInUseError(f"{path} is being written by another export; wait until it ends.") from error
    return os.fdopen(handle, "w+b")


class ArchiveSource(Closeable, LayoutSource):
    """A :class:`~freeda_store.sharing.parts.Source` over an archive that may come from anywhere.

    Use it in a ``with`` block.
    """

    def __init__(self, path: Path) -> None:
        """Open an archive and read its index.

        Raises:
            ArchiveError: it is missing, truncated, damaged, or no archive of a bank.
            NewerArchiveError: it was written by a newer freeda.
        """
        try:
            self._file = open_regular(path)
        except OSError as error:
            raise ArchiveError(f"{path} cannot be opened ({error.strerror or error}).") from error
        try:
            self._path = path
            self._members = self._open()
            super().__init__(str(path), self._read_index(), self._read_member)
        except BaseException:
            self._file.close()
            raise

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def _open(self) -> dict[str, zipfile.ZipInfo]:
        """The members by name; each stored as it is, and none twice."""
        with self._broken("it is cut short, or no archive made by `freeda bank export`"):
            self._zip = zipfile.ZipFile(self._file)
            infos = self._zip.infolist()
        members = {info.filename: info for info in infos}
        if len(members) != len(infos):
            raise ArchiveError(f"{self._path} holds a member twice; get a sound copy.")
        for info in infos:
            plain = info.compress_type == zipfile.ZIP_STORED and not info.flag_bits & _ENCRYPTED
            if not plain or info.compress_size != info.file_size:
                raise ArchiveError(
                    f"{self._path} holds a compressed member ({info.filename[:80]!r}), which no archive made "
                    "by `freeda bank export` does."
                )
        if sum(info.file_size for info in infos) > self._path.stat().st_size:
            raise ArchiveError(f"{self._path} claims more than its size; get a sound copy.")
        return members

    def _read_index(self) -> Index:
        info = self._members.get(INDEX_NAME)
        if info is None or info.file_size > MAX_INDEX_BYTES:
            raise ArchiveError(f"{self._path} holds no {INDEX_NAME}; it is no archive of a bank.")
        index = read_index(self._read_member(INDEX_NAME, info.file_size), str(self._path))
        if self._members.keys() != {INDEX_NAME, *index.files}:
            raise ArchiveError(f"{self._path} holds other members than its index says; get a sound copy.")
        return index

    def _read_member(self, name: str, size: int) -> bytes:
        info = self._members[name]
        if info.file_size != size:
            raise ArchiveError(
                f"{name} in {self._path} has {info.file_size:,} bytes, the index says {size:,}; "
                "get a sound copy."
            )
        with self._broken(f"{name} cannot be read"), self._zip.open(info) as member:
            return member.read(size)

    @contextmanager
    def _broken(self, what: str) -> Iterator[None]:
        try:
            yield
        except (*_BROKEN, OSError) as error:
            raise ArchiveError(
                f"{self._path} is damaged: {what}; get a sound copy and run the same again. "
                "What was copied so far stays."
            ) from error


def export_bank(
    address: str | Path, path: Path, *, force: bool = False, progress: ProgressCallback | None = None
) -> CopyReport:
    """Write a bank to one file: all its committed revisions, with tags, vectors and thumbnails.

    The same bank gives the same bytes. Memory is that of one part, however large the bank.

    Args:
        address: what to export; ``DIR@3`` or ``DIR@tag`` gives the revisions up to that one.
        path: the archive's name.
        force: replace a file of that name.
        progress: called after every part.

    Raises:
        ArchiveExistsError, BankInUseError, StorageError: see :class:`ArchiveSink`.
        Others: those of ``Bank.open`` and of ``copy``.
    """
    with BankSource.open(address) as source, ArchiveSink(path, source.manifest(), force=force) as sink:
        return copy(source, sink, progress)


def import_bank(
    path: Path,
    address: str | Path,
    *,
    progress: ProgressCallback | None = None,
    discard_unfinished: bool = False,
) -> CopyReport:
    """Bring a bank up to an archive; the bank is made when it is new.

    Only revisions that the bank has not are added, each whole or not at all. Repeating an import that
    was cut short goes on where it was.

    Args:
        path: the archive.
        address: the bank to import into.
        progress: called after every part.
        discard_unfinished: forget runs that ended early in the bank and whose ids are needed.

    Raises:
        ArchiveError, NewerArchiveError: see :class:`ArchiveSource`.
        DivergedError, ManifestMismatchError, UnfinishedRunError: the bank is another one.
        Others: those of ``Bank.open`` and of a writer.
    """
    with (
        ArchiveSource(path) as source,
        BankSink.open(address, source.manifest(), discard_unfinished=discard_unfinished) as sink,
    ):
        return copy(source, sink, progress)
