"""What the embedded engine does when files are damaged or the disk is full, made into clear errors.

The engine raises a plain ``Exception`` for everything, panics on some broken files (which is no
``Exception``, and writes a Rust trace to standard error), and dies by SIGBUS when the disk is full,
for its files are mapped into memory and mostly holes. So room is asked for before anything is written.
"""

from __future__ import annotations

import logging
import os
import re
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from freeda_store.errors import BankDamagedError, BankError, BankInUseError, EngineRefusedError, StorageError
from freeda_store.files.lock_holders import told_holder
from freeda_store.files.room import files_below, free_bytes, room_to_write
from freeda_store.files.system_faults import SystemFault, fault_of, look, memory_fault, unwritable

logger = logging.getLogger(__name__)

_OWN_MEMORY_BYTES = 160 * 2**20
"""What the engine maps beside its files; where it is short of that, it hangs or ends without a word."""
_DAMAGE = (
    "out of bounds",
    "not readable",
    "not found",
    "deserialize",
    "orrupt",
    "No such file",
    "malformed",
    "expected",
    "llegal",
    "nvalid",
    "nconsistent",
    "mismatch",
    "parse",
)
"""What the engine says of files that are damaged, after the system was found to refuse nothing."""
_REDIRECTED = threading.Lock()
_LOOKED: dict[Path, float] = {}
"""Until when the last look at a folder holds, which met nothing; by the monotonic clock."""
_REST = 20
"""How many times as long as a look took it holds."""


def require_room(folder: Path) -> None:
    """Refuse to write when the disk is nearly full.

    Raises:
        StorageError: less than :func:`freeda_store.files.room.room_to_write` is free.
    """
    free, needed = free_bytes(folder), room_to_write(folder)
    if free < needed:
        raise StorageError(
            f"only {free / 1e6:.0f} MB are free on the disk of {folder}, and vectors are written from "
            f"{needed / 1e6:.0f} MB on; free disk space, then run the same command again. "
            "Nothing that was committed is lost."
        )


def require_memory(folder: Path) -> None:
    """Refuse to open vectors where the process may not map them.

    Raises:
        StorageError: the limit of the process (``ulimit -v``) is too low.
    """
    mapped = sum(file.st_size for file in files_below(folder))
    if (fault := memory_fault(mapped + _OWN_MEMORY_BYTES, folder)) is not None:
        raise fault.error(folder)


def refusal(error: BaseException, folder: Path) -> BankError:
    """What went wrong in an open store, for the person who is to repair it."""
    return _known(error, folder) or EngineRefusedError(
        f"the vector engine refused in {folder}: {_first_line(error)}. Nothing shows that files are damaged; "
        "repeat, and see `freeda bank verify`. Nothing that was committed is lost."
    )


def opening_error(error: BaseException, folder: Path, otherwise: type[BankError]) -> BankError:
    """Why a store cannot be opened or made: a lock, the system's refusal, or damage."""
    if isinstance(error, BankError):
        return error
    if "WouldBlock" in str(error):
        holder = told_holder(folder, folder / "wal")
        return BankInUseError(
            f"the bank in {folder.parent} is in use by {holder}; wait until it ends, or close it."
        )
    if otherwise is BankDamagedError:
        return refusal(error, folder)
    if (fault := fault_of(_text(error), folder) or unwritable(folder)) is not None:
        return fault.error(folder)
    return otherwise(f"no vectors can be made in {folder} ({_first_line(error)}); choose another folder.")


def _known(error: BaseException, folder: Path) -> BankError | None:
    """What the system refuses, and only then damage; None where neither is known."""
    named = Path(_named(error, folder))
    if (fault := fault_of(_text(error), named)) is not None:
        if named.is_dir() and (seen := look(named)) is not None and seen.number == fault.number:
            fault = seen
        return fault.error(folder)
    if (seen := _seen(folder)) is not None:
        return seen.error(folder)
    proved = not isinstance(error, Exception) or any(word in str(error) for word in _DAMAGE)
    return _damage(error, folder) if proved else None


def _seen(folder: Path) -> SystemFault | None:
    """What looking at all files meets; None where a look met nothing, not long before.

    One reads every file, and a repair asks for thousands of points that cannot be read: it shall not spend
    its time on looking.
    """
    last = _LOOKED.get(folder)
    began = time.monotonic()
    if last is not None and began < last:
        return None
    seen = look(folder)
    ended = time.monotonic()
    _LOOKED[folder] = ended + _REST * (ended - began) if seen is None else began
    return seen


def _text(error: BaseException) -> BaseException | str:
    """What names the system's error: the exception itself when it is Python's own, or the engine's words."""
    return error if isinstance(error, (OSError, MemoryError)) else str(error)


def _damage(error: BaseException, folder: Path) -> BankDamagedError:
    return BankDamagedError(
        f"{_culprit(error, folder)} is damaged, truncated or missing; restore the bank from a copy, or run "
        "`freeda bank verify --repair` to keep what is whole."
    )


def _culprit(error: BaseException, folder: Path) -> str:
    """The file that an error names, else an empty file, else the folder."""
    best = _named(error, folder)
    if Path(best).is_dir():
        empty = (path for path in sorted(Path(best).rglob("*")) if path.is_file() and not path.stat().st_size)
        return str(next(empty, best))
    return best


def _named(error: BaseException, folder: Path) -> str:
    """The file that an error names, else the folder."""
    named: list[str] = re.findall(re.escape(str(folder)) + r"[^\s:,'\"`]*", str(error))
    return max(named, key=len, default=str(folder))


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(". ")


@contextmanager
def quiet_panics() -> Iterator[None]:
    """Keep the Rust trace of a panic inside off standard error; it goes to the log instead.

    Whatever else is written there meanwhile is written afterwards.
    """
    with _REDIRECTED, tempfile.TemporaryFile() as kept:
        try:
            sys.stderr.flush()
            original = os.dup(2)
        except (OSError, AttributeError, ValueError):  # no standard error at all
            yield
            return
        os.dup2(kept.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(original, 2)
            os.close(original)
            kept.seek(0)
            text = kept.read().decode(errors="replace")
            if "panicked at" in text:
                logger.info("the vector engine panicked: %s", text.strip())
            elif text:
                sys.stderr.write(text)
