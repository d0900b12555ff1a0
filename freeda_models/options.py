"""Options that are numbers with a range, as fields of frozen dataclasses: declared, read and checked here.

Presets and commands give them as a table of names and numbers, for whichever algorithm or network was chosen.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, TypeVar

T = TypeVar("T")


def number(
    default: float,
    *,
    above: float | None = None,
    least: float | None = None,
    most: float = 1e9,
    compare: bool = True,
) -> Any:
    """A field of options: a number over ``above``, or not under ``least``, and not over ``most``.

    It is a whole number where the field's type is int. ``compare`` is False for what changes no result.
    """
    limits = {"above": above, "least": least, "most": most}
    return dataclasses.field(default=default, compare=compare, metadata=limits)


def shaping(options: Any) -> dict[str, float]:
    """The options that shape results, by name; ``options`` is such a dataclass."""
    return {each.name: getattr(options, each.name) for each in dataclasses.fields(options) if each.compare}


def with_numbers(kind: type[T], name: str, numbers: Mapping[str, float]) -> T:
    """Options of a kind, with numbers for some of them.

    Args:
        kind: a dataclass whose fields are declared with :func:`number`.
        name: what the kind is called in messages.
        numbers: by option; whole numbers may come as floats.

    Raises:
        ValueError: an option is unknown, or a number outside its range; the message says what was expected.
    """
    fields = {field.name: field for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    for option in numbers:
        if option not in fields:
            known = ", ".join(fields) or "none"
            raise ValueError(f"{name} has no option '{option}'; its options are: {known}.")
    return kind(**{option: _checked(name, fields[option], given) for option, given in numbers.items()})


def _checked(name: str, field: dataclasses.Field[Any], given: float) -> float | int:
    above, least, most = (field.metadata[limit] for limit in ("above", "least", "most"))
    whole = field.type == "int"
    wanted = "a whole number" if whole else "a number"
    bound = f"over {above:g}" if above is not None else f"of at least {least:g}"
    fits = (
        isinstance(given, int | float)
        and not isinstance(given, bool)
        and math.isfinite(given)
        and (not whole or given == int(given))
        and (given > above if above is not None else given >= least)
        and given <= most
    )
    if not fits:
        raise ValueError(f"{name}: {field.name} is {given!r}; expected {wanted} {bound}, at most {most:g}.")
    return int(given) if whole else float(given)
