"""Vectors are opened in a process with limits first, for a damaged length can make the engine take all.

Its files hold lengths that it believes: where two of them are swapped, or one bit is another, opening may
make a file of terabytes and read it (which fills the memory, where the disk is one), allocate as much,
compute for hours, or end the process without a word. Nothing of that can be caught in the process itself.
So a child opens the vectors before it; when that child dies, they are damaged.
"""

from __future__ import annotations

import logging
import os
import resource
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import qdrant_edge as engine

from freeda_store.errors import BankDamagedError, BankError, StorageError
from freeda_store.files.room import files_below, free_bytes, held_below, room_to_read
from freeda_store.files.system_faults import fault_of, look
from freeda_store.vectors.edge_places import require_near_places

logger = logging.getLogger(__name__)

_CHILD = Path(__file__).with_name("edge_child.py")
_OWN_BYTES, _CORE_BYTES = 2**28, 2**24
"""What opening may allocate for itself, and for the threads of each core; 23 MB were seen with two."""
_BYTES_PER_BYTE = 2
"""What it may allocate for each byte that the files hold; 0.7 was seen, of 50,000 short vectors."""
_FILE_BYTES = 2**27
"""To which a file may grow, beside what all of them hold; 32 MB are usual."""
_SECONDS = 2
"""Of computing, for itself; 0.05 were seen."""
_FILES_PER_SECOND, _LOG_PER_SECOND = 50 * 2**20, 2**20
"""Bytes of files that are opened, and of the log that are replayed, in a second; 300 and 32 MB were seen."""
_WAITING = 20
"""How much longer opening may take than computing does; disks and busy machines keep it waiting."""
_WAITING_SECONDS = 60


@dataclass(frozen=True)
class Limits:
    """What opening vectors may take.

    Attributes:
        memory: bytes that are allocated, beside files that are mapped.
        size: bytes of the largest file.
        seconds: of computing.
    """

    memory: int
    size: int
    seconds: int

    @classmethod
    def of(cls, folder: Path) -> Self:
        """More than ten times what whole vectors of this size were seen to take."""
        held, log = held_below(folder), held_below(folder / "wal")
        memory = _OWN_BYTES + _CORE_BYTES * (os.cpu_count() or 1) + _BYTES_PER_BYTE * held
        seconds = _SECONDS + held // _FILES_PER_SECOND + log // _LOG_PER_SECOND
        return cls(memory, _FILE_BYTES + held, seconds)

    def lowered(self, folder: Path) -> bool:
        """Whether this process has a lower limit of memory, so that reaching it proves nothing."""
        mapped = sum(file.st_size for file in files_below(folder))
        wanted = {resource.RLIMIT_DATA: self.memory, resource.RLIMIT_AS: 2**30 + self.memory + 2 * mapped}
        limits = {what: resource.getrlimit(what)[0] for what in wanted}
        return any(limit != resource.RLIM_INFINITY and limit < wanted[what] for what, limit in limits.items())


def require_openable(folder: Path) -> None:
    """Refuse vectors that the engine cannot open within limits.

    What the engine raises, it raises again where it is caught: only that it ends is tried here. Where no
    other Python can be started, nothing is tried.

    Raises:
        BankDamagedError: opening takes more memory or time than whole vectors can, or ends the process.
        StorageError: the system ended it for a reason of its own.
    """
    require_near_places(folder)
    if not sys.executable or getattr(sys, "frozen", False):
        return
    limits = Limits.of(folder)
    words = (Path(engine.__file__).parents[1], folder, limits.memory, limits.size, limits.seconds)
    reading, writing = os.pipe()  # closed at the end, or by the end of this process
    try:
        ended = subprocess.run(
            [sys.executable, "-I", "-S", *map(str, (_CHILD, *words))],
            stdin=reading,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=_WAITING_SECONDS + _WAITING * limits.seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise _damaged(folder, "does not come to an end") from error
    except OSError as error:
        logger.info("%s are opened without a trial, for no process can be started: %s", folder, error)
        return
    finally:
        os.close(reading)
        os.close(writing)
    if ended.returncode < 0:
        said = ended.stderr.decode(errors="replace")
        logger.info("opening %s ended with %d: %s", folder, ended.returncode, said.strip())
        raise _why(-ended.returncode, said, folder, limits)


def _why(number: int, said: str, folder: Path, limits: Limits) -> BankError:
    """Why a signal ended the opening: the system, and only where it refuses nothing, damage."""
    name = signal.Signals(number).name
    if number in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        return StorageError(
            f"opening the vectors in {folder} was ended from outside ({name}); run the same command again. "
            "Nothing that was committed is lost."
        )
    of_memory = "memory allocation of" in said
    if of_memory and limits.lowered(folder) and (fault := fault_of(MemoryError(), folder)) is not None:
        return fault.error(folder)
    free = free_bytes(folder)
    if number == signal.SIGBUS and free < room_to_read(folder):
        return StorageError(
            f"only {free / 1e6:.1f} MB are free on the disk of {folder}, too little to open vectors there; "
            "free disk space, then run the same command again. Nothing that was committed is lost."
        )
    if (seen := look(folder)) is not None:
        return seen.error(folder)
    if of_memory:
        return _damaged(folder, f"takes more than {limits.memory / 1e6:,.0f} MB of memory")
    if number == signal.SIGXFSZ:
        return _damaged(folder, f"makes files of more than {limits.size / 1e6:,.0f} MB")
    if number == signal.SIGXCPU:
        return _damaged(folder, "does not come to an end")
    return _damaged(folder, f"ends the vector engine by {name}")


def _damaged(folder: Path, what: str) -> BankDamagedError:
    return BankDamagedError(
        f"files in {folder} are damaged, for opening them {what}; restore the bank from a copy, or run "
        "`freeda bank verify --repair` to keep what is whole."
    )
