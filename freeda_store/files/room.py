"""Room on disks: what the vector engine takes to read and to write, and where there is enough of it.

The engine maps its files into memory, and they are mostly holes. Where the disk is full, touching a hole
ends the process by SIGBUS, without a word; so room is asked for before files are opened or written.
Reading takes what the log of the engine holds, which is replayed at opening; on a disk in memory
(tmpfs) it takes every hole, for those are filled when they are read.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from freeda_store.errors import StorageError

WRITING_BYTES = 64 * 2**20
"""Free disk space without which nothing is written."""
_READING_BYTES = 2**20
_REPLAYED = 3
"""What replaying a log writes at most, for each byte of it."""
_NEW_SEGMENT_BYTES = 200 * 2**20
"""What the files of a new segment take where holes are filled."""
_MEMORY_SYSTEMS = ("tmpfs", "ramfs", "devtmpfs")
_NETWORK_SYSTEMS = (
    "9p",
    "afs",
    "ceph",
    "cifs",
    "fuse",
    "gfs2",
    "glusterfs",
    "lustre",
    "nfs",
    "smb",
    "virtiofs",
)
"""How the names of file systems begin whose files may lie on another machine."""
_PLACES = ("/var/tmp", "/dev/shm")  # noqa: S108 - beside the one that TMPDIR names


def free_bytes(folder: Path) -> int:
    """Bytes that may still be written to the disk of a folder."""
    return shutil.disk_usage(folder).free


def room_to_read(vectors: Path) -> int:
    """Bytes that may be written while vectors are opened and read."""
    if fills_holes(vectors):
        return _READING_BYTES + sum(file.st_size - _held(file) for file in files_below(vectors))
    log = held_below(vectors / "wal")
    return _READING_BYTES + _REPLAYED * log


def room_to_write(vectors: Path) -> int:
    """Bytes without which nothing is written to vectors."""
    return WRITING_BYTES + (room_to_read(vectors) + _NEW_SEGMENT_BYTES if fills_holes(vectors) else 0)


def room_to_merge(vectors: Path) -> int:
    """Bytes without which segments are not merged: as much again as they take."""
    held = _size if fills_holes(vectors) else _held
    return room_to_write(vectors) + sum(map(held, files_below(vectors)))


def temporary_place(vectors: Path) -> Path:
    """A new private folder on a disk that has room for a copy of vectors, for use and for being read.

    Raises:
        StorageError: no temporary folder has.
    """
    wanted = 0
    for place in dict.fromkeys([tempfile.gettempdir(), *_PLACES]):
        if not os.access(place, os.W_OK | os.X_OK):
            continue
        size = _size if fills_holes(Path(place)) else _held
        wanted = 2 * _READING_BYTES + _REPLAYED * sum(map(size, files_below(vectors)))
        if free_bytes(Path(place)) >= wanted:
            return Path(tempfile.mkdtemp(prefix="freeda-vectors-", dir=place))
    raise StorageError(
        f"reading {vectors} takes a copy, and no temporary folder has the {wanted / 1e6:.0f} MB for it; "
        "name one that has by TMPDIR, then run the same command again. Nothing that was committed is lost."
    )


def copy_with_holes(source: str, target: str) -> None:
    """Copy a file without filling its holes."""
    with Path(source).open("rb", buffering=0) as reading, Path(target).open("wb", buffering=0) as writing:
        size = os.fstat(reading.fileno()).st_size
        for start, stop in data_ranges(reading.fileno(), size):
            offset = start
            while offset < stop and (block := os.pread(reading.fileno(), min(2**20, stop - offset), offset)):
                offset += os.pwrite(writing.fileno(), block, offset)
        os.truncate(writing.fileno(), size)


def data_ranges(handle: int, size: int) -> Iterator[tuple[int, int]]:
    """Where an open file of so many bytes holds data: from, to. All of it where holes are not reported."""
    position = 0
    while position < size:
        try:
            start = os.lseek(handle, position, os.SEEK_DATA)
            stop = os.lseek(handle, start, os.SEEK_HOLE)
        except OSError as error:
            if error.errno == errno.ENXIO:  # nothing but a hole is left
                return
            raise
        yield start, stop
        position = stop


def held_bytes(path: Path) -> int:
    """What a file takes on disk."""
    return _held(path.stat())


def _size(file: os.stat_result) -> int:
    return file.st_size


def _held(file: os.stat_result) -> int:
    blocks = getattr(file, "st_blocks", None)
    return int(file.st_size if blocks is None else blocks * 512)


def held_below(folder: Path) -> int:
    """What the files in a folder, and in those in it, take on disk; 0 where there is none."""
    return sum(map(_held, files_below(folder)))


def fills_holes(folder: Path) -> bool:
    """Whether the disk of a folder fills a file's holes as they are read, as one in memory does."""
    return _system_of(folder.stat().st_dev) in _MEMORY_SYSTEMS


def lies_on_network(path: Path) -> bool:
    """Whether a file may lie on another machine, where one that is mapped into memory can vanish."""
    return _system_of(path.stat().st_dev).startswith(_NETWORK_SYSTEMS)


@lru_cache(maxsize=64)
def _system_of(device: int) -> str:
    """The kind of file system of a device; empty where the system does not say."""
    wanted = f"{os.major(device)}:{os.minor(device)}"
    try:
        lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    for line in lines:
        before, _, after = line.partition(" - ")
        if before.split()[2] == wanted:
            return after.split()[0]
    return ""


def files_below(folder: Path) -> Iterator[os.stat_result]:
    """The status of every file in a folder and those in it; an engine's folder holds a hundred and more."""
    for root, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):  # a link to nothing, or deleted meanwhile
                status = os.stat(os.path.join(root, name))  # noqa: PTH116, PTH118 - a third of the time
                if stat.S_ISREG(status.st_mode):
                    yield status
