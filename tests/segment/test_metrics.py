from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freeda_segment.errors import DatasetError
from freeda_segment.evaluation.datasets import load_scenes
from freeda_segment.evaluation.metrics import Confusion, measure


def test_counted_by_hand() -> None:
    truth = np.array([[0, 0, 1], [1, 255, 2]])
    predicted = np.array([[0, 1, 1], [-1, 0, 2]])
    confusion = Confusion.of(truth, predicted, 4)
    assert confusion.counts.tolist() == [[1, 1, 0, 0, 0], [0, 1, 0, 0, 1], [0, 0, 1, 0, 0], [0, 0, 0, 0, 0]]
    metrics = measure(confusion)
    np.testing.assert_allclose(metrics.iou, [1 / 2, 1 / 3, 1, np.nan])
    np.testing.assert_allclose(metrics.accuracy, [1 / 2, 1 / 2, 1, np.nan])
    assert metrics.mean_iou == pytest.approx((1 / 2 + 1 / 3 + 1) / 3)
    assert metrics.pixel_accuracy == pytest.approx(3 / 5)


def test_a_class_that_is_only_predicted_counts_as_nothing_right() -> None:
    metrics = measure(Confusion.of(np.array([0, 0]), np.array([0, 1]), 2))
    assert metrics.iou.tolist() == [0.5, 0.0]
    assert metrics.mean_iou == 0.25


@given(st.integers(1, 5), st.integers(0, 40), st.integers(0, 2**31))
def test_equal_to_counting_one_pixel_at_a_time(classes: int, size: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = rng.choice([*range(classes), 255], size)
    predicted = rng.integers(-1, classes + 1, size)
    metrics = measure(Confusion.of(truth, predicted, classes))
    counted = [(t, p) for t, p in zip(truth, predicted, strict=True) if t != 255]
    for index in range(classes):
        both = sum(t == index and p == index for t, p in counted)
        either = sum(index in (t, p) for t, p in counted)
        expected = both / either if either else np.nan
        np.testing.assert_allclose(metrics.iou[index], expected)
    right = np.mean([t == p for t, p in counted]) if counted else np.nan
    np.testing.assert_allclose(metrics.pixel_accuracy, right)


def test_pictures_add_up() -> None:
    rng = np.random.default_rng(0)
    truth, predicted = rng.integers(0, 3, (2, 50)), rng.integers(0, 3, (2, 50))
    total = Confusion.empty(3)
    for index in range(2):
        total += Confusion.of(truth[index], predicted[index], 3)
    assert (total.counts == Confusion.of(truth, predicted, 3).counts).all()


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(DatasetError, match="true label 3"):
        Confusion.of(np.array([3]), np.array([0]), 3)
    with pytest.raises(DatasetError, match="shape"):
        Confusion.of(np.zeros((2, 2)), np.zeros((2, 3)), 3)


def test_nothing_counted_is_nan() -> None:
    metrics = measure(Confusion.empty(2))
    assert np.isnan(metrics.mean_iou)
    assert np.isnan(metrics.pixel_accuracy)


def scenes_file(path: Path, **changes: Any) -> Path:
    arrays = {
        "images": np.zeros((2, 4, 4, 3), np.uint8),
        "labels": np.zeros((2, 4, 4), np.uint8),
        "class_names": np.array(["car", "tree"]),
        "captions": np.array(["a car", "a tree"]),
    }
    np.savez_compressed(path, **(arrays | changes))
    return path


def test_scenes_are_read(tmp_path: Path) -> None:
    scenes = load_scenes(scenes_file(tmp_path / "scenes.npz"))
    assert len(scenes) == 2
    assert scenes.class_names == ("car", "tree")
    assert scenes.captions[1] == "a tree"


@pytest.mark.parametrize(
    "changes", [{"labels": np.zeros((2, 3, 4), np.uint8)}, {"class_names": np.array([object()])}]
)
def test_files_that_hold_no_scenes_are_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    with pytest.raises(DatasetError, match=r"scenes\.npz"):
        load_scenes(scenes_file(tmp_path / "scenes.npz", **changes))


def test_missing_and_damaged_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="does not exist"):
        load_scenes(tmp_path / "none.npz")
    (tmp_path / "bad.npz").write_bytes(b"PK\x03\x04 not really")
    with pytest.raises(DatasetError, match="does not hold scenes"):
        load_scenes(tmp_path / "bad.npz")
