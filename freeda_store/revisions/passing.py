"""Which prototypes pass a filter, remembered while the database stays as it is."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.engine import Connection

from freeda_store.revisions.library import Library, Places
from freeda_store.vectors.filters import PointFilter

_KEPT = 4
"""Filters whose answers are kept."""


@dataclass(frozen=True)
class State:
    """What a connection knew of a database.

    Attributes:
        connection: the driver's, held so that no other takes its place.
        others: a number that changes with what other connections commit.
        own: a number that changes with what this one writes.
    """

    connection: object
    others: int
    own: int


def state_of(connection: Connection) -> State:
    """The state of the database that a connection sees: while it is the same, so are all answers."""
    others = int(connection.execute(text("PRAGMA data_version")).scalar_one())
    own = int(connection.execute(text("SELECT total_changes()")).scalar_one())
    return State(connection.connection.dbapi_connection, others, own)


class Passing:
    """Answers of the last few filters; threads may share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: OrderedDict[PointFilter, tuple[State, Library, Places]] = OrderedDict()

    def get(self, where: PointFilter, state: State, library: Library) -> Places | None:
        """The places of what passes, rising; None where that must be asked.

        Args:
            where: the filter.
            state: of the database now.
            library: what the places are of.
        """
        with self._lock:
            known = self._known.get(where)
            if known is None or known[0] != state or known[1] is not library:
                return None
            self._known.move_to_end(where)
            return known[2]

    def put(self, where: PointFilter, state: State, library: Library, places: Places) -> None:
        """Remember an answer that was asked for after the database was in that state."""
        with self._lock:
            self._known[where] = state, library, places
            self._known.move_to_end(where)
            while len(self._known) > _KEPT:
                self._known.popitem(last=False)
