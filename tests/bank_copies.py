"""Banks made once for a whole run of the tests, and copies that take no more room than their originals."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

_BLOCK = 2**16
_ZEROS = bytes(_BLOCK)


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
    return Path(shutil.copytree(source, target, copy_function=_copy_with_holes))


def _copy_with_holes(source: str, target: str) -> None:
    with Path(source).open("rb") as reading, Path(target).open("wb") as writing:
        while block := reading.read(_BLOCK):
            if block == _ZEROS[: len(block)]:
                writing.seek(len(block), 1)
            else:
                writing.write(block)
        writing.truncate()
