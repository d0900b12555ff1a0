"""Confusion matrix, IoU, boundary IoU and accuracy, counted exactly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from freeda_segment.errors import DatasetError
from freeda_segment.evaluation.boundaries import BoundaryCounts

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
class Counts:
    """All that is counted of pictures. Those of several pictures add up with ``+``.

    Attributes:
        confusion: of all pixels.
        boundary: of the pixels along borders.
    """

    confusion: Confusion
    boundary: BoundaryCounts

    @classmethod
    def empty(cls, classes: int) -> Counts:
        """Nothing counted yet."""
        return cls(Confusion.empty(classes), BoundaryCounts.empty(classes))

    @classmethod
    def of(cls, truth: NDArray[Any], predicted: NDArray[Any], classes: int, ignore: int = IGNORE) -> Counts:
        """Count one picture.

        Args:
            truth: integers (H, W), 0..C-1 or ``ignore``.
            predicted: integers (H, W); what lies outside 0..C-1 is no class.
            classes: C.
            ignore: true label of pixels that are not counted.

        Raises:
            DatasetError: shapes differ, or a true label is neither a class nor ``ignore``.
        """
        confusion = Confusion.of(truth, predicted, classes, ignore)
        return cls(confusion, BoundaryCounts.of(truth, predicted, classes, ignore))

    @property
    def metrics(self) -> Metrics:
        """What the counts amount to."""
        return measure(self.confusion, self.boundary)

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.confusion + other.confusion, self.boundary + other.boundary)


@dataclass(frozen=True, eq=False)
class Metrics:
    """What counts amount to.

    Attributes:
        iou: float64 (C,), intersection over union; NaN for classes neither true nor predicted.
        accuracy: float64 (C,), share of each true class's pixels that were found; NaN if none.
        boundary_iou: float64 (C,), intersection over union along borders
            (:mod:`freeda_segment.evaluation.boundaries`); NaN as ``iou``, and where it was not counted.
        mean_iou: mean over the classes that have an IoU; NaN if none has.
        mean_boundary_iou: mean over the classes that have a boundary IoU; NaN if none has.
        pixel_accuracy: share of all counted pixels that were right; NaN if none was counted.
    """

    iou: NDArray[np.float64]
    accuracy: NDArray[np.float64]
    boundary_iou: NDArray[np.float64]
    mean_iou: float
    mean_boundary_iou: float
    pixel_accuracy: float


def measure(confusion: Confusion, boundary: BoundaryCounts | None = None) -> Metrics:
    """IoU and accuracy of a confusion, and boundary IoU where borders were counted."""
    counts = confusion.counts
    classes = len(counts)
    hits = np.diagonal(counts[:, :classes]).astype(np.float64)
    true = counts.sum(axis=1)
    union = true + counts[:, :classes].sum(axis=0) - hits
    iou = _ratio(hits, union)
    borders = BoundaryCounts.empty(classes) if boundary is None else boundary
    boundary_iou = _ratio(borders.hits, borders.true + borders.predicted - borders.hits)
    return Metrics(
        iou=iou,
        accuracy=_ratio(hits, true),
        boundary_iou=boundary_iou,
        mean_iou=_mean(iou),
        mean_boundary_iou=_mean(boundary_iou),
        pixel_accuracy=float(_ratio(hits.sum()[None], true.sum()[None])[0]),
    )


def _mean(values: NDArray[np.float64]) -> float:
    """Mean of the values that exist; NaN if none does."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float("nan")


def _ratio(parts: NDArray[Any], wholes: NDArray[Any]) -> NDArray[np.float64]:
    """parts / wholes, NaN where the whole is nothing."""
    ratio = np.full(parts.shape, np.nan)
    np.divide(parts, wholes, out=ratio, where=wholes > 0)
    return ratio
