"""How a person says which part of a picture is meant: points, boxes, a mask, or the whole picture."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

import numpy as np

from freeda_learn.errors import MarkError
from freeda_models.protocols import BoolArray

Point = tuple[int, int]
"""Column and row of a pixel of the upright picture, from 0."""

Rectangle = tuple[int, int, int, int]
"""Columns and rows of the first and last pixel: left, top, right, bottom."""


@dataclass(frozen=True, eq=False)
class Marks:
    """What is marked in a picture. All that is marked for one example belongs together.

    Attributes:
        at: points; the region under each is meant.
        boxes: what fills them is meant.
        not_at: points in regions that are not meant.
        mask_hw: bool (H, W), at the upright picture's size, or at the size that its file stores.
        ignored_hw: bool (H, W), what is neither meant nor surely something else, such as a crowd.
        whole: the whole picture is meant.
    """

    at: tuple[Point, ...] = ()
    boxes: tuple[Rectangle, ...] = ()
    not_at: tuple[Point, ...] = ()
    mask_hw: BoolArray | None = None
    ignored_hw: BoolArray | None = None
    whole: bool = False

    def __post_init__(self) -> None:
        if not (self.at or self.boxes or self.whole or self.mask_hw is not None):
            raise MarkError("nothing is marked; give a point, a box or a mask.")

    def check_inside(self, size_hw: tuple[int, int]) -> None:
        """Refuse marks beyond the picture.

        Raises:
            MarkError: names the first one.
        """
        height, width = size_hw
        for x, y in (*self.at, *self.not_at):
            if not (0 <= x < width and 0 <= y < height):
                raise MarkError(
                    f"the point {x},{y} is outside the picture, which has {width} x {height} pixels; give a "
                    f"column from 0 to {width - 1} and a row from 0 to {height - 1}."
                )
        for left, top, right, bottom in self.boxes:
            if not (0 <= left < right < width and 0 <= top < bottom < height):
                raise MarkError(
                    f"the box {left},{top},{right},{bottom} is none in a picture of {width} x {height} "
                    "pixels; give left,top,right,bottom inside it, the smaller numbers first."
                )

    def fingerprint(self) -> str:
        """SHA-256 of all that is marked, in hex: the same marks are the same example."""
        told = json.dumps([self.at, self.boxes, self.not_at, self.whole])
        digest = hashlib.sha256(told.encode())
        for mask in (self.mask_hw, self.ignored_hw):
            digest.update(b"-" if mask is None else repr(mask.shape).encode() + np.packbits(mask).tobytes())
        return digest.hexdigest()
