"""The bank's SQL database on a PostgreSQL server: opened, made, upgraded, and locked.

Locks are PostgreSQL's advisory locks on sessions of their own: they end with the process that holds
them. A pooler between must therefore keep sessions (no transaction pooling).
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import threading
from collections.abc import Iterator, Mapping
from datetime import UTC
from typing import Any, Self
from zlib import crc32

from sqlalchemy import Dialect, Engine, create_engine, event, inspect, make_url, text
from sqlalchemy.engine import Connection
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.pool import NullPool
from typing_extensions import override

from freeda_store.errors import BankInUseError, NewerSchemaError, SettingsError, StorageError, UpgradeError
from freeda_store.patience import GaveUpError, Patience
from freeda_store.sql import schema
from freeda_store.sql.postgres_words import passing, place, postgres_error
from freeda_store.sql.sessions import Runs, holds, lasting_session, transaction_pooler

logger = logging.getLogger(__name__)

COMMIT_WAIT_SECONDS = 900
_POSITIVE = 0x7FFFFFFF
_NAME_LENGTH = 63
_LOCK_TIMEOUT = "55P03"
_KEEPALIVE = {"connect_timeout": 15, "keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 5}


def open_postgres(
    url: str, password: str | None, patience: Patience | None = None, *, pooled: bool = True
) -> Engine:
    """An engine for ``postgresql://user@host/database``; nothing is asked yet.

    Args:
        url: without a password.
        password: of its user.
        patience: how long a connection is tried; None for one try.
        pooled: keep connections that are not in use.

    Raises:
        SettingsError: the driver is not installed, or the URL cannot be read.
    """
    name = f"freeda pid {os.getpid()} on {socket.gethostname()}"
    arguments: dict[str, object] = {"application_name": name[:_NAME_LENGTH], **_KEEPALIVE}
    if password:
        arguments["password"] = password
    try:
        parsed = make_url(url).set(drivername="postgresql+psycopg")
        keep: dict[str, Any] = {"pool_pre_ping": True} if pooled else {"poolclass": NullPool}
        engine = create_engine(parsed, connect_args=arguments, hide_parameters=True, **keep)
    except ImportError as error:
        raise SettingsError(
            "a PostgreSQL bank needs the driver psycopg; `pip install 'freeda[postgres]'`."
        ) from error
    except SQLAlchemyError as error:
        raise SettingsError(
            "the profile's sql_url is no URL; write postgresql://user@host/database."
        ) from error
    if patience is not None:
        _connect_patiently(engine, patience)
    return engine


def _connect_patiently(engine: Engine, patience: Patience) -> None:
    """Try each connection again while the server is away; nothing has been sent by then."""

    def connect(dialect: Dialect, _: object, given: list[Any], named: dict[str, Any]) -> DBAPIConnection:
        def once() -> DBAPIConnection:
            return dialect.connect(*given, **named)

        try:
            return patience.call(once, lambda error: passing(error, place(engine.url)))
        except GaveUpError as gave:
            raise gave.__cause__ or gave from None

    event.listen(engine, "do_connect", connect)


@contextlib.contextmanager
def asking(engine: Engine) -> Iterator[None]:
    """Turn the database's errors into this package's."""
    try:
        yield
    except DBAPIError as error:
        raise postgres_error(error, engine.url) from error


def has_tables(engine: Engine) -> bool:
    """Whether a bank's tables have been made."""
    with asking(engine), engine.connect() as connection:
        return inspect(connection).has_table("alembic_version")


def migrate(engine: Engine) -> None:
    """Make the tables, or upgrade them when they are older. The caller holds the bank's lock.

    Raises:
        NewerSchemaError: they are newer than this version knows.
        UpgradeError: a migration failed; the database is as it was.
    """
    name, version = engine.url.database, None
    if has_tables(engine):
        with asking(engine), engine.connect() as connection:
            version = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    if version == schema.SCHEMA_VERSIONS[-1]:
        return
    if version is not None and version not in schema.SCHEMA_VERSIONS:
        raise NewerSchemaError(
            f"database '{name}' has schema {version}, and this freeda knows schemas up to "
            f"{schema.SCHEMA_VERSIONS[-1]}; install a newer freeda to open it."
        )
    try:
        schema.run_migrations(engine)
    except Exception as error:
        raise UpgradeError(
            f"database '{name}' could not be upgraded from schema {version} to "
            f"{schema.SCHEMA_VERSIONS[-1]} ({error}); it is unchanged."
        ) from error


