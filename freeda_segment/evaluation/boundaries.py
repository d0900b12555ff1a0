"""Boundary IoU (Cheng et al., CVPR 2021, arXiv 2103.16562): IoU of the bands along the borders.

IoU hardly notices a ragged outline around a large object. Boundary IoU counts, of each class, only the
pixels that lie within a distance d of its border, in the truth and in the prediction alike, so that large and
small objects answer for their outlines.

As in the authors' code, d is 2 % of the picture's diagonal, distance is the larger of rows and columns,
and the edge of the picture is a border.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from freeda_models.protocols import BoolArray

WIDTH = 0.02
"""Width of a band, as a share of the picture's diagonal."""


def band_width(size_hw: tuple[int, int]) -> int:
    """Width of the bands of a picture, in pixels; at least 1."""
    return max(1, round(WIDTH * math.hypot(*size_hw)))


def border_bands(labels_hw: NDArray[Any], width: int, counted_hw: BoolArray | None = None) -> BoolArray:
    """Which pixels have another label, or the picture's edge, within a distance.

    For every class at once this is its mask less its mask eroded by ``width``: a pixel stays when all labels
    of the square around it are alike, that is when the lowest is the highest.

    Args:
        labels_hw: integers (H, W).
        width: of the bands, in pixels.
        counted_hw: bool (H, W), False where a label means nothing and makes no border; all count if None.

    Returns:
        bool (H, W).
    """
    from scipy.ndimage import maximum_filter, minimum_filter

    lowest = highest = labels = labels_hw.astype(np.int32)
    if counted_hw is not None:
        limits = np.iinfo(np.int32)
        lowest = np.where(counted_hw, labels, limits.max)
        highest = np.where(counted_hw, labels, limits.min)
    side = 2 * width + 1
    bands: BoolArray = minimum_filter(lowest, side) != maximum_filter(highest, side)
    bands[:width] = bands[-width:] = True
    bands[:, :width] = bands[:, -width:] = True
    return bands


@dataclass(frozen=True, eq=False)
class BoundaryCounts:
    """Pixels in the bands along the borders, by class. Those of several pictures add up with ``+``.

    Attributes:
        hits: int64 (C,), pixels that lie in a class's band in the truth and in the prediction.
        true: int64 (C,), pixels of its band in the truth.
        predicted: int64 (C,), pixels of its band in the prediction.
    """

    hits: NDArray[np.int64]
    true: NDArray[np.int64]
    predicted: NDArray[np.int64]

    @classmethod
    def empty(cls, classes: int) -> BoundaryCounts:
        """Nothing counted yet."""
        return cls(*(np.zeros(classes, dtype=np.int64) for _ in range(3)))

    @classmethod
    def of(cls, truth: NDArray[Any], predicted: NDArray[Any], classes: int, ignore: int) -> BoundaryCounts:
        """Count one picture.

        Pixels that are ignored are not counted and make no border, neither in the truth nor in the
        prediction.

        Args:
            truth: integers (H, W), 0..C-1 or ``ignore``.
            predicted: integers (H, W); what lies outside 0..C-1 is no class.
            classes: C.
            ignore: true label of pixels that are not counted.
        """
        counted = truth != ignore
        known = (predicted >= 0) & (predicted < classes)
        width = band_width((truth.shape[0], truth.shape[1]))
        true, guess = (
            np.where(counted & border_bands(labels, width, counted), labels, -1)
            for labels in (truth.astype(np.int64), np.where(known, predicted, -1).astype(np.int64))
        )
        return cls(*(_per_class(labels, classes) for labels in (true[true == guess], true, guess)))

    def __add__(self, other: BoundaryCounts) -> BoundaryCounts:
        return BoundaryCounts(
            self.hits + other.hits, self.true + other.true, self.predicted + other.predicted
        )


def _per_class(labels: NDArray[Any], classes: int) -> NDArray[np.int64]:
    """How many pixels have each label; negative ones are not counted."""
    return np.bincount(labels[labels >= 0].astype(np.int64), minlength=classes)
