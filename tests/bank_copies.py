"""Banks made once for a whole run of the tests, and copies that take no more room than their originals."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

_BLOCK = 2**16


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """A folder that the first of the processes that run tests makes, and the others find.

    A bank can be open in one process only: open a copy.
    """
    base = factory.getbasetemp()
    shared = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "made-once"
    shared.mkdir(exist_ok=True)
    folder = shared / name
    with (shared / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            unfinished = shared / f"{name}.unfinished"
            shutil.rmtree(unfinished, ignore_errors=True)
            make(unfinished)
            unfinished.rename(folder)
    return folder


def copy_folder(source: Path, target: Path) -> Path:
    """Copy a folder with the holes of its files: those of the vector engine are hardly anything else."""
    return Path(shutil.copytree(source, target, copy_function=copy_file))


def copy_file(source: str | Path, target: str | Path) -> None:
    """Copy a file with its holes; only what was written is read."""
    with Path(source).open("rb") as reading, Path(target).open("wb") as writing:
        for start, stop in written_extents(reading.fileno()):
            reading.seek(start)
            writing.seek(start)
            while start < stop:
                block = reading.read(min(_BLOCK, stop - start))
                writing.write(block)
                start += len(block)
        writing.truncate(os.fstat(reading.fileno()).st_size)


def written_extents(file: int) -> Iterator[tuple[int, int]]:
    """Where an open file has data, as (start, stop) in bytes; all of it on file systems without holes."""
    stop, size = 0, os.fstat(file).st_size
    while stop < size:
        try:
            start = os.lseek(file, stop, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:  # a hole up to the end
                return
            raise
        stop = os.lseek(file, start, os.SEEK_HOLE)
        yield start, stop
