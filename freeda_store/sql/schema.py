"""A folder's SQL database: opened, made, and upgraded when it is older. ``postgres.py`` has a server's.

Alembic is imported only to make or upgrade tables: on an up-to-date bank one row is compared.
"""

from __future__ import annotations

import errno
import logging
import sqlite3
import threading
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.engine import URL, Connection
from sqlalchemy.exc import DatabaseError

from freeda_store.errors import BankDamagedError, NewerSchemaError, UpgradeError
from freeda_store.files.shipped import shipped_folder
from freeda_store.files.system_faults import SystemFault
from freeda_store.files.whole_files import replaced, sweep_parts
from freeda_store.sql.backup import copy_database
from freeda_store.sql.faults import sql_error, sqlite_error

logger = logging.getLogger(__name__)

SCHEMA_VERSIONS = ("0001", "0002", "0003", "0004")
"""Ids of all migrations, oldest first; a test keeps them equal to ``migrations/versions``."""


_ALEMBIC = threading.Lock()
"""Alembic keeps what it migrates in a variable of its module: one thread at a time."""


def open_engine(path: Path, flags: str = "") -> Engine:
    """An engine for a SQLite file, with foreign keys on and real transactions.

    Args:
        path: the file.
        flags: of SQLite's own for opening it, such as ``mode=ro``.
    """
    address = URL.create("sqlite", database=str(path))  # as text, a "?" in a folder's name would end the path
    name = f"{path.absolute().as_uri()}?{flags}" if flags else str(path)

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(name, uri=bool(flags), timeout=30, check_same_thread=False)

    engine = create_engine(address, creator=connect)

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # sqlite3 would else commit before every change of a table
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("PRAGMA cache_spill=OFF")  # readers then wait for commits alone

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN")

    return engine


def create_tables(path: Path) -> Engine:
    """Make the tables of a new bank.

    Raises:
        StorageError: the disk is full, or refuses otherwise.
    """
    engine = open_engine(path)
    try:
        run_migrations(engine)
    except DatabaseError as error:
        engine.dispose()
        raise sql_error(error, engine.url) from error
    return engine


def open_database(path: Path, hindrance: SystemFault | None = None) -> Engine:
    """Open a bank's database, upgrading it first when it is older than this version.

    Args:
        path: the file.
        hindrance: why it can only be read; on media that nobody can write, SQLite needs no locks.

    Raises:
        NewerSchemaError: it is newer than this version knows.
        BankDamagedError: it is truncated, empty or no database.
        UpgradeError: a migration failed, or the file can only be read; it is as it was.
    """
    engine = open_engine(path, _flags(hindrance))
    try:
        version = known_version(engine, path)
        if version != SCHEMA_VERSIONS[-1] and hindrance is not None:
            raise UpgradeError(
                f"{path} has schema {version} and cannot be upgraded to {SCHEMA_VERSIONS[-1]} "
                f"({hindrance.reason}); {hindrance.advice}, then run the same command again."
            )
        if version != SCHEMA_VERSIONS[-1]:
            _upgrade(engine, path, version)
    except BaseException:
        engine.dispose()
        raise
    return engine


def _flags(hindrance: SystemFault | None) -> str:
    if hindrance is None or hindrance.number == errno.ENOSPC:
        return ""
    return "mode=ro&immutable=1" if hindrance.number == errno.EROFS else "mode=ro"


def known_version(engine: Engine, path: Path) -> str:
    """The schema of an open database, if this version knows it.

    Raises:
        NewerSchemaError: it is newer.
        Others: those of :func:`schema_version`.
    """
    version = schema_version(engine, path)
    if version not in SCHEMA_VERSIONS:
        raise NewerSchemaError(
            f"{path} has schema {version}, and this freeda knows schemas up to {SCHEMA_VERSIONS[-1]}; "
            "install a newer freeda to open it."
        )
    return version


def schema_version(engine: Engine, path: Path) -> str:
    """The version that the database says it has.

    Raises:
        BankDamagedError: it says none.
    """
    try:
        with engine.connect() as connection:
            row = connection.execute(text("SELECT version_num FROM alembic_version")).first()
    except (DatabaseError, UnicodeDecodeError) as error:
        raise sql_error(error, engine.url, f"restore it from a copy{_known_backups(path)}") from error
    if row is None:
        raise BankDamagedError(f"{path} names no schema; restore it from a copy{_known_backups(path)}.")
    return str(row[0])


def backup_folder(path: Path) -> Path:
    """Where copies of a database are put before it is upgraded."""
    return path.parent / "backups"


def _known_backups(path: Path) -> str:
    folder = backup_folder(path)
    return f", for example one in {folder}" if folder.is_dir() and any(folder.iterdir()) else ""


def _upgrade(engine: Engine, path: Path, version: str) -> None:
    try:
        backup = _back_up(path, version)
    except sqlite3.Error as error:
        raise sqlite_error(error, backup_folder(path)) from error
    logger.info("upgrading %s from schema %s to %s; copy in %s", path, version, SCHEMA_VERSIONS[-1], backup)
    try:
        run_migrations(engine)
    except Exception as error:
        reason = getattr(error, "orig", None) or error
        raise UpgradeError(
            f"{path} could not be upgraded from schema {version} to {SCHEMA_VERSIONS[-1]} ({reason}); "
            f"it is unchanged, and a copy is in {backup}."
        ) from error


def _back_up(path: Path, version: str) -> Path:
    """Copy the database with SQLite's own backup, under a name that is free."""
    folder = backup_folder(path)
    folder.mkdir(exist_ok=True)
    target, count = folder / f"{path.stem}-schema-{version}.sqlite", 1
    while target.exists():
        count += 1
        target = folder / f"{path.stem}-schema-{version}-{count}.sqlite"
    sweep_parts(folder)
    with replaced(target) as part:
        copy_database(path, part)
    return target


def run_migrations(engine: Engine) -> None:
    """Make the tables, or bring them to the newest schema, in one transaction."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(migrations_folder()).replace("%", "%%"))
    with _ALEMBIC, engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, SCHEMA_VERSIONS[-1])
        connection.commit()


def migrations_folder() -> Path:
    """The migrations: inside the package when it is installed, beside it in a checkout."""
    folder = shipped_folder("freeda_store", "migrations", "../migrations")
    if not (folder / "env.py").is_file():
        raise UpgradeError(f"{folder} is missing from the installation; install freeda again.")
    return folder
