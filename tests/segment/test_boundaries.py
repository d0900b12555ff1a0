"""Boundary IoU, by hand and against the definition: masks less masks that are eroded, class by class."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion

from freeda_segment.evaluation.boundaries import BoundaryCounts, band_width, border_bands
from freeda_segment.evaluation.metrics import Counts

IGNORED = 255


def halves(border: int, side: int = 20) -> NDArray[np.uint8]:
    """Class 0 left of a column, class 1 right of it."""
    return np.tile((np.arange(side) >= border).astype(np.uint8), (side, 1))


def literal_band(mask: NDArray[np.bool_], width: int) -> NDArray[np.bool_]:
    """The authors' ``mask_to_boundary``: a mask less itself, eroded by a square so many times."""
    inner: NDArray[np.bool_] = binary_erosion(mask, np.ones((3, 3)), iterations=width, border_value=0)
    return mask & ~inner


def test_counted_by_hand() -> None:
    assert band_width((20, 20)) == 1
    counts = Counts.of(halves(10), halves(11), 2)
    assert counts.boundary.true.tolist() == [56, 56]  # the rims of two rectangles of 20 x 10
    assert counts.boundary.predicted.tolist() == [58, 54]
    assert counts.boundary.hits.tolist() == [38, 36]
    assert counts.metrics.boundary_iou == pytest.approx([38 / 76, 36 / 74])
    assert counts.metrics.mean_boundary_iou == pytest.approx((38 / 76 + 36 / 74) / 2)
    assert counts.metrics.iou == pytest.approx([200 / 220, 180 / 200])


def test_the_width_is_two_percent_of_the_diagonal() -> None:
    assert band_width((480, 640)) == 16
    assert band_width((64, 64)) == 2
    assert band_width((1, 1)) == 1


def test_a_ragged_outline_costs_more_of_boundary_iou_than_of_iou() -> None:
    truth = np.zeros((100, 100), np.uint8)
    truth[20:80, 20:80] = 1
    ragged = truth.copy()
    ragged[20:80:2, 18:20] = 1
    metrics = Counts.of(truth, ragged, 2).metrics
    assert metrics.iou[1] > 0.98
    assert metrics.boundary_iou[1] < 0.94


@given(st.integers(1, 30), st.integers(1, 30), st.integers(1, 4), st.integers(1, 4), st.integers(0, 2**31))
def test_equal_to_eroding_class_by_class(height: int, width: int, classes: int, band: int, seed: int) -> None:
    labels = blobs(height, width, classes, seed)
    bands = border_bands(labels, band)
    for index in range(classes):
        assert (bands & (labels == index) == literal_band(labels == index, band)).all()


@given(st.integers(2, 30), st.integers(2, 30), st.integers(1, 4), st.integers(0, 2**31))
def test_what_is_right_wherever_it_counts_has_boundary_iou_1(
    height: int, width: int, classes: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    truth = blobs(height, width, classes, seed)
    truth[rng.random(truth.shape) < 0.2] = IGNORED
    predicted = np.where(truth == IGNORED, rng.integers(0, classes, truth.shape), truth)
    metrics = Counts.of(truth, predicted, classes).metrics
    present = np.isin(np.arange(classes), truth)
    assert (metrics.boundary_iou[present] == 1).all()
    assert np.isnan(metrics.boundary_iou[~present]).all()


def test_ignored_pixels_neither_count_nor_make_borders() -> None:
    truth = halves(10)
    truth[:, 6:14] = IGNORED
    counts = BoundaryCounts.of(truth, halves(3), 2, IGNORED)
    assert counts.true.tolist() == [20 + 2 * 5] * 2  # nothing of the inner border is left to be seen
    assert counts.predicted.tolist() == [2 * 20 + 2, 20 + 20 + 2 * 7]


def test_pictures_add_up_and_no_class_is_no_hit() -> None:
    truth, predicted = halves(10), halves(11).astype(np.int16) - 1
    counts = Counts.of(truth, predicted, 2) + Counts.of(truth, halves(10), 2)
    assert counts.boundary.hits.tolist() == [56, 56]
    assert counts.boundary.predicted.tolist() == [56 + 54, 56]
    nothing = Counts.empty(2).metrics
    assert np.isnan(nothing.mean_boundary_iou)


def blobs(height: int, width: int, classes: int, seed: int) -> NDArray[Any]:
    """Random rectangles over one another."""
    rng = np.random.default_rng(seed)
    labels = np.zeros((height, width), np.uint8)
    for _ in range(6):
        top, left = rng.integers(0, height), rng.integers(0, width)
        labels[top : top + rng.integers(1, 15), left : left + rng.integers(1, 15)] = rng.integers(classes)
    return labels
