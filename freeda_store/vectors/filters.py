"""Filters over prototypes: what a person writes, and what every engine is asked.

``source=coco``, ``license!=nc``, ``contrast>=1.5``, ``noun=car|bus``. A comma, or another
expression, means AND; ``|`` means OR between values of one field.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Generic, Protocol, TypeVar

from typing_extensions import override

from freeda_store.errors import FilterError
from freeda_store.fields import FIELDS, Holds, defaults, names
from freeda_store.limits import MAX_INTEGER, storable


class Operator(StrEnum):
    """How a field is compared with its values."""

    EQ = "="
    NE = "!="
    GE = ">="
    LE = "<="
    GT = ">"
    LT = "<"


TEXT_FIELDS = names(Holds.TEXT)
NUMBER_FIELDS = names(Holds.SCORE)
INTEGER_FIELDS = names(Holds.INTEGER)
_CHOICES = {field.name: field.choices for field in FIELDS if field.choices}

_EXPRESSION = re.compile(r"\s*([a-z_]+)\s*(!=|>=|<=|=|>|<)(.*)", re.DOTALL)
_EQUALITIES = (Operator.EQ, Operator.NE)


@dataclass(frozen=True)
class Condition:
    """One comparison.

    Attributes:
        field: one of TEXT_FIELDS, NUMBER_FIELDS, INTEGER_FIELDS.
        operator: how it is compared; order comparisons take one number.
        values: alternatives, at least one.

    Raises:
        FilterError: unknown field, no value, or an operator that the field does not have.
    """

    field: str
    operator: Operator
    values: tuple[str, ...] | tuple[float, ...] | tuple[int, ...]

    def __post_init__(self) -> None:
        known = (*TEXT_FIELDS, *NUMBER_FIELDS, *INTEGER_FIELDS)
        if self.field not in known:
            raise FilterError(f"unknown filter field '{self.field}'; use one of {', '.join(known)}.")
        if not self.values:
            raise FilterError(f"filter on '{self.field}' has no value; write for example {self.field}=VALUE.")
        for value in self.values:
            self._check(value)
        if self.operator in _EQUALITIES:
            return
        if self.field not in NUMBER_FIELDS:
            raise FilterError(f"'{self.field}' can only be compared with = and !=, not {self.operator}.")
        if len(self.values) != 1:
            raise FilterError(f"'{self.field}{self.operator}' takes one number; use = or != for several.")

    def _check(self, value: str | float) -> None:
        """Refuse what no prototype can have and no engine can be asked for."""
        if self.field in TEXT_FIELDS:
            if not isinstance(value, str) or storable(value) != value:
                raise FilterError(f"'{self.field}' is compared with Unicode text, and {value!r} is none.")
            if value not in (choices := _CHOICES.get(self.field, (value,))):
                raise FilterError(f"'{self.field}' is one of {', '.join(choices)}, not '{value}'.")
        elif isinstance(value, str | bool):
            raise FilterError(f"'{self.field}' is compared with a number, and {value!r} is none.")
        elif self.field in INTEGER_FIELDS and not (isinstance(value, int) and 0 <= value <= MAX_INTEGER):
            raise FilterError(
                f"'{self.field}' is compared with a whole number up to 2**63 - 1, and {value} is none."
            )
        elif not math.isfinite(value):
            raise FilterError(f"'{self.field}' is compared with a finite number, and {value} is none.")


@dataclass(frozen=True)
class Filter:
    """Conditions that must all hold; none means everything. Hashable, so it can key a cache."""

    conditions: tuple[Condition, ...] = ()

    def __str__(self) -> str:
        return ",".join(
            f"{c.field}{c.operator}{'|'.join(str(value) for value in c.values)}" for c in self.conditions
        )


def parse_filter(expressions: Sequence[str]) -> Filter:
    """Read filter expressions; see the module's first lines for how they look.

    Raises:
        FilterError: names the expression and what was expected.
    """
    parts = [part for expression in expressions for part in expression.split(",")]
    return Filter(tuple(_parse(part) for part in parts if part.strip()))


def _parse(part: str) -> Condition:
    match = _EXPRESSION.fullmatch(part)
    if match is None:
        raise FilterError(
            f"'{part.strip()}' is not a filter; write FIELD=VALUE, FIELD!=VALUE, or FIELD>=NUMBER."
        )
    field, operator, right = match.group(1), Operator(match.group(2)), match.group(3)
    values = tuple(value.strip() for value in right.split("|"))
    if field in NUMBER_FIELDS:
        return Condition(field, operator, tuple(_number(field, value) for value in values))
    if field in INTEGER_FIELDS:
        return Condition(field, operator, tuple(_integer(field, value) for value in values))
    return Condition(field, operator, values)


def _number(field: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError as error:
        raise FilterError(f"'{field}' is compared with a number, and '{text}' is none.") from error
    if not math.isfinite(value):
        raise FilterError(f"'{field}' is compared with a finite number, and '{text}' is none.")
    return value


def _integer(field: str, text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,19}", text):
        raise FilterError(f"'{field}' is compared with a whole number, and '{text}' is none.")
    return int(text)


@dataclass(frozen=True)
class View:
    """Which revisions a reader sees, as inclusive ranges of revision ids in rising order.

    A point is visible when ``added_in`` lies in a range and nothing of ``retired_in`` does.
    """

    ranges: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class Revisions:
    """A range of revision ids, both ends included, in one of the two fields that hold them."""

    field: str
    first: int
    last: int


@dataclass(frozen=True)
class PointFilter:
    """What an engine is asked: a person's filter, inside a view, or of some writing or hiding revisions."""

    where: Filter = Filter()
    view: View | None = None
    added_in: int | None = None
    retired_in: int | None = None
    within: Revisions | None = None


