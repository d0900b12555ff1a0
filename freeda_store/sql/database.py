"""A database that is asked in transactions, whose errors come out as this package's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Engine, func, select
from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError

from freeda_store.sql.faults import sql_error
from freeda_store.sql.row_values import broken_texts_shown, naming_unreadable


class Database:
    """An engine, and how it is asked."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """One transaction; the database's errors come out as this package's."""
        try:
            with naming_unreadable(self._engine.url), self._engine.begin() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise sql_error(error, self._engine.url) from error

    @contextmanager
    def checking(self) -> Iterator[Connection]:
        """A transaction that reads broken text, too, for a check to compare: see ``broken_texts_shown``."""
        with self.transaction() as connection, broken_texts_shown(connection):
            yield connection

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def size_bytes(self) -> int:
        """Bytes that the database takes on disk."""
        if self._engine.dialect.name == "postgresql":
            with self.transaction() as connection:
                size = func.pg_database_size(func.current_database())
                return int(connection.execute(select(size)).scalar_one())
        file = Path(self._engine.url.database or "")
        return sum(path.stat().st_size for path in file.parent.glob(f"{file.name}*"))
