"""Which numbers of a picture of more than 8 bits are black and white.

The rule, for 16-bit and 32-bit integers and floats:

1. The range is the first of these that holds all numbers: 0..1 for floats, 0..255 but for 16-bit integers,
   0..65535, and else from the smallest number to the largest.
2. Where the middle 99.8 % of the numbers cover less than a quarter of it, as in microscopy and from cameras
   of 12 bits, the picture would be nearly one grey. Then what lies between their ends is stretched, what lies
   beyond is black or white, and the picture says so in its notes.

What is not finite is black.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from freeda_models.protocols import ImageArray

OUTSIDE = 0.001
"""Share of the numbers that are left out at either end when it is looked how much the others cover."""

LEAST_COVERED = 0.25
"""Share of the range that the others cover where nothing is stretched."""

_BINS = 65536

Numbers = NDArray[Any]


@dataclass(frozen=True)
class GreyScale:
    """From numbers to grey.

    Attributes:
        low, high: what is black and white.
        range_: what would have been, where it was stretched; None where it was not.
    """

    low: float
    high: float
    range_: tuple[float, float] | None = None

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know; nothing where the range was taken as it is."""
        if self.range_ is None:
            return ()
        low, high = self.range_
        return (
            f"most of its numbers lie in {self.low:,.6g} to {self.high:,.6g} of {low:,.6g} to {high:,.6g}, "
            "and were stretched to black and white; scale them yourself where that is not meant.",
        )

    def grey(self, numbers_hw: Numbers) -> ImageArray:
        """Numbers (H, W) as uint8 (H, W, 3)."""
        values = numbers_hw.astype(np.float64)
        scaled = (values - self.low) / max(self.high - self.low, 1e-12) * 255
        scaled[~np.isfinite(values)] = 0
        grey = np.clip(np.rint(scaled), 0, 255).astype(np.uint8)
        return np.ascontiguousarray(np.broadcast_to(grey[:, :, None], (*grey.shape, 3)))


def find_scale(strips: Callable[[], Iterable[Numbers]]) -> GreyScale:
    """The scale of a picture by the rule above.

    Args:
        strips: gives the picture's numbers, some rows at a time, each time that it is called.
    """
    least, most, kind = np.inf, -np.inf, np.dtype(np.uint8)
    for strip in strips():
        finite, kind = strip[np.isfinite(strip)], strip.dtype
        if finite.size:
            least, most = min(least, float(finite.min())), max(most, float(finite.max()))
    if least >= most:
        return GreyScale(*_range(min(least, 0.0), max(most, 0.0), kind))
    low, high = _range(least, most, kind)
    inner = _middle(strips(), least, most)
    if inner[0] < inner[1] and inner[1] - inner[0] < LEAST_COVERED * (high - low):
        return GreyScale(*inner, range_=(low, high))
    return GreyScale(low, high)


def _range(least: float, most: float, kind: np.dtype[Any]) -> tuple[float, float]:
    if least >= 0 and most <= 1 and kind.kind == "f":
        return 0.0, 1.0
    if least >= 0 and most <= 255 and not (kind.kind == "u" and kind.itemsize == 2):
        return 0.0, 255.0
    if least >= 0 and most <= 65535:
        return 0.0, 65535.0
    return least, most


def _middle(strips: Iterable[Numbers], least: float, most: float) -> tuple[float, float]:
    """Between which numbers all but :data:`OUTSIDE` of them at either end lie."""
    counts = np.zeros(_BINS, dtype=np.int64)
    step = (most - least) / (_BINS - 1)
    for strip in strips:
        values = strip[np.isfinite(strip)].astype(np.float64)
        counts += np.bincount(np.rint((values - least) / step).astype(np.int64), minlength=_BINS)
    below = np.cumsum(counts)
    outside = OUTSIDE * below[-1]
    first = int(np.searchsorted(below, outside, side="right"))
    last = int(np.searchsorted(below, below[-1] - outside, side="left"))
    return least + first * step, least + last * step
