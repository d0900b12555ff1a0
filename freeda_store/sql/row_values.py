"""What a database's rows hold, checked against the tables: SQLite keeps any value in any column."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import URL, Row
from sqlalchemy.engine import Connection

from freeda_store.errors import BankDamagedError
from freeda_store.sql.tables import Base

HOLDS = "holds"
"""Key of a column's ``info`` with the type of its JSON."""
_SHOWN_CHARS = 40


def check_row(row: Row[Any], *tables: type[Base]) -> None:
    """Refuse a row in which a value is of another type than its column.

    Args:
        row: of a query of all columns of these tables.
        tables: whose columns are checked.

    Raises:
        BankDamagedError: names the table, the column and the value.
    """
    values = row._mapping
    for table in tables:
        for column in table.__table__.columns:
            value = values[column]
            kind = column.info.get(HOLDS, column.type.python_type)
            if isinstance(value, kind) or (value is None and column.nullable):
                continue
            raise BankDamagedError(
                f"the database holds {ascii(value)[:_SHOWN_CHARS]} as {column.name} of a "
                f"{table.__tablename__}, and {kind.__name__} was written; restore the bank from a copy."
            )


@contextmanager
def naming_unreadable(url: URL) -> Iterator[None]:
    """Turn what reading a broken value raises into damage of the database.

    Raises:
        BankDamagedError: text that should be JSON, an id or a number is none.
    """
    try:
        yield
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        reason = " ".join(str(error).split())[:_SHOWN_CHARS] or type(error).__name__
        raise BankDamagedError(
            f"{url.database} holds a value that cannot be read ({reason}); restore it from a copy."
        ) from error


@contextmanager
def broken_texts_shown(connection: Connection) -> Iterator[None]:
    """Read text that is no UTF-8 with ``\\xNN`` for its broken bytes, for it to be compared and replaced.

    What was written is never equal to it: the same text is shorter by three bytes for each broken one.
    PostgreSQL keeps no such text.
    """
    if connection.dialect.name != "sqlite":
        yield
        return
    driver: Any = connection.connection.driver_connection
    usual = driver.text_factory
    driver.text_factory = lambda data: data.decode("utf-8", "backslashreplace")
    try:
        yield
    finally:
        driver.text_factory = usual
