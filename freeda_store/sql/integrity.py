"""What a database says of itself: whether its file is whole, and whether its rows name rows that exist."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.engine import Connection

from freeda_store.sql.catalog import Catalog
from freeda_store.sql.tables import Base

_SHOWN = 20


def database_faults(catalog: Catalog) -> tuple[str, ...]:
    """Faults of a bank's database, one sentence each; none when it is sound.

    Raises:
        BankDamagedError, StorageError: it cannot even be asked.
    """
    with catalog.transaction() as connection:
        if connection.dialect.name == "sqlite":
            return (*_broken_pages(connection), *_broken_links(connection))
        return _broken_links(connection)


def _broken_pages(connection: Connection) -> tuple[str, ...]:
    found = connection.exec_driver_sql(f"PRAGMA integrity_check({_SHOWN})").scalars()
    lines = [" ".join(str(line).split()) for line in found]
    return tuple(line for line in lines if line != "ok")


def _broken_links(connection: Connection) -> tuple[str, ...]:
    """Rows whose foreign key names no row; PostgreSQL keeps them out, unless its files are damaged."""
    told = []
    for table in Base.metadata.sorted_tables:
        for key in table.foreign_keys:
            child, parent = key.parent, key.column
            other = parent.table.alias()
            missing = (
                select(func.count())
                .select_from(table.outerjoin(other, child == other.c[parent.name]))
                .where(child.is_not(None), other.c[parent.name].is_(None))
            )
            if count := connection.execute(missing).scalar_one():
                rows = "row" if count == 1 else "rows"
                told.append(f"{count:,} {rows} of {table.name} name by {child.name} no {parent.table.name}")
    return tuple(sorted(told))
