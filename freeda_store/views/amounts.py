"""Numbers as people say them."""

from __future__ import annotations

_UNITS = ("bytes", "kB", "MB", "GB", "TB")


def count(number: int, singular: str, plural: str = "") -> str:
    """``1 picture``, ``1,234 pictures``."""
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"


def size(number: int) -> str:
    """Bytes as people say them: ``1.2 MB``, powers of 1000."""
    value = float(number)
    for unit in _UNITS[:-1]:
        if value < 999.5:
            return f"{value:.0f} {unit}" if unit in _UNITS[:2] else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} {_UNITS[-1]}"
