"""What every database and engine can hold."""

from __future__ import annotations

MAX_INTEGER = 2**63 - 1
"""The largest seed."""
MAX_ID = 2**31 - 1
"""The largest id and number of a revision, and the largest count."""
MAX_DIM = 2**16
"""The longest vector."""


def storable(text: str) -> str:
    """A text as databases take it: NUL, and half characters as of names that are not UTF-8, are escaped."""
    return text.encode("utf-8", errors="backslashreplace").decode("utf-8").replace("\x00", "\\x00")
