"""Confusion matrix, IoU and accuracy, counted exactly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from freeda_segment.errors import DatasetError

IGNORE = 255
"""Truth label of pixels that are not counted."""


@dataclass(frozen=True, eq=False)
class Confusion:
    """How often each true class was labelled as each class.

    Attributes:
        counts: int64 (C, C + 1): rows are true classes, columns predicted ones, the last column is
            for pixels that were given no class. Confusions of several pictures add up with ``+``.
    """

    counts: NDArray[np.int64]

    @classmethod
    def empty(cls, classes: int) -> Confusion:
        """Nothing counted yet."""
        return cls(np.zeros((classes, classes + 1), dtype=np.int64))

    @classmethod
    def of(
        cls, truth: NDArray[Any], predicted: NDArray[Any], classes: int, ignore: int = IGNORE
    ) -> Confusion:
        """Count one picture.

        Args:
            truth: integers of any shape, 0..C-1 or ``ignore``.
            predicted: integers of the same shape; what lies outside 0..C-1 is no class.
            classes: C.
            ignore: true label of pixels that are not counted.

        Raises:
            DatasetError: shapes differ, or a true label is neither a class nor ``ignore``.
        """
        if truth.shape != predicted.shape:
            raise DatasetError(
                f"truth has shape {truth.shape} and prediction {predicted.shape}; expected equal."
            )
        counted = truth != ignore
        true = truth[counted].astype(np.int64)
        guess = predicted[counted].astype(np.int64)
        if true.size and not (true.min() >= 0 and true.max() < classes):
            wrong = true.min() if true.min() < 0 else true.max()
            raise DatasetError(
                f"true label {wrong} is neither below {classes} nor {ignore}; check the classes."
            )
        guess[(guess < 0) | (guess >= classes)] = classes
        pairs = np.bincount(true * (classes + 1) + guess, minlength=classes * (classes + 1))
        return cls(pairs.reshape(classes, classes + 1))

    def __add__(self, other: Confusion) -> Confusion:
        return Confusion(self.counts + other.counts)


@dataclass(frozen=True, eq=False)
class Metrics:
    """What a confusion amounts to.

    Attributes:
        iou: float64 (C,), intersection over union; NaN for classes neither true nor predicted.
        accuracy: float64 (C,), share of each true class's pixels that were found; NaN if none.
        mean_iou: mean over the classes that have an IoU; NaN if none has.
        pixel_accuracy: share of all counted pixels that were right; NaN if none was counted.
    """

    iou: NDArray[np.float64]
    accuracy: NDArray[np.float64]
    mean_iou: float
    pixel_accuracy: float


def measure(confusion: Confusion) -> Metrics:
    """IoU and accuracy of a confusion."""
    counts = confusion.counts
    classes = len(counts)
    hits = np.diagonal(counts[:, :classes]).astype(np.float64)
    true = counts.sum(axis=1)
    union = true + counts[:, :classes].sum(axis=0) - hits
    iou = _ratio(hits, union)
    known = iou[~np.isnan(iou)]
    return Metrics(
        iou=iou,
        accuracy=_ratio(hits, true),
        mean_iou=float(known.mean()) if known.size else float("nan"),
        pixel_accuracy=float(_ratio(hits.sum()[None], true.sum()[None])[0]),
    )


def _ratio(parts: NDArray[Any], wholes: NDArray[Any]) -> NDArray[np.float64]:
    """parts / wholes, NaN where the whole is nothing."""
    ratio = np.full(parts.shape, np.nan)
    np.divide(parts, wholes, out=ratio, where=wholes > 0)
    return ratio
