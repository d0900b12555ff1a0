"""A folder's SQL database, opened for reading while another process may write to it.

SQLite's own locks keep both apart where the file system grants them: a reader waits for no more than the end
of a commit. Where it grants none, or where only the owner of the files could take back what a killed writer
began, a private copy is read, and taken again whenever the file has changed.
"""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import sqlite3
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.pool import NullPool

from freeda_store.errors import StorageError
from freeda_store.files.system_faults import system_error
from freeda_store.sql.schema import SCHEMA_VERSIONS, known_version, open_engine

logger = logging.getLogger(__name__)

_TRIES, _PAUSE_SECONDS = 100, 0.1
_HEADER_BYTES = 100
"""The beginning of a SQLite file; every commit changes a counter in it."""


def open_to_read(path: Path) -> Engine | None:
    """Open a bank's database for reading; None where it is of an earlier schema, and must be upgraded first.

    Raises:
        NewerSchemaError: it is newer than this version knows.
        BankDamagedError: it is truncated, empty or no database.
        StorageError: the system refuses to read it.
    """
    engine = _open(path)
    try:
        version = known_version(engine, path)
    except BaseException:
        engine.dispose()
        raise
    if version != SCHEMA_VERSIONS[-1]:
        engine.dispose()
        return None
    return engine


def _open(path: Path) -> Engine:
    locks = grants_locks(path.parent)
    writable = os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)
    if locks and (writable or not _journal(path).exists()):
        engine = open_engine(path, "" if writable else "mode=ro")
        event.listen(engine, "connect", _only_ask)
        return engine
    reason = "its disk grants no locks" if not locks else "a writer has not ended what it began"
    logger.info("%s is read from a copy, for %s", path, reason)
    copies = _Copies(path)
    address = URL.create("sqlite", database=str(path))
    return create_engine(address, creator=copies.connect, poolclass=NullPool)


def _only_ask(connection: Any, _record: Any) -> None:
    """Refuse changes; what a killed writer began is still taken back by SQLite, as for every reader."""
    connection.execute("PRAGMA query_only=ON")


def grants_locks(folder: Path) -> bool:
    """Whether the file system of a folder grants the locks that SQLite uses."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.lockf(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError as error:
        logger.info("%s lies on a file system that grants no locks (%s)", folder, error)
        return False
    finally:
        os.close(handle)
    return True


class _Copies:
    """Copies of a database, each whole: nothing was written while it was made."""

    def __init__(self, source: Path) -> None:
        self._source = source
        self._place = tempfile.TemporaryDirectory(prefix="freeda-database-")
        self._lock = threading.Lock()
        self._count = 0
        self._state: object = None

    def connect(self) -> sqlite3.Connection:
        """A connection with the newest copy."""
        with self._lock:
            try:
                if self._state is None or self._state != _state(self._source):
                    self._take()
            except OSError as error:
                raise system_error(error, self._source) from error
            connection = sqlite3.connect(self._copy, timeout=30, check_same_thread=False)
            connection.execute("PRAGMA query_only=ON")
            connection.isolation_level = None
            return connection

    @property
    def _copy(self) -> Path:
        return Path(self._place.name) / f"{self._count}.sqlite"

    def _take(self) -> None:
        """Make a copy, with the journal of a writer that is dead or at work; SQLite takes back what it began.

        Raises:
            StorageError: it changes all the time.
            OSError: it cannot be read or copied.
        """
        for _ in range(_TRIES):
            before = _state(self._source)
            self._copy.unlink(missing_ok=True)
            self._count += 1
            with suppress(FileNotFoundError):  # its writer may end it at any moment; the state tells
                shutil.copyfile(_journal(self._source), _journal(self._copy))
            shutil.copyfile(self._source, self._copy)
            if before == _state(self._source) and _header(self._copy) == _header(self._source):
                self._state = before
                return
            _journal(self._copy).unlink(missing_ok=True)
            time.sleep(_PAUSE_SECONDS)
        raise StorageError(
            f"{self._source} changes all the time, and its disk grants no locks to read it between; wait "
            "until the writer ends, or use a file system that grants locks."
        )


def _state(path: Path) -> object:
    """What is another when a database was written to: times and lengths of the file and its journal."""
    return [
        (status.st_ino, status.st_size, status.st_mtime_ns)
        for each in (path, _journal(path))
        if (status := _status(each)) is not None
    ]


def _status(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def _journal(path: Path) -> Path:
    return path.with_name(f"{path.name}-journal")


def _header(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_HEADER_BYTES)
