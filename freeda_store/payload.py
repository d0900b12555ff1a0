"""A point's payload: all of ``PrototypeInfo``, so that a reader of vectors alone can explain."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast
from uuid import UUID

from freeda_store.errors import BankDamagedError
from freeda_store.fields import FIELDS, Holder, Holds, attributes
from freeda_store.records import Caption, JsonValue, Origin, Prototype, PrototypeInfo
from freeda_store.vectors.protocol import Payload


@dataclass(frozen=True)
class StoredPrototype(Prototype):
    """A prototype as it is kept: what both SQL and the payload of its point must say."""

    generation: UUID
    caption: Caption
    seed: int
    picture_key: str
    added_in: int
    origin: str = field(default=Origin.GENERATED.value, kw_only=True)


def make_payload(stored: StoredPrototype, retired_in: Sequence[int] = ()) -> dict[str, JsonValue]:
    """The payload of a prototype's point. Scores lie at the top, where filters reach them."""
    told: dict[str, JsonValue] = {"generation": str(stored.generation)}
    for each in FIELDS:
        value = each.value(stored.caption if each.holder is Holder.CAPTION else stored)
        if each.is_told(value):
            told[each.name] = [*value] if each.holds is Holds.SPAN else value
    return told | {"added_in": stored.added_in, "retired_in": [*retired_in]}


def read_info(id_: UUID, payload: Payload, number_of: Callable[[int], int]) -> PrototypeInfo:
    """What a payload says; ``number_of`` turns a revision's id into its number.

    Raises:
        BankDamagedError: a field is missing.
    """
    values = cast("dict[str, Any]", payload)
    try:
        told = {each.name: each.said(values) for each in FIELDS}
        start, stop = told["span"]
        told["span"] = (start, stop)
        return PrototypeInfo(id=id_, revision=number_of(values["added_in"]), **attributes(told))
    except (KeyError, ValueError, TypeError) as error:
        raise BankDamagedError(
            f"prototype {id_} has no valid field {error}; run `freeda bank verify --repair`."
        ) from error
