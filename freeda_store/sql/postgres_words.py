"""What an error of PostgreSQL means: one sentence with advice, and whether another try may succeed."""

from __future__ import annotations

import re

from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError

from freeda_store.errors import StorageError
from freeda_store.patience import Trouble

_PASSING_STATES = ("40001", "40P01", "57P01", "57P02", "57P03", "57P05", "53300")
"""Serialization failure, deadlock, ended by an administrator or by a crash, starting or stopping, idle for
too long, too many connections."""
_SURE = ("40001", "40P01", "57P03", "53300")
_AWAY = re.compile(
    r"connection refused|no such file or directory|server closed the connection|terminating connection|"
    r"starting up|shutting down|not yet accepting|recovery mode|connection reset|broken pipe|timed? ?out|"
    r"timeout expired|could not receive data|could not send data|ssl connection has been closed|"
    r"too many (clients|connections)|remaining connection slots|connection (is|was) (lost|closed)|"
    r"server login has been failing|network is unreachable|no route to host|temporary failure in name",
    re.I,
)
_SAYS_SO = re.compile(r"starting up|shutting down|not yet accepting|recovery mode|too many", re.I)
_ADVICE = {
    "25006": "it can only be read, as a standby can; name the primary server in sql_url",
    "53100": "the disk of the database's server is full; free room there, then repeat",
    "28000": "the user may not connect; check the user in sql_url, and pg_hba.conf on the server",
    "28P01": "check the user in sql_url and its password in the environment",
    "3D000": "there is no database of this name; correct sql_url, or make it",
    "42501": "the user lacks a right on the database; grant it",
    "42P01": "tables are missing; restore the database from its dump",
    "42703": "columns are missing; restore the database from its dump",
}
_TEXTS = (
    (r"password authentication failed|no password supplied", _ADVICE["28P01"]),
    (r"no pg_hba\.conf entry|role .* does not exist", _ADVICE["28000"]),
    (r"database .* does not exist", _ADVICE["3D000"]),
    (r"certificate verify failed|root certificate", "name the authority's file in sslrootcert of sql_url"),
    (r"invalid response to ssl|does not support ssl", "correct the host, port and sslmode in sql_url"),
    (
        r"expected authentication request|unexpected response|received invalid",
        "is the port in sql_url right?",
    ),
    (r"translate host name|name or service not known|name resolution", "correct the host's name in sql_url"),
)
_LONGEST = 240


def postgres_error(error: BaseException, url: URL) -> StorageError:
    """An error of the database as this package's: where, what, and what to do."""
    cause = getattr(error, "orig", None) or error
    said, state = _first_line(cause), getattr(cause, "sqlstate", None) or ""
    advice = _ADVICE.get(state) or _by_text(said, _TEXTS)
    if not advice:
        away = passing(error) is not None
        advice = f"see {'that PostgreSQL runs there' if away else 'the log of the server'}, then repeat"
    return StorageError(f"{place(url)} refused ({said}); {advice}. Nothing that was committed is lost.")


def place(url: URL) -> str:
    """Which database is meant: its name, host and port, without user and password."""
    host = url.host or url.query.get("host") or "this machine"
    where = f"{host}:{url.port}" if url.port else str(host)
    return f"the database '{url.database}' on {where}"


def passing(error: BaseException, what: str = "the database") -> Trouble | None:
    """Whether an error of PostgreSQL is one after which another try may succeed.

    It is when a whole transaction was undone by the server, or the connection was lost.

    Args:
        error: SQLAlchemy's or the driver's.
        what: names the database.
    """
    cause = getattr(error, "orig", None) or error
    state = getattr(cause, "sqlstate", None) or ""
    said = _first_line(cause)
    lost = isinstance(error, DBAPIError) and error.connection_invalidated
    if state in _PASSING_STATES or state.startswith("08") or lost or (not state and _AWAY.search(said)):
        sure = state in _SURE or bool(_SAYS_SO.search(said))
        return Trouble(f"{what} is not there ({said})" if not sure else f"{what} says: {said}", sure=sure)
    return None


def _by_text(said: str, advice: tuple[tuple[str, str], ...]) -> str:
    return next((words for pattern, words in advice if re.search(pattern, said, re.I)), "")


def _first_line(cause: object) -> str:
    """The line that says what it is; drivers add hints, details and all that they tried before."""
    lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
    return lines[0].rstrip(".;")[:_LONGEST] if lines else type(cause).__name__
