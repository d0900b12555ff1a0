"""Sessions with PostgreSQL that hold locks: they must last, and be the same one from question to question."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Protocol

from sqlalchemy import Engine, text
from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError
from typing_extensions import override

from freeda_store.errors import SettingsError

logger = logging.getLogger(__name__)

_PID = text("SELECT pg_backend_pid()")
_ASKED = 4
"""Times; a busy pooler hides itself in each with a small chance."""


class Runs(Protocol):
    """Keys of the runs that writers have in hand."""

    def add(self, value: str) -> None:
        """Take a run.

        Raises:
            BankInUseError: somebody else has it.
        """

    def discard(self, value: str) -> None:
        """Let go of a run."""

    def clear(self) -> None:
        """Let go of all."""

    def hold(self, value: str) -> bool:
        """See that a run is still ours, and take it again if it was lost; returns whether it was.

        Raises:
            BankInUseError: somebody else took it.
        """

    def __contains__(self, value: object) -> bool:
        """Whether this process has a run in hand."""

    def __len__(self) -> int:
        """How many runs are in hand, also those of other processes."""


class LocalRuns(set[str], Runs):
    """Of a folder: its lock keeps other processes out."""

    @override
    def hold(self, value: str) -> bool:
        return False


def lasting_session(engine: Engine) -> Connection:
    """A session that the server does not end for being idle, where it has such a setting."""
    session = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
    try:
        session.execute(
            text(
                "SELECT set_config('idle_session_timeout', '0', false) "
                "WHERE current_setting('idle_session_timeout', true) IS NOT NULL"
            )
        )
    except BaseException:
        session.close()
        raise
    return session


def holds(session: Connection, keys: Mapping[str, int]) -> bool:
    """Whether a session is alive and has an advisory lock of two keys ``a`` and ``b``."""
    query = text(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND pid = pg_backend_pid() "
        "AND classid = :a AND objid = :b AND objsubid = 2"
    )
    try:
        return bool(session.execute(query, dict(keys)).scalar())
    except SQLAlchemyError as error:
        logger.warning("a lock's session with the database was lost: %s", type(error).__name__)
        return False


def refuse_pooler(engine: Engine) -> None:
    """Refuse a pooler that gives each transaction another server session: locks would be lost in it.

    Two connections that are open at once have two server sessions, and keep them. Such a pooler gives the
    second one what the first has just put back, or the first another one while the second is in use. Other
    clients of the pooler may hide it by chance, so it is asked several times.

    Raises:
        SettingsError: there is one.
    """
    with engine.connect() as one, engine.connect() as two:
        one = one.execution_options(isolation_level="AUTOCOMMIT")
        if all(_keep_their_sessions(one, two) for _ in range(_ASKED)):
            return
    raise transaction_pooler(engine)


def transaction_pooler(engine: Engine) -> SettingsError:
    """What to say where a lock is not in the session that took it."""
    place = f"{engine.url.host}:{engine.url.port or 5432}"
    return SettingsError(
        f"sql_url leads through a pooler in transaction mode ({place}), where a writer's locks are lost; "
        "give PostgreSQL's own address, or a pooler in session mode."
    )


def _keep_their_sessions(one: Connection, two: Connection) -> bool:
    """Whether a second connection's open transaction leaves the first its session."""
    before = one.execute(_PID).scalar()
    try:
        other = two.execute(_PID).scalar()  # in a transaction that stays open
        return other != before and one.execute(_PID).scalar() == before
    finally:
        two.rollback()
