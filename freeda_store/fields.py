"""What a bank keeps of every prototype: one line per field, from which all its copies are derived.

A new field takes a line here, its attribute in :mod:`freeda_store.records`, and a column in
:mod:`freeda_store.sql.tables` with a migration. The payload of a point, its checksum, rows, archives,
filters, indexes, exported tables, JSON and repairs follow. A test holds the lines against records and tables.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache, cached_property
from operator import attrgetter
from typing import Any

from freeda_store.records import Caption, JsonValue, Origin, PrototypeInfo, Scores


class Holder(StrEnum):
    """What a field is a property of, by the name of its table."""

    CAPTION = "caption"
    GENERATION = "generation"
    PROTOTYPE = "prototype"


class Holds(StrEnum):
    """What a field holds."""

    TEXT = "text"
    INTEGER = "integer"
    SCORE = "score"
    """A float, an attribute of the record's :class:`Scores`."""
    THUMBNAIL = "thumbnail"
    """The key of a picture, empty where none was kept. No filter asks for it."""
    SPAN = "span"
    """Two integers, in two columns. No filter asks for it."""


@dataclass(frozen=True)
class Field:
    """A field of every prototype.

    Attributes:
        name: in payloads, filters, archives and exported tables.
        holder: what it is a property of.
        holds: what it holds.
        column: in SQL, and as the holder's attribute, where that is not ``name``.
        lasting: never written again after the prototype; only such fields are in its checksum.
        hot: often filtered by: a folder's points have an index of it, a server keeps its index in memory.
        default: of a field that came later: what older prototypes have. Payloads, checksums and archives
            leave this value out, so that theirs are as they were. None for a field that was always there.
        choices: the values that there are, of a text that holds no other.
    """

    name: str
    holder: Holder
    holds: Holds
    column: str = ""
    lasting: bool = True
    hot: bool = False
    default: str | int | None = None
    choices: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """Its columns in SQL."""
        return (self.column,) if self.column else self.cells

    @property
    def cells(self) -> tuple[str, ...]:
        """Its columns in archives and exported tables."""
        if self.holds is Holds.SPAN:
            return (f"{self.name}_start", f"{self.name}_stop")
        return (self.name,)

    @cached_property
    def value(self) -> Callable[[object], Any]:
        """Reads its value from a caption, a generation or a prototype."""
        path = self.column or self.name
        return attrgetter(f"scores.{path}" if self.holds is Holds.SCORE else path)

    def is_told(self, value: object) -> bool:
        """Whether payloads say a value, or leave it out because older prototypes have it."""
        return self.default is None or value != self.default

    def parts(self, owner: object) -> tuple[Any, ...]:
        """Its value as one for each of its columns."""
        value = self.value(owner)
        return tuple(value) if self.holds is Holds.SPAN else (value,)

    def said(self, values: Mapping[str, Any]) -> Any:
        """Its value in a payload.

        Raises:
            KeyError: it is not there, and has no default.
        """
        return values[self.name] if self.default is None else values.get(self.name, self.default)

    def join(self, parts: tuple[Any, ...]) -> Any:
        """The value of its columns' values."""
        return parts if self.holds is Holds.SPAN else parts[0]


FIELDS = (
    Field("noun", Holder.PROTOTYPE, Holds.TEXT, hot=True),
    Field("kind", Holder.PROTOTYPE, Holds.TEXT, hot=True),
    Field("caption", Holder.CAPTION, Holds.TEXT, column="text"),
    Field("external_id", Holder.CAPTION, Holds.TEXT),
    Field("source", Holder.CAPTION, Holds.TEXT, hot=True),
    Field("license", Holder.CAPTION, Holds.TEXT, hot=True),
    Field("url", Holder.CAPTION, Holds.TEXT),
    Field("span", Holder.PROTOTYPE, Holds.SPAN),
    Field("part", Holder.PROTOTYPE, Holds.INTEGER, default=0),
    Field(
        "origin",
        Holder.GENERATION,
        Holds.TEXT,
        hot=True,
        default=Origin.GENERATED.value,
        choices=tuple(each.value for each in Origin),
    ),
    Field("seed", Holder.GENERATION, Holds.INTEGER),
    Field("contrast", Holder.PROTOTYPE, Holds.SCORE),
    Field("area", Holder.PROTOTYPE, Holds.SCORE),
    Field("clip_agreement", Holder.PROTOTYPE, Holds.SCORE),
    Field("outlier_distance", Holder.PROTOTYPE, Holds.SCORE, lasting=False),
    Field("picture_key", Holder.GENERATION, Holds.THUMBNAIL),
    Field("attribution_key", Holder.PROTOTYPE, Holds.THUMBNAIL),
)
"""In the order of the columns of archives and exported tables."""

