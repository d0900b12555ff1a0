"""The catalog of a hosted bank: a question that a lost connection or a deadlock cut short is asked again."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any, TypeVar

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from freeda_store.errors import StorageError
from freeda_store.patience import GaveUpError, Patience, Trouble
from freeda_store.sql.catalog import Catalog
from freeda_store.sql.postgres_words import passing, place

F = TypeVar("F", bound=Callable[..., Any])
_AS_IT_IS = ("transaction", "checking", "close")
"""A transaction that is open cannot be done again: what is inside is not known here."""


class PatientCatalog(Catalog):
    """Does each question as a whole again, with all its transactions.

    That is safe since every method of :class:`Catalog` may be done twice: it writes rows whose keys come
    from content, or sets what was not set. So it does not matter whether a commit whose answer was lost
    took place. Methods that yield rows one by one are asked once: their reader has some of them already.
    """

    def __init__(self, engine: Engine, patience: Patience) -> None:
        super().__init__(engine)
        self._patience = patience

    def _judge(self, error: BaseException) -> Trouble | None:
        cause = error.__cause__
        if not isinstance(error, StorageError) or not isinstance(cause, SQLAlchemyError):
            return None
        return passing(cause, place(self._engine.url))


def _again(method: F) -> F:
    @wraps(method)
    def patiently(self: PatientCatalog, *given: Any, **named: Any) -> Any:
        held = [list(each) if isinstance(each, Iterator) else each for each in given]
        try:
            return self._patience.call(lambda: method(self, *held, **named), self._judge)
        except GaveUpError as gave:
            raise StorageError(f"{gave.__cause__}{gave.tried_for}") from gave.__cause__

    return patiently  # type: ignore[return-value]


for _name, _method in inspect.getmembers(Catalog, inspect.isfunction):
    if not _name.startswith("_") and _name not in _AS_IT_IS and not inspect.isgeneratorfunction(_method):
        setattr(PatientCatalog, _name, _again(_method))
