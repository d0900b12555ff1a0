"""What the embedded engine does when files are damaged or the disk is full, made into clear errors.

The engine raises a plain ``Exception`` for everything, panics on some broken files (which is no
``Exception``, and writes a Rust trace to standard error), and dies by SIGBUS when the disk is full,
for its files are mapped into memory and mostly holes. So room is asked for before anything is written.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from freeda_store.errors import BankDamagedError, BankError, BankInUseError, StorageError

logger = logging.getLogger(__name__)

ROOM_BYTES = 64 * 2**20
"""Free disk space without which nothing is written."""
_DAMAGE = (
    "out of bounds",
    "not readable",
    "not found",
    "deserialize",
    "corrupt",
    "No such file",
    "failed to load",
)
_SYSTEM = {
    "Permission denied": "correct the permissions",
    "Too many open files": "allow more of them (ulimit -n)",
    "Cannot allocate memory": "free memory",
    "No space left": "free disk space",
}
"""What the system refuses though the files are whole, and what to do."""
_REDIRECTED = threading.Lock()


def require_room(folder: Path) -> None:
    """Refuse to write when the disk is nearly full.

    Raises:
        StorageError: less than ``ROOM_BYTES`` are free.
    """
    free = free_bytes(folder)
    if free < ROOM_BYTES:
        raise StorageError(
            f"only {free / 1e6:.0f} MB are free on the disk of {folder}, and vectors are written from "
            f"{ROOM_BYTES / 1e6:.0f} MB on; free disk space, then run the same command again. "
            "Nothing that was committed is lost."
        )


def free_bytes(folder: Path) -> int:
    """Bytes that may still be written to the disk of a folder."""
    return shutil.disk_usage(folder).free


def refusal(error: BaseException, folder: Path) -> BankError:
    """What went wrong in an open store, for the person who is to mend it."""
    if is_of_the_system(error):
        return _system(error, folder)
    if not isinstance(error, Exception) or any(word in str(error) for word in _DAMAGE):
        return _damage(error, folder)
    return StorageError(
        f"the vector engine refused in {folder}: {_first_line(error)}. "
        "Free disk space if it is short, then repeat; nothing that was committed is lost."
    )


def opening_error(error: BaseException, folder: Path, otherwise: type[BankError]) -> BankError:
    """Why a store cannot be opened or made, telling a lock from damage."""
    if isinstance(error, BankError):
        return error
    if "WouldBlock" in str(error):
        return BankInUseError(
            f"the bank in {folder.parent} is in use by another process; wait until it ends, or close it."
        )
    if is_of_the_system(error):
        return _system(error, folder)
    if otherwise is BankDamagedError:
        return _damage(error, folder)
    return otherwise(f"no vectors can be made in {folder} ({_first_line(error)}); choose another folder.")


def is_of_the_system(error: BaseException) -> bool:
    """Whether the system refused, so that nothing is known of the files."""
    return any(word in str(error) for word in _SYSTEM)


def _system(error: BaseException, folder: Path) -> StorageError:
    reason, advice = next((word, advice) for word, advice in _SYSTEM.items() if word in str(error))
    return StorageError(
        f"{_named(error, folder)} cannot be used ({reason}); {advice}, then run the same command again. "
        "Nothing that was committed is lost."
    )


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
