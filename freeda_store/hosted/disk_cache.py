"""A cache on disk: bytes by key, of bounded size, for several processes at once.

It is only ever a shortcut. What is damaged, missing or locked counts as not there, and a file that cannot be
used is made anew or done without.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext
from hashlib import blake2b
from itertools import islice
from pathlib import Path

logger = logging.getLogger(__name__)

_FILE = "retrieval-1.sqlite"
"""The number changes with the layout of what is kept."""
_ROW_BYTES = 120
"""What an entry takes beside its bytes, about."""
_IN_LIST = 500
_BUSY_SECONDS = 2.0
_DAY = 86_400
_DAMAGED = ("malformed", "not a database", "no such table", "no such column", "disk image")
_BROKEN = (TypeError, ValueError)
"""What Python makes of broken values, and of SQLite's own messages where they quote broken names."""
_TABLES = """
PRAGMA page_size = 16384;
PRAGMA auto_vacuum = FULL;
PRAGMA synchronous = OFF;
PRAGMA journal_mode = TRUNCATE;
CREATE TABLE IF NOT EXISTS entry (
    key BLOB PRIMARY KEY,
    used INTEGER NOT NULL,
    size INTEGER NOT NULL,
    checksum BLOB NOT NULL,
    data BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS age ON entry (used, size);
"""


def cache_folder(named: str = "") -> Path:
    """The folder of a setting, or ``freeda`` in the user's folder for caches."""
    if named:
        return Path(named).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "freeda"


class DiskCache:
    """One file in a folder.

    Args:
        folder: made when it is missing, for this user alone.
        limit: bytes that the file may take, about.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self._file = folder / _FILE
        self._limit = limit
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._usable = True

    def get(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        """Those entries that are there and whole."""
        found: dict[bytes, bytes] = {}
        today = int(time.time()) // _DAY
        with self._using() as connection:
            if connection is None:
                return found
            for some in _chunks(keys):
                marks = ",".join("?" * len(some))
                rows = connection.execute(
                    f"SELECT key, used, checksum, data FROM entry WHERE key IN ({marks})",  # noqa: S608 - marks
                    some,
                ).fetchall()
                found |= {key: data for key, _, checksum, data in rows if checksum == _checksum(key, data)}
                if any(used < today for _, used, _, _ in rows):
                    connection.execute(f"UPDATE entry SET used = ? WHERE key IN ({marks})", [today, *some])  # noqa: S608
        return found

    def put(self, entries: Mapping[bytes, bytes]) -> None:
        """Keep entries; those that were not used longest give way."""
        today = int(time.time()) // _DAY
        with self._using() as connection:
            if connection is None:
                return
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(
                "INSERT OR REPLACE INTO entry VALUES (?, ?, ?, ?, ?)",
                (
                    (key, today, len(data) + _ROW_BYTES, _checksum(key, data), data)
                    for key, data in entries.items()
                ),
            )
            self._shrink(connection)

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._drop()
            self._usable = False

    def _shrink(self, connection: sqlite3.Connection) -> None:
        """Where the entries are too many, leave nine tenths of what is allowed."""
        pages, spare, page = (
            connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_count", "freelist_count", "page_size")
        )
        total = (pages - spare) * page
        if total <= self._limit:
            return
        surplus, old = total - self._limit * 9 // 10, []
        for rowid, size in connection.execute("SELECT rowid, size FROM entry ORDER BY used, rowid"):
            if surplus <= 0:
                break
            surplus -= size
            old.append((rowid,))
        connection.executemany("DELETE FROM entry WHERE rowid = ?", old)

    @contextmanager
    def _using(self) -> Iterator[sqlite3.Connection | None]:
        """The connection, in a transaction, or None; what goes wrong ends the block and nothing more."""
        with self._lock:
            connection = self._open() if self._usable else None
            try:
                with connection or nullcontext():
                    yield connection
            except (sqlite3.Error, OSError, *_BROKEN) as error:
                self._give_up(error)

    def _open(self) -> sqlite3.Connection | None:
        if self._connection is None:
            try:
                self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                try:
                    self._connection = self._connect()
                except (sqlite3.DatabaseError, *_BROKEN) as error:
                    if not _is_damage(error):
                        raise
                    self._file.unlink(missing_ok=True)
                    self._connection = self._connect()
            except (sqlite3.Error, OSError, *_BROKEN) as error:
                self._give_up(error)
        return self._connection

    def _connect(self) -> sqlite3.Connection:
        os.close(os.open(self._file, os.O_CREAT | os.O_RDWR, 0o600))
        connection = sqlite3.connect(self._file, timeout=_BUSY_SECONDS, check_same_thread=False)
        try:
            connection.executescript(_TABLES)
        except BaseException:
            connection.close()
            raise
        return connection

    def _give_up(self, error: Exception) -> None:
        """Go on without; a damaged file is made anew by whoever opens it next."""
        logger.info("the cache %s is not used: %s", self._file, error)
        self._drop()
        busy = isinstance(error, sqlite3.OperationalError) and "locked" in str(error)
        self._usable = busy
        if _is_damage(error):
            self._file.unlink(missing_ok=True)

    def _drop(self) -> None:
        if self._connection is not None:
            with closing(self._connection):
                self._connection = None


def _is_damage(error: Exception) -> bool:
    told = isinstance(error, sqlite3.Error) and any(sign in str(error) for sign in _DAMAGED)
    return told or isinstance(error, _BROKEN)


def _checksum(key: bytes, data: bytes) -> bytes:
    return blake2b(data, key=key[:64], digest_size=16).digest()


def _chunks(values: Iterable[bytes]) -> Iterator[list[bytes]]:
    rest = iter(values)
    while batch := list(islice(rest, _IN_LIST)):
        yield batch