C = TypeVar("C")


class FilterDialect(Protocol[C]):
    """The five words that an engine's filter language needs."""

    def one_of(self, field: str, values: Sequence[str] | Sequence[int]) -> C:
        """The field, or an item of it, equals one of the values."""

    def between(
        self,
        field: str,
        *,
        gte: float | None = None,
        gt: float | None = None,
        lte: float | None = None,
        lt: float | None = None,
    ) -> C:
        """The field, or an item of it, lies in the range."""

    def absent(self, field: str) -> C:
        """The payload does not say the field. Where every field is always said, this never holds."""

    def any_of(self, conditions: Sequence[C]) -> C:
        """At least one holds."""

    def all_of(self, must: Sequence[C], must_not: Sequence[C]) -> C:
        """All of the first hold and none of the second."""


@dataclass(frozen=True)
class QdrantDialect(FilterDialect[Any]):
    """The filter language of Qdrant; its client and its engine in the process each have classes for it.

    Attributes:
        FieldCondition, MatchAny, Range, Filter: those classes.
        is_empty: makes the condition that a field is not said.
    """

    FieldCondition: Callable[..., Any]
    MatchAny: Callable[..., Any]
    Range: Callable[..., Any]
    Filter: Callable[..., Any]
    is_empty: Callable[[str], Any]

    @override
    def one_of(self, field: str, values: Sequence[str] | Sequence[int]) -> Any:
        return self.FieldCondition(key=field, match=self.MatchAny(any=list(values)))

    @override
    def between(
        self,
        field: str,
        *,
        gte: float | None = None,
        gt: float | None = None,
        lte: float | None = None,
        lt: float | None = None,
    ) -> Any:
        return self.FieldCondition(key=field, range=self.Range(gte=gte, gt=gt, lte=lte, lt=lt))

    @override
    def absent(self, field: str) -> Any:
        return self.is_empty(field)

    @override
    def any_of(self, conditions: Sequence[Any]) -> Any:
        return self.Filter(should=list(conditions))

    @override
    def all_of(self, must: Sequence[Any], must_not: Sequence[Any]) -> Any:
        return self.Filter(must=list(must) or None, must_not=list(must_not) or None)


_RANGE_WORDS = {Operator.GE: "gte", Operator.GT: "gt", Operator.LE: "lte", Operator.LT: "lt"}


@dataclass(frozen=True)
class _Translation(Generic[C]):
    dialect: FilterDialect[C]

    def condition(self, condition: Condition) -> C:
        told = self._told(condition)
        if defaults().get(condition.field) in condition.values:
            return self.dialect.any_of([told, self.dialect.absent(condition.field)])
        return told

    def _told(self, condition: Condition) -> C:
        if condition.operator in _RANGE_WORDS:
            word = _RANGE_WORDS[condition.operator]
            return self.dialect.between(condition.field, **{word: float(condition.values[0])})
        if condition.field in NUMBER_FIELDS:
            numbers = [float(value) for value in condition.values]
            return self.dialect.any_of([self.dialect.between(condition.field, gte=n, lte=n) for n in numbers])
        if condition.field in INTEGER_FIELDS:
            return self.dialect.one_of(condition.field, [int(value) for value in condition.values])
        return self.dialect.one_of(condition.field, [str(value) for value in condition.values])

    def inside(self, field: str, view: View) -> C:
        return self.dialect.any_of([self.dialect.between(field, gte=a, lte=b) for a, b in view.ranges])


def translate(request: PointFilter, dialect: FilterDialect[C]) -> C | None:
    """Say a request in an engine's language; None when it asks for nothing.

    A view without ranges shows nothing; callers answer that without asking the engine.
    """
    words = _Translation(dialect)
    must: list[C] = []
    must_not: list[C] = []
    if request.view is not None:
        must.append(words.inside("added_in", request.view))
        must_not.append(words.inside("retired_in", request.view))
    if request.added_in is not None:
        must.append(dialect.one_of("added_in", [request.added_in]))
    if request.retired_in is not None:
        must.append(dialect.one_of("retired_in", [request.retired_in]))
    if (within := request.within) is not None:
        must.append(dialect.between(within.field, gte=within.first, lte=within.last))
    for condition in request.where.conditions:
        side = must_not if condition.operator is Operator.NE else must
        side.append(words.condition(condition))
    return dialect.all_of(must, must_not) if must or must_not else None