class AdvisoryLock:
    """A lock that one process of all holds, and one of its threads; it may be taken again inside."""

    def __init__(self, engine: Engine, name: str) -> None:
        self._engine = engine
        self._keys = {"a": _hash("freeda lock"), "b": _hash(name)}
        self._name = name
        self._threads = threading.RLock()
        self._depth = 0
        self._session: Connection | None = None

    def __enter__(self) -> Self:
        self._threads.acquire()
        try:
            if self._depth == 0:
                self._session = self._take()
            self._depth += 1
        except BaseException:
            self._threads.release()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._depth -= 1
        try:
            if self._depth == 0 and self._session is not None:
                _end(self._session, self._keys)
                self._session = None
        finally:
            self._threads.release()

    def require(self) -> None:
        """See that the lock is still held: a session may be ended from outside.

        Raises:
            StorageError: it is lost, and another process may have gone on in its place.
        """
        if self._session is None or not holds(self._session, self._keys):
            raise StorageError(
                f"the lock of '{self._name}' was lost: PostgreSQL ended its session. Nothing was committed; "
                "run the same command again."
            )

    def _take(self) -> Connection:
        with asking(self._engine):
            session = lasting_session(self._engine)
        try:
            session.execute(text(f"SET lock_timeout = '{COMMIT_WAIT_SECONDS}s'"))
            session.execute(text("SELECT pg_advisory_lock(:a, :b)"), self._keys)
            if not holds(session, self._keys):
                raise transaction_pooler(self._engine)
        except DBAPIError as error:
            session.close()
            if getattr(error.orig, "sqlstate", None) != _LOCK_TIMEOUT:
                raise postgres_error(error, self._engine.url) from error
            raise BankInUseError(
                f"another process{holder(self._engine, self._keys)} has held the lock of '{self._name}' for "
                f"{COMMIT_WAIT_SECONDS} s; wait until it ends, then run the same command again."
            ) from error
        except BaseException:
            session.close()
            raise
        return session


class AdvisoryRuns(Runs):
    """Runs that writers have in hand; adding one locks it against all other processes.

    ``len`` counts the runs of all processes, so that nobody repairs under a writer.
    """

    def __init__(self, engine: Engine, bank: str) -> None:
        self._engine = engine
        self._bank = bank
        self._space = _hash(f"freeda runs {bank}")
        self._sessions: dict[str, Connection] = {}

    @override
    def add(self, value: str) -> None:
        with asking(self._engine):
            session = lasting_session(self._engine)
            taken = session.execute(text("SELECT pg_try_advisory_lock(:a, :b)"), self._keys(value)).scalar()
        if not taken:
            session.close()
            raise BankInUseError(
                f"run '{value}' is being written by another process"
                f"{holder(self._engine, self._keys(value))}; wait until it ends, or stop it."
            )
        self._sessions[value] = session

    @override
    def hold(self, value: str) -> bool:
        """See that a run is still locked, and lock it again if its session was ended; returns whether it was.

        Raises:
            BankInUseError: another process took it meanwhile.
        """
        session = self._sessions.get(value)
        if session is not None:
            if holds(session, self._keys(value)):
                return False
            del self._sessions[value]
            session.invalidate()
            session.close()
        self.add(value)
        logger.warning("the lock of run '%s' was lost and taken again", value)
        return True

    @override
    def discard(self, value: str) -> None:
        session = self._sessions.pop(value, None)
        if session is not None:
            _end(session, self._keys(value))

    def __contains__(self, value: object) -> bool:
        return value in self._sessions

    def __len__(self) -> int:
        query = text(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND classid = :a "
            "AND objsubid = 2 AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
        with asking(self._engine), self._engine.connect() as connection:
            return int(connection.execute(query, {"a": self._space}).scalar_one())

    @override
    def clear(self) -> None:
        for run in list(self._sessions):
            self.discard(run)

    def _keys(self, run: str) -> dict[str, int]:
        return {"a": self._space, "b": _hash(run)}


def holder(engine: Engine, keys: Mapping[str, int]) -> str:
    """Who holds an advisory lock, in brackets: what it calls itself, from where, and since when."""
    query = text(
        "SELECT application_name, client_addr::text, backend_start, pid FROM pg_locks JOIN pg_stat_activity "
        "USING (pid) WHERE locktype = 'advisory' AND granted AND classid = :a AND objid = :b AND objsubid = 2"
    )
    try:
        with engine.connect() as connection:
            found = connection.execute(query, dict(keys)).first()
    except SQLAlchemyError as error:
        logger.info("the holder of a lock could not be asked for: %s", type(error).__name__)
        return ""
    if found is None:
        return ""
    since = found.backend_start.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC") if found.backend_start else "?"
    address = f", from {found.client_addr}" if found.client_addr else ""
    return f" ({found.application_name or 'unknown'}{address}, since {since}; PostgreSQL's pid {found.pid})"


def _hash(name: str) -> int:
    return crc32(name.encode("utf-8", "surrogatepass")) & _POSITIVE


def _end(session: Connection, keys: dict[str, int]) -> None:
    """Unlock and close; a session that is lost has let go already."""
    try:
        session.execute(text("SELECT pg_advisory_unlock(:a, :b)"), keys)
    except SQLAlchemyError as error:
        logger.warning("a lock's session with the database was lost: %s", type(error).__name__)
        session.invalidate()
    finally:
        session.close()