REVISION_FIELDS = ("added_in", "retired_in")
"""What a point's payload says beside them: ids of the revision that added it and of those that retired it."""


@cache
def names(holds: Holds, *, hot: bool = False) -> tuple[str, ...]:
    """Names of the fields that hold something; only those that are often filtered by, where ``hot``."""
    return tuple(field.name for field in FIELDS if field.holds is holds and (field.hot or not hot))


@cache
def fields_of(holder: Holder) -> tuple[Field, ...]:
    """The fields of captions, generations or prototypes."""
    return tuple(field for field in FIELDS if field.holder is holder)


@cache
def defaults(holder: Holder | None = None) -> Mapping[str, str | int]:
    """Values by field of one holder, or of all, that payloads leave out where they are these."""
    fields = FIELDS if holder is None else fields_of(holder)
    return {field.name: field.default for field in fields if field.default is not None}


def thumbnails_of(holder: Holder, owner: object) -> Iterator[str]:
    """Keys of the thumbnails that a holder names; empty for those that were not kept."""
    return (field.value(owner) for field in fields_of(holder) if field.holds is Holds.THUMBNAIL)


def to_columns(holder: Holder, owner: object) -> dict[str, Any]:
    """Values by column in SQL, of what a holder has."""
    return {
        column: value
        for field in fields_of(holder)
        for column, value in zip(field.columns, field.parts(owner), strict=True)
    }


def to_cells(holder: Holder, owner: object) -> dict[str, Any]:
    """Values by column of an archive, of what a holder has."""
    return {
        cell: value
        for field in fields_of(holder)
        for cell, value in zip(field.cells, field.parts(owner), strict=True)
    }


def to_json(info: PrototypeInfo) -> dict[str, JsonValue]:
    """A prototype as JSON values by field; its scores are an object of their own."""
    told: dict[str, JsonValue] = {"id": str(info.id), "revision": info.revision}
    for field in FIELDS:
        if field.holds is not Holds.SCORE:
            value = getattr(info, field.name)
            told[field.name] = [*value] if field.holds is Holds.SPAN else value
    return told | {"scores": {name: getattr(info.scores, name) for name in names(Holds.SCORE)}}


def from_columns(holder: Holder, read: Callable[[str], Any]) -> dict[str, Any]:
    """Values by field; ``read`` gives that of a column in SQL."""
    return {field.name: field.join(tuple(map(read, field.columns))) for field in fields_of(holder)}


def from_cells(holder: Holder, row: Mapping[str, Any]) -> dict[str, Any]:
    """Values by field, of an archive's row."""
    return {field.name: field.join(tuple(row[cell] for cell in field.cells)) for field in fields_of(holder)}


def columns_said(holder: Holder, payload: Mapping[str, Any]) -> dict[str, Any]:
    """Values by column in SQL, as a payload says them."""
    return {
        column: part
        for field in fields_of(holder)
        for column, part in zip(
            field.columns,
            field.said(payload) if field.holds is Holds.SPAN else (field.said(payload),),
            strict=True,
        )
    }


def attributes(values: Mapping[str, Any]) -> dict[str, Any]:
    """What a record is made of, from values by field: scores come as one :class:`Scores`."""
    scores = {name: values[name] for name in names(Holds.SCORE)}
    return {name: value for name, value in values.items() if name not in scores} | {
        "scores": Scores(**scores)
    }


def caption_of(values: Mapping[str, Any], extra: Mapping[str, Any]) -> Caption:
    """The caption of values by field."""
    told = {field.columns[0]: values[field.name] for field in fields_of(Holder.CAPTION)}
    return Caption(**told, extra=extra)
