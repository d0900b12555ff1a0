"""What a view shows, said in SQL, and lists that are short enough for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

from sqlalchemy import ColumnElement, exists, or_
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.sql import false

from freeda_store.sql.rows import IN_LIST
from freeda_store.sql.tables import PrototypeRow, RetirementRow
from freeda_store.vectors.filters import View

T = TypeVar("T")


def chunks(values: Iterable[T], size: int = IN_LIST) -> Iterator[list[T]]:
    """Lists of at most ``size`` values."""
    rest = iter(values)
    while batch := list(islice(rest, size)):
        yield batch


def inside(column: InstrumentedAttribute[int], view: View) -> ColumnElement[bool]:
    """Whether a revision id lies in a view."""
    return or_(false(), *[column.between(first, last) for first, last in view.ranges])


def visible(view: View) -> ColumnElement[bool]:
    """Whether a view shows a prototype."""
    retired = exists().where(
        RetirementRow.prototype_id == PrototypeRow.id, inside(RetirementRow.revision_id, view)
    )
    return inside(PrototypeRow.revision_id, view) & ~retired
