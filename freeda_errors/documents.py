"""Documents that come from outside: the bases of their models, and one sentence for what is wrong in one.

A document is JSON or TOML that may come from anywhere. It is read once, by a model of its own, and what
comes out needs no further looking at.
"""

from __future__ import annotations

from typing import Annotated

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


def fault_of(error: ValidationError, *, values: bool = True) -> str:
    """The first thing that is wrong in a document: the field, what was expected, and what stood there.

    Args:
        error: of a model.
        values: whether to quote what stood there; not where it may be a secret.
    """
    first = error.errors(include_url=False)[0]
    kind, given = first["type"], first["input"]
    field = ".".join(str(part) for part in first["loc"])[:_SHOWN_PLACE]
    reason = first["msg"].removeprefix("Value error, ")[:_SHOWN_REASON]
    if kind == "json_invalid":
        _, at, place = reason.rpartition(" at line ")
        return f"it is not valid JSON{at}{place if at else ''}"
    if kind in _MISSING:
        return f"the field '{field}' is missing"
    if kind in _UNKNOWN:
        return f"'{field}' is not a known field"
    for theirs, ours in _PYDANTIC_WORDS.items():
        reason = reason.replace(theirs, ours)
    told = values and kind != "value_error" and isinstance(given, str | int | float) and field
    shown = f", got {_shown(given)}" if told else ""
    return f"field '{field}': {reason}{shown}" if field else reason


def _shown(value: object) -> str:
    try:
        text = ascii(value) if isinstance(value, str) and not value.isprintable() else repr(value)
    except ValueError:  # an integer of more digits than Python writes
        return "a number with too many digits"
    return text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}..."
