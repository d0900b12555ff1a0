"""Errors of SQLite and of PostgreSQL, each reported as what it is. Only what SQLite proves is damage."""

from __future__ import annotations

import errno
import sqlite3
from pathlib import Path

from sqlalchemy import URL

from freeda_store.errors import BankDamagedError, BankError, BankInUseError, StorageError
from freeda_store.files.lock_holders import told_holder
from freeda_store.files.system_faults import SystemFault, fault_of, look, size_fault, unwritable
from freeda_store.sql.postgres_words import postgres_error

_PRIMARY = 0xFF
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_DAMAGE = ("malformed", "not a database", "no such table", "no such column", "Could not decode to UTF-8")
_KEPT = "Nothing that was committed is lost."
_TEXTS = {
    "database or disk is full": sqlite3.SQLITE_FULL,
    "readonly database": sqlite3.SQLITE_READONLY,
    "database is locked": sqlite3.SQLITE_BUSY,
    "disk I/O error": sqlite3.SQLITE_IOERR,
    "unable to open database file": sqlite3.SQLITE_CANTOPEN,
    "out of memory": sqlite3.SQLITE_NOMEM,
}
_NUMBERS = {
    sqlite3.SQLITE_FULL: errno.ENOSPC,
    sqlite3.SQLITE_NOMEM: errno.ENOMEM,
    sqlite3.SQLITE_PERM: errno.EACCES,
    sqlite3.SQLITE_NOLFS: errno.EFBIG,
}


def sql_error(error: BaseException, url: URL, advice: str = "restore it from a copy") -> BankError:
    """What went wrong in a database, for the person who is to repair it.

    Args:
        error: of SQLAlchemy or of a driver.
        url: of the database; a SQLite one names its file.
        advice: what to do when the file is damaged.
    """
    cause = getattr(error, "orig", None) or error
    if url.get_backend_name() != "sqlite":
        return postgres_error(error, url)
    return sqlite_error(cause, Path(url.database or ""), advice)


def sqlite_error(cause: BaseException, path: Path, advice: str = "restore it from a copy") -> BankError:
    """:func:`sql_error` of a SQLite file."""
    if isinstance(cause, UnicodeDecodeError):  # SQLite's own message quotes a broken name
        return BankDamagedError(f"{path} is damaged (it names tables or columns in no UTF-8); {advice}.")
    code = _code(cause)
    if code == sqlite3.SQLITE_BUSY:
        return BankInUseError(f"{path} is in use by {told_holder(path)}; wait until it ends, or close it.")
    if code in _DAMAGED or any(sign in str(cause) for sign in _DAMAGE):
        if (fault := look(path, writing=False)) is not None:
            return fault.error(path)
        told = " ".join(ascii(str(cause))[1:-1].split())
        return BankDamagedError(f"{path} is damaged ({told}); {advice}.")
    if (fault := _fault(code, path) or fault_of(str(cause), path)) is not None:
        reason = fault.reason if str(cause) in fault.reason else f"{cause}: {fault.reason}"
        return StorageError(f"{fault.path or path} refused ({reason}); {fault.advice}, then repeat. {_KEPT}")
    return StorageError(
        f"{path} refused ({cause}); see that its disk works and has room, then repeat. {_KEPT}"
    )


def _code(cause: BaseException) -> int | None:
    """SQLite's primary code of an error; from its text where the error has none."""
    code = getattr(cause, "sqlite_errorcode", None)
    if isinstance(code, int):
        return code & _PRIMARY
    return next((code for text, code in _TEXTS.items() if text in str(cause)), None)


def _fault(code: int | None, path: Path) -> SystemFault | None:
    """What the system refused: by the code, or found by looking at the file and its folder."""
    if code in _NUMBERS:
        return fault_of(OSError(_NUMBERS[code], ""), path)
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR):
        seen = look(path) or unwritable(path.parent)  # where SQLite writes its journal
        unseen = OSError(errno.EIO, "") if code == sqlite3.SQLITE_IOERR else ""
        return seen or size_fault(path) or fault_of(unseen, path)
    return None
