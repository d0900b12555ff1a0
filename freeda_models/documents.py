"""Documents that come from outside, presets and models' configurations: their types and their faults."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints, ValidationError

Text = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$", max_length=4096)]
Texts = Annotated[tuple[Text, ...], Field(strict=False)]
"""TOML and JSON know lists only."""
Size = Annotated[int, Field(ge=1, le=2**20)]
"""Of a tensor, in one of its dimensions."""

_SHOWN_CHARS = 40


def fault_of(error: ValidationError) -> str:
    """The first field that is wrong, what was expected, and what stood there."""
    first = error.errors(include_url=False)[0]
    field, given = ".".join(str(part) for part in first["loc"])[:80], first["input"]
    if first["type"] == "missing":
        return f"the field '{field}' is missing"
    if first["type"] == "extra_forbidden":
        return f"'{field}' is not a known field"
    reason = first["msg"].removeprefix("Value error, ")
    for theirs in ("Input should be", "Value should be"):
        reason = reason.replace(theirs, "expected")
    return f"field '{field}': {reason}{_shown(given)}" if field else reason


def _shown(given: object) -> str:
    """Plain values; not what is long or has parts."""
    if not isinstance(given, str | float | int) or (isinstance(given, int) and abs(given) >= 10**20):
        return ""
    text = ascii(given)
    return f", got {text if len(text) <= _SHOWN_CHARS else text[:_SHOWN_CHARS] + '...'}"
