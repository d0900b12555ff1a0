"""From marks to masks: the region under a point, what fills a box."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from scipy import ndimage

from freeda_learn.errors import MarkError
from freeda_learn.marks import Marks, Point, Rectangle
from freeda_learn.seeing import SeenPicture
from freeda_models.protocols import BoolArray, FloatArray, LabelArray
from freeda_models.unit_vectors import normalised
from freeda_segment.regions.merging import merge_regions
from freeda_segment.regions.sampling import resized_nearest
from freeda_segment.regions.superpixels import Superpixels

MERGE_SIMILARITY = 0.7
"""Superpixels under a point are merged with those that look so much alike; see ``benchmarks/learning.py``."""

_INSIDE = 0.8
"""A superpixel lies in a box with this share of its pixels."""


@dataclass(frozen=True, eq=False)
class Found:
    """What marks mean, at the working picture's size.

    Attributes:
        mask_hw: bool (h, w), what is meant.
        not_hw: bool (h, w), what a person said is not meant.
        ignored_hw: bool (h, w), what counts as neither.
    """

    mask_hw: BoolArray
    not_hw: BoolArray
    ignored_hw: BoolArray


class RegionFinder(Protocol):
    """Finds the region of a picture that a point or a box means."""

    def under(self, seen: SeenPicture, points: tuple[Point, ...]) -> BoolArray:
        """The regions under points, together.

        Args:
            seen: the picture.
            points: columns and rows in the upright picture.

        Returns:
            bool (h, w), at the working picture's size.
        """

    def inside(self, seen: SeenPicture, box: Rectangle) -> BoolArray:
        """What fills a box, as :meth:`under`."""


def find(seen: SeenPicture, marks: Marks, finder: RegionFinder) -> Found:
    """The mask that marks mean.

    Raises:
        MarkError: a mark is outside the picture, a mask has another size, or nothing is left.
    """
    picture = seen.picture
    marks.check_inside(picture.size_hw)
    nothing = np.zeros(seen.working.shape[:2], dtype=np.bool_)
    mask = ~nothing if marks.whole else nothing.copy()
    if marks.mask_hw is not None:
        mask |= seen.to_working(picture.upright_mask(marks.mask_hw))
    if marks.at:
        mask |= finder.under(seen, marks.at)
    for box in marks.boxes:
        mask |= finder.inside(seen, box)
    unwanted = finder.under(seen, marks.not_at) if marks.not_at else nothing
    ignored = nothing if marks.ignored_hw is None else seen.to_working(picture.upright_mask(marks.ignored_hw))
    mask &= ~unwanted
    if not mask.any():
        raise MarkError(
            "nothing is left of the region: the points of what it is not lie in it too; mark it more closely."
            if marks.not_at
            else "its mask is empty; mark at least one pixel."
        )
    return Found(mask, unwanted, ignored & ~mask)


@dataclass(frozen=True, eq=False)
class _Divided:
    """A picture's superpixels, the sums of their features, and what they are when those alike are merged."""

    seen: SeenPicture
    labels: LabelArray
    sums: FloatArray
    similarity: float

    @cached_property
    def merged(self) -> LabelArray:
        return merge_regions(self.labels, self.sums, self.similarity)


class SuperpixelFinder(RegionFinder):
    """Superpixels, merged where they look alike to the backbone.

    Args:
        superpixels: of the preset.
        similarity: least cosine of superpixels that are merged.
    """

    def __init__(self, superpixels: Superpixels, similarity: float | None = None) -> None:
        self._superpixels = superpixels
        self._similarity = MERGE_SIMILARITY if similarity is None else similarity
        self._last: _Divided | None = None

    def under(self, seen: SeenPicture, points: tuple[Point, ...]) -> BoolArray:
        """See :meth:`RegionFinder.under`. Where superpixels are none, the pixels of one token's size."""
        merged = self._divided(seen).merged
        wanted = {int(merged[_scaled(seen, point)]) for point in points} - {-1}
        mask: BoolArray = np.isin(merged, list(wanted))
        for point in points:
            mask[_scaled(seen, point)] = True
        return mask

    def inside(self, seen: SeenPicture, box: Rectangle) -> BoolArray:
        """Superpixels in the box that look more like its middle than like anything around it."""
        divided = self._divided(seen)
        labels, sums = divided.labels, divided.sums
        boxed = _boxed(seen, box)
        areas = np.bincount(labels[labels >= 0], minlength=len(sums))
        shares = np.bincount(labels[boxed & (labels >= 0)], minlength=len(sums)) / np.maximum(areas, 1)
        candidates, outside = np.flatnonzero(shares >= _INSIDE), np.flatnonzero(shares == 0)
        if not len(candidates) or not len(outside):
            return boxed
        middle = _shrunk(boxed)
        core = (
            np.bincount(labels[middle & (labels >= 0)], minlength=len(sums))[candidates] / areas[candidates]
        )
        if not core.any():
            return boxed
        features, around = normalised(sums[candidates]), normalised(sums[outside])
        like_middle = features @ normalised((features * core[:, None]).sum(axis=0)[None])[0]
        kept = candidates[like_middle >= (features @ around.T).max(axis=1)]
        mask: BoolArray = np.isin(labels, kept)
        return mask if mask.any() else boxed

    def merged(self, seen: SeenPicture) -> LabelArray:
        """All regions of a picture: int32 (h, w) at its working size, -1 where superpixels are none."""
        return self._divided(seen).merged

    def _divided(self, seen: SeenPicture) -> _Divided:
        """Superpixels of a picture and their features; those of the last one are remembered."""
        if self._last is None or self._last.seen is not seen:
            labels = self._superpixels(seen.working)
            self._last = _Divided(seen, labels, seen.sums(labels), self._similarity)
        return self._last


def _scaled(seen: SeenPicture, point: Point) -> tuple[int, int]:
    """Row and column in the working picture of a point of the upright one."""
    (height, width), (old_height, old_width) = seen.working.shape[:2], seen.picture.size_hw
    return point[1] * height // old_height, point[0] * width // old_width


def _boxed(seen: SeenPicture, box: Rectangle) -> BoolArray:
    height, width = seen.picture.size_hw
    mask = np.zeros((height, width), dtype=np.bool_)
    mask[box[1] : box[3] + 1, box[0] : box[2] + 1] = True
    return resized_nearest(mask, (seen.working.shape[0], seen.working.shape[1]))


def _shrunk(mask_hw: BoolArray) -> BoolArray:
    """The inner part of a mask: what lies at least half as deep in it as its deepest pixel."""
    depth = ndimage.distance_transform_cdt(np.pad(mask_hw, 1))[1:-1, 1:-1]
    inner: BoolArray = depth >= (depth.max() + 1) // 2
    return inner & mask_hw
