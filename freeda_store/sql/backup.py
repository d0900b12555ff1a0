"""A copy of a SQLite database that may be in use."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path


def copy_database(source: Path, target: Path) -> None:
    """Copy a database with SQLite's own backup.

    Raises:
        sqlite3.Error: one cannot be read or written.
    """
    with closing(sqlite3.connect(source)) as original, closing(sqlite3.connect(target)) as copy:
        original.backup(copy)
