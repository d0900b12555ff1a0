"""What a reader asks SQL: which prototypes pass a filter, and what is known of them.

Only what committed revisions wrote is found. Ids come as SQLite keeps them, and become one array.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, cast
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import (
    ColumnElement,
    Select,
    String,
    and_,
    exists,
    false,
    func,
    not_,
    or_,
    select,
    true,
    type_coerce,
)
from sqlalchemy.engine import Connection
from typing_extensions import override

from freeda_store.errors import BankDamagedError
from freeda_store.fields import FIELDS, Holder
from freeda_store.records import JsonValue
from freeda_store.revisions.file import ID
from freeda_store.sql.tables import Base, CaptionRow, GenerationRow, PrototypeRow, RetirementRow, RevisionRow
from freeda_store.vectors.filters import FilterDialect, PointFilter, translate
from freeda_store.vectors.protocol import Payload

_TABLES: dict[Holder, type[Base]] = {
    Holder.PROTOTYPE: PrototypeRow,
    Holder.GENERATION: GenerationRow,
    Holder.CAPTION: CaptionRow,
}
_COLUMNS = {
    field.name: [_TABLES[field.holder].__table__.c[name] for name in field.columns] for field in FIELDS
}
_HOLDERS = {field.name: field.holder for field in FIELDS}
_ADDED, _RETIRED = "added_in", "retired_in"


class _SqlDialect(FilterDialect[ColumnElement[bool]]):
    """The words of a filter in SQL."""

    @override
    def one_of(self, field: str, values: Sequence[str] | Sequence[int]) -> ColumnElement[bool]:
        return _about(field, lambda column: column.in_(values))

    @override
    def between(
        self,
        field: str,
        *,
        gte: float | None = None,
        gt: float | None = None,
        lte: float | None = None,
        lt: float | None = None,
    ) -> ColumnElement[bool]:
        def inside(column: ColumnElement[Any]) -> ColumnElement[bool]:
            bounds = ((gte, column.__ge__), (gt, column.__gt__), (lte, column.__le__), (lt, column.__lt__))
            return and_(true(), *[compare(bound) for bound, compare in bounds if bound is not None])

        return _about(field, inside)

    @override
    def absent(self, field: str) -> ColumnElement[bool]:
        return false()

    @override
    def any_of(self, conditions: Sequence[ColumnElement[bool]]) -> ColumnElement[bool]:
        return or_(*conditions)

    @override
    def all_of(
        self, must: Sequence[ColumnElement[bool]], must_not: Sequence[ColumnElement[bool]]
    ) -> ColumnElement[bool]:
        return and_(*must, *map(not_, must_not))


def _about(field: str, holds: Any) -> ColumnElement[bool]:
    """A condition on a field; of the revisions that retired a prototype, one must meet it."""
    if field == _RETIRED:
        mine = RetirementRow.prototype_id == PrototypeRow.id
        return exists().where(mine, holds(RetirementRow.revision_id))
    column = PrototypeRow.revision_id if field == _ADDED else _COLUMNS[field][0]
    return cast("ColumnElement[bool]", holds(column))


def chosen(connection: Connection, where: PointFilter) -> NDArray[np.bytes_]:
    """Ids of the prototypes that pass, S16 (N,), in no order; one text, for they may be millions.

    Raises:
        ValueError: an id is none.
    """
    id_ = type_coerce(PrototypeRow.id, String)
    query = _passing(select(func.group_concat(id_, ""), func.count()), where)
    text, count = connection.execute(query).one()
    return _as_ids(text or "", count)


def counted(connection: Connection, where: PointFilter) -> int:
    """How many prototypes pass."""
    return int(connection.execute(_passing(select(func.count()), where)).scalar_one())


def committed_counts(connection: Connection) -> dict[int, int]:
    """How many prototypes there are of each committed revision that added any, by the revision's id."""
    query = (
        select(PrototypeRow.revision_id, func.count())
        .where(PrototypeRow.revision_id.in_(_committed()))
        .group_by(PrototypeRow.revision_id)
    )
    return {int(id_): int(count) for id_, count in connection.execute(query)}


