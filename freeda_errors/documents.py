"""Documents that come from outside: the bases of their models, and one sentence for what is wrong in one.

A document is JSON or TOML that may come from anywhere. It is read once, by a model of its own, and what
comes out needs no further looking at.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Annotated, Any, get_args

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

Text = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$", max_length=2**20)]

_SHOWN_CHARS = 40
_SHOWN_PLACE = 80
_SHOWN_REASON = 160
_MISSING, _UNKNOWN = {"missing", "missing_argument"}, {"extra_forbidden", "unexpected_keyword_argument"}
_PYDANTIC_WORDS = {
    "Input should be": "expected",
    "Value should be": "expected",
    "String should": "expected text to",
}


class Document(BaseModel):
    """Base of what is read from outside: nothing unknown, nothing converted, no NaN and no infinity."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Excerpt(Document):
    """A :class:`Document` that holds more than is needed; the rest is left alone."""

    model_config = ConfigDict(extra="ignore")


def fault_of(error: ValidationError, *, values: bool = True, model: type[BaseModel] | None = None) -> str:
    """The first thing that is wrong in a document: the field, what was expected, and what stood there.

    Args:
        error: of a model.
        values: whether to quote what stood there; not where it may be a secret.
        model: of the document, for what was meant by a field that is not known. Such a field is told of
            before one that is missing, which it often is.
    """
    found = error.errors(include_url=False)
    first = found[0]
    if model is not None:
        first = next((each for each in found if each["type"] in _UNKNOWN), first)
    kind, given = first["type"], first["input"]
    field = ".".join(str(part) for part in first["loc"])[:_SHOWN_PLACE]
    reason = first["msg"].removeprefix("Value error, ")[:_SHOWN_REASON]
    if kind == "json_invalid":
        _, at, place = reason.rpartition(" at line ")
        return f"it is not valid JSON{at}{place if at else ''}"
    if kind in _MISSING:
        return f"the field '{field}' is missing"
    if kind in _UNKNOWN:
        return f"'{field}' is not a known field{_meant(first['loc'], model)}"
    for theirs, ours in _PYDANTIC_WORDS.items():
        reason = reason.replace(theirs, ours)
    told = values and kind != "value_error" and isinstance(given, str | int | float) and field
    shown = f", got {_shown(given)}" if told else ""
    return f"field '{field}': {reason}{shown}" if field else reason


def nearest(name: str, known: Iterable[str]) -> str:
    """``; did you mean 'k'``, where a known name is alike; else nothing."""
    alike = get_close_matches(name.lower(), list(known), n=1, cutoff=0.6)
    return f"; did you mean '{alike[0]}'" if alike else ""


def _meant(place: tuple[int | str, ...], model: type[BaseModel] | None) -> str:
    """Which field was meant by one that is not known: another name, or the same in another table."""
    if model is None:
        return ""
    *tables, name = (str(part) for part in place)
    here: type[BaseModel] | None = model
    for table in tables:
        here = None if here is None else _table(here.model_fields.get(table))
    hint = nearest(name, here.model_fields) if here is not None else ""
    if hint:
        return hint
    fields: Mapping[str, Any] = model.model_fields
    elsewhere = [
        table
        for table, field in fields.items()
        if table not in tables and (found := _table(field)) is not None and name in found.model_fields
    ]
    return f"; it belongs into the table [{elsewhere[0]}]" if elsewhere else ""


def _table(field: Any) -> type[BaseModel] | None:
    """The model of a field that is a table, or may be one."""
    kind = getattr(field, "annotation", None)
    tables = (each for each in (kind, *get_args(kind)) if isinstance(each, type))
    return next((each for each in tables if issubclass(each, BaseModel)), None)


def _shown(value: object) -> str:
    try:
        text = ascii(value) if isinstance(value, str) and not value.isprintable() else repr(value)
    except ValueError:  # an integer of more digits than Python writes
        return "a number with too many digits"
    return text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}..."
