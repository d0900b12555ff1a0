"""What the documents of a bank have in common: their types, their base, and one sentence for what is wrong.

A document is JSON or TOML that may come from anywhere. It is read once, by a model of its own, and what
comes out needs no further looking at.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Protocol

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from freeda_store.limits import MAX_ID

Text = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$", max_length=2**20)]
Moment = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$", max_length=32)]
Count = Annotated[int, Field(ge=0, le=MAX_ID)]
Id = Annotated[int, Field(ge=1, le=MAX_ID)]

_SHOWN_CHARS = 40
_SHOWN_PLACE = 80
_SHOWN_REASON = 160
_MISSING, _UNKNOWN = {"missing", "missing_argument"}, {"extra_forbidden", "unexpected_keyword_argument"}


class Document(BaseModel):
    """Base of what is read from outside: nothing unknown, nothing converted, no NaN and no infinity."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


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
    reason = reason.replace("Input should be", "expected").replace("String should", "expected text to")
    told = values and kind != "value_error" and isinstance(given, str | int | float) and field
    shown = f", got {_shown(given)}" if told else ""
    return f"{field}: {reason}{shown}" if field else reason


def _shown(value: object) -> str:
    try:
        text = ascii(value) if isinstance(value, str) and not value.isprintable() else repr(value)
    except ValueError:  # an integer of more digits than Python writes
        return "a number with too many digits"
    return text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}..."


class RevisionDocument(Document):
    """A committed revision as documents outside SQL hold it."""

    id: Id
    number: Id
    parent_id: Id | None
    run_key: Text
    message: Text
    created_at: Moment
    committed_at: Moment | None
    prototypes_added: Count
    prototypes_retired: Count


class NumberedRevision(Protocol):
    """The place of a revision in a history."""

    @property
    def id(self) -> int:
        """Its id."""

    @property
    def number(self) -> int:
        """Its number, counted from 1."""

    @property
    def parent_id(self) -> int | None:
        """Id of the revision that it builds on."""


def check_order(revisions: Iterable[NumberedRevision]) -> None:
    """Refuse committed revisions that are no history: each must build on an earlier one, without a gap.

    Raises:
        ValueError: names the revision.
    """
    ids: set[int] = set()
    for number, revision in enumerate(revisions, start=1):
        if revision.number != number or revision.id in ids:
            raise ValueError(f"revision {number} is out of order")
        if revision.parent_id is not None and revision.parent_id not in ids:
            raise ValueError(f"revision {number} builds on one that is not there")
        ids.add(revision.id)
