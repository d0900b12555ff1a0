from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rounding import assert_near

from freeda_ingest.prototypes import pool, token_weights


def literal_weights(mask: np.ndarray, grid_hw: tuple[int, int]) -> np.ndarray:
    """Each pixel cut into enough parts that every part lies in one token."""
    height, width = mask.shape
    fine = np.repeat(np.repeat(mask.astype(float), grid_hw[0], axis=0), grid_hw[1], axis=1)
    weights = np.zeros(grid_hw)
    for row in range(grid_hw[0]):
        for column in range(grid_hw[1]):
            part = fine[row * height : (row + 1) * height, column * width : (column + 1) * width]
            weights[row, column] = part.mean()
    return weights


def literal_prototype(features: np.ndarray, weights: np.ndarray) -> np.ndarray:
    total, amount = np.zeros(features.shape[-1]), 0.0
    for row in range(weights.shape[0]):
        for column in range(weights.shape[1]):
            total = total + float(weights[row, column]) * features[row, column].astype(float)
            amount += float(weights[row, column])
    return total / amount


@given(
    st.integers(0, 2**32 - 1), st.integers(1, 12), st.integers(1, 12), st.integers(1, 7), st.integers(1, 7)
)
def test_weights_and_pooling_equal_a_literal_loop(
    seed: int, height: int, width: int, rows: int, columns: int
) -> None:
    rng = np.random.default_rng(seed)
    masks = rng.random((5, height, width)) > 0.5
    masks[:, 0, 0] = True
    pictures = rng.integers(0, 3, 5)
    features = rng.normal(0, 10, (3, rows, columns, 6)).astype(np.float32)
    weights = token_weights(masks, (rows, columns))
    pooled = pool(features, weights, pictures)
    for mask, weight, picture, prototype in zip(masks, weights, pictures, pooled, strict=True):
        literal = literal_weights(mask, (rows, columns))
        np.testing.assert_allclose(weight, literal, atol=1e-5)
        np.testing.assert_allclose(prototype, literal_prototype(features[picture], literal), atol=1e-3)


def test_prototypes_are_not_normalised() -> None:
    features = np.full((1, 2, 2, 3), 7, dtype=np.float32)
    weights = np.array([[[0.25, 0], [0, 0]]], dtype=np.float32)
    np.testing.assert_allclose(pool(features, weights, np.array([0])), [[7, 7, 7]])


def test_a_mask_without_weight_gives_zeros() -> None:
    features = np.ones((1, 2, 2, 3), dtype=np.float32)
    assert not pool(features, np.zeros((1, 2, 2), np.float32), np.array([0])).any()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_broken_token_concerns_only_the_masks_upon_it(bad: float) -> None:
    features = np.ones((2, 2, 2, 3), dtype=np.float32)
    features[0, 0, 0] = bad
    weights = np.zeros((3, 2, 2), dtype=np.float32)
    weights[0, 0, 0] = weights[1, 1, 1] = weights[2, 0, 0] = 1
    pooled = pool(features, weights, np.array([0, 0, 1]))
    assert not np.isfinite(pooled[0]).any()
    assert_near(pooled[1:], np.ones_like(pooled[1:]))
