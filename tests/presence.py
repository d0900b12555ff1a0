"""What may be missing and is there."""

from __future__ import annotations

from typing import TypeVar

T = TypeVar("T")


def present(value: T | None) -> T:
    """A value that is not None."""
    assert value is not None
    return value
