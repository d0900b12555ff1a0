"""Sizes: the working picture, the windows over it, and the way back to the original size.

The benchmark protocol (method, online stage 10): the picture is resized so that its shorter side
is 448 and its longest at most 2048; windows of 448 slide over it with a stride of 224, the last
one of each row and column pushed back inside; scores are averaged where windows overlap, then
resized bilinearly to the original size. A preset sets the four numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from freeda_models.protocols import ImageArray
from freeda_segment.regions.sampling import half_pixel_samples

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Box:
    """A rectangle of the working picture: rows top..bottom and columns left..right, stops excluded."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width."""
        return self.bottom - self.top, self.right - self.left

    @property
    def slices(self) -> tuple[slice, slice]:
        """Row and column slices, for indexing arrays (H, W)."""
        return slice(self.top, self.bottom), slice(self.left, self.right)


def working_size(size_hw: tuple[int, int], shorter_side: int, longest_side: int) -> tuple[int, int]:
    """Height and width of the working picture; the aspect is kept, and each is at least 1."""
    shorter, longer = min(size_hw), max(size_hw)
    scale = min(shorter_side / shorter, longest_side / longer)
    height, width = (max(1, int(side * scale + 0.5)) for side in size_hw)
    return height, width


def resize_picture(image_hwc: ImageArray, size_hw: tuple[int, int], way: str = "antialiased") -> ImageArray:
    """Resize uint8 (H, W, 3) bilinearly.

    Args:
        image_hwc: the picture.
        size_hw: height and width wanted.
        way: a name of :data:`RESIZES`. ``antialiased`` weighs all pixels under each one of a smaller
            picture; ``plain`` reads the four nearest whatever the ratio, as OpenCV does for the authors.
    """
    if image_hwc.shape[:2] == size_hw:
        return image_hwc
    return RESIZES[way](image_hwc, size_hw)


def _antialiased(image_hwc: ImageArray, size_hw: tuple[int, int]) -> ImageArray:
    from PIL import Image

    picture = Image.fromarray(image_hwc)
    resized = picture.resize((size_hw[1], size_hw[0]), Image.Resampling.BILINEAR, reducing_gap=4.0)
    return np.asarray(resized)


def _plain(image_hwc: ImageArray, size_hw: tuple[int, int]) -> ImageArray:
    y, x = (half_pixel_samples(*sides) for sides in zip(image_hwc.shape[:2], size_hw, strict=True))
    down, across = y.weight[:, None, None], x.weight[None, :, None]
    upper = image_hwc[np.ix_(y.low, x.low)] * (1 - across) + image_hwc[np.ix_(y.low, x.high)] * across
    lower = image_hwc[np.ix_(y.high, x.low)] * (1 - across) + image_hwc[np.ix_(y.high, x.high)] * across
    resized: ImageArray = np.rint(upper * (1 - down) + lower * down).astype(np.uint8)
    return resized


RESIZES: Mapping[str, Callable[[ImageArray, tuple[int, int]], ImageArray]] = MappingProxyType(
    {"antialiased": _antialiased, "plain": _plain}
)
"""Ways to resize a picture, by name."""


def window_boxes(size_hw: tuple[int, int], window: int, stride: int) -> tuple[Box, ...]:
    """The windows over a working picture, row by row; all of one size, together covering it."""
    (height, tops), (width, lefts) = (_starts(side, window, stride) for side in size_hw)
    return tuple(Box(top, left, top + height, left + width) for top in tops for left in lefts)


def _starts(side: int, window: int, stride: int) -> tuple[int, list[int]]:
    size = min(window, side)
    count = max(side - window + stride - 1, 0) // stride + 1
    return size, [min(index * stride, side - size) for index in range(count)]


def overlap_count(size_hw: tuple[int, int], boxes: tuple[Box, ...]) -> NDArray[np.float32]:
    """How many windows cover each pixel: float32 (H, W), at least 1."""
    count = np.zeros(size_hw, dtype=np.float32)
    for box in boxes:
        count[box.slices] += 1
    return count


def central_window(size_hw: tuple[int, int], boxes: tuple[Box, ...]) -> NDArray[np.int32]:
    """For each pixel, the window in which it lies most centrally: int32 (H, W)."""
    nearest = np.zeros(size_hw, dtype=np.int32)
    smallest = np.full(size_hw, np.inf, dtype=np.float32)
    for index, box in enumerate(boxes):
        rows = np.abs(np.arange(box.top, box.bottom) - (box.top + box.bottom - 1) / 2)
        columns = np.abs(np.arange(box.left, box.right) - (box.left + box.right - 1) / 2)
        distance = np.maximum(rows[:, None], columns[None, :]).astype(np.float32)
        closer = distance < smallest[box.slices]
        smallest[box.slices][closer] = distance[closer]
        nearest[box.slices][closer] = index
    return nearest


def upsample_rows(scores_chw: torch.Tensor, size_hw: tuple[int, int], rows: slice) -> torch.Tensor:
    """A band of rows of the bilinear resize (half-pixel centres, no antialiasing).

    Args:
        scores_chw: float32 (C, h, w).
        size_hw: height and width of the whole result.
        rows: which of its rows are wanted.

    Returns:
        float32 (C, rows, W), equal to those rows of ``F.interpolate(..., align_corners=False)``.
    """
    import torch
    import torch.nn.functional as F

    height, (full_height, full_width) = scores_chw.shape[1], size_hw
    if (height, scores_chw.shape[2]) == size_hw:
        return scores_chw[:, rows]
    if rows == slice(0, full_height):
        return F.interpolate(scores_chw[None], size_hw, mode="bilinear", align_corners=False)[0]
    targets = torch.arange(rows.start, rows.stop, dtype=torch.float32)
    centres = ((targets + 0.5) * (height / full_height) - 0.5).clamp_min_(0)
    upper = centres.long().clamp_max_(height - 1)
    lower = (upper + 1).clamp_max_(height - 1)
    weight = (centres - upper)[None, :, None]
    band = torch.lerp(scores_chw.index_select(1, upper), scores_chw.index_select(1, lower), weight)
    wide = F.interpolate(
        band[None], (band.shape[1], full_width), mode="bilinear", align_corners=False, antialias=False
    )
    return wide[0]