def committed_ids(connection: Connection) -> set[int]:
    """Ids of the committed revisions."""
    return set(connection.execute(_committed()).scalars())


def payloads_of(connection: Connection, ids: Sequence[UUID]) -> dict[UUID, Payload]:
    """What the payloads of prototypes say, as far as there are such prototypes.

    Raises:
        BankDamagedError: a value is of another type than its column.
        ValueError: an id is none.
    """
    columns = [column for field in FIELDS for column in _COLUMNS[field.name]]
    p, g = PrototypeRow.__table__.c, GenerationRow.__table__.c
    query = (
        select(type_coerce(p.id, String), type_coerce(g.key, String), p.revision_id, *columns)
        .select_from(PrototypeRow)
        .join(GenerationRow, GenerationRow.id == PrototypeRow.generation_id)
        .join(CaptionRow, CaptionRow.id == GenerationRow.caption_id)
        .where(_among(p.id, ids), PrototypeRow.revision_id.in_(_committed()))
    )
    rows = connection.execute(query).all()
    _check([p.id, g.key, p.revision_id, *columns], rows)
    retired = _retired(connection, ids)
    found: dict[UUID, Payload] = {}
    for id_, key, added, *values in rows:
        told: dict[str, JsonValue] = {"generation": str(UUID(key))}
        rest = iter(values)
        for field in FIELDS:
            count = len(_COLUMNS[field.name])
            value = next(rest) if count == 1 else [next(rest) for _ in range(count)]
            if field.is_told(value):
                told[field.name] = value
        told[_ADDED], told[_RETIRED] = added, [*retired.get(id_, ())]
        found[UUID(id_)] = told
    return found


def _passing(query: Select[Any], where: PointFilter) -> Select[Any]:
    """A query of prototypes with a request's conditions."""
    holders = {_HOLDERS[condition.field] for condition in where.where.conditions}
    query = query.select_from(PrototypeRow)
    if holders - {Holder.PROTOTYPE}:
        query = query.join(GenerationRow, GenerationRow.id == PrototypeRow.generation_id)
    if Holder.CAPTION in holders:
        query = query.join(CaptionRow, CaptionRow.id == GenerationRow.caption_id)
    if where.view is None:
        query = query.where(PrototypeRow.revision_id.in_(_committed()))
    condition = translate(where, _SqlDialect())
    return query if condition is None else query.where(condition)


def _committed() -> Select[Any]:
    return select(RevisionRow.id).where(RevisionRow.number.is_not(None))


def _retired(connection: Connection, ids: Sequence[UUID]) -> dict[str, list[int]]:
    """The revisions that hide each prototype, rising, by its id as SQLite keeps it."""
    r = RetirementRow.__table__.c
    query = select(type_coerce(r.prototype_id, String), r.revision_id).where(_among(r.prototype_id, ids))
    found: dict[str, list[int]] = {}
    for id_, revision in connection.execute(query.order_by(r.revision_id)):
        found.setdefault(id_, []).append(revision)
    return found


def _among(column: ColumnElement[Any], ids: Sequence[UUID]) -> ColumnElement[bool]:
    """Whether a column has one of some ids, however many they are."""
    listed = func.json_each(json.dumps([id_.hex for id_ in ids])).table_valued("value")
    return type_coerce(column, String).in_(select(listed.c.value))


def _as_ids(text: str, count: int) -> NDArray[np.bytes_]:
    data = bytes.fromhex(text)
    if len(data) != count * ID.itemsize:
        raise ValueError("an id has another length")
    return np.frombuffer(data, dtype=ID)


def _check(columns: Sequence[ColumnElement[Any]], rows: Sequence[Any]) -> None:
    """Refuse values of other types than their columns, for SQLite keeps any value in any column."""
    for column, values in zip(columns, zip(*rows, strict=True), strict=False):
        kind = column.type.python_type
        kind = str if kind is UUID else kind
        wrong = {type(value) for value in values} - {kind}
        if wrong:
            shown = next(ascii(value)[:40] for value in values if type(value) in wrong)
            raise BankDamagedError(
                f"the database holds {shown} as {column} of a prototype, and {kind.__name__} was written; "
                "restore the bank from a copy."
            )
