"""Visual prototypes (FreeDA, section 3.1): dense features averaged over a mask."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from freeda_ingest.resampling import bilinear_matrix, resample
from freeda_models.protocols import BoolArray, FloatArray

IntArray = NDArray[np.intp]


def token_weights(masks_nhw: BoolArray, grid_hw: tuple[int, int]) -> FloatArray:
    """How much of each token a mask covers.

    Args:
        masks_nhw: bool (N, H, W) at the picture's size.
        grid_hw: rows and columns of the backbone's tokens.

    Returns:
        float32 (N, h, w) in 0..1, the exact share of each token's area.
    """
    return np.clip(resample(masks_nhw.astype(np.float32), grid_hw, "area"), 0, 1)


def pixel_weights(masks_nhw: BoolArray, grid_hw: tuple[int, int]) -> FloatArray:
    """How much of each token a mean over a mask's pixels holds.

    The mean of features that were upsampled to the picture (bilinear) and averaged over a mask's
    pixels is a weighted mean of the tokens themselves; these are its weights, so that nothing has
    to be upsampled. They reach one token beyond the mask.

    Args:
        masks_nhw: bool (N, H, W) at the picture's size, no smaller than the grid.
        grid_hw: rows and columns of the backbone's tokens.

    Returns:
        float32 (N, h, w), >= 0, in tokens: a mask over everything weighs h * w.
    """
    height, width = masks_nhw.shape[1:]
    rows, columns = bilinear_matrix(grid_hw[0], height), bilinear_matrix(grid_hw[1], width)
    weights = rows.T @ masks_nhw.astype(np.float32) @ columns
    share = np.float32(grid_hw[0] * grid_hw[1] / (height * width))
    return np.asarray(weights * share, dtype=np.float32)


WEIGHTINGS: Mapping[str, Callable[[BoolArray, tuple[int, int]], FloatArray]] = {
    "token": token_weights,
    "pixel": pixel_weights,
}
"""How a mask at the picture's size weighs the tokens under it, by name."""


def pool(features_bhwd: FloatArray, weights_nhw: FloatArray, picture_n: IntArray) -> FloatArray:
    """Weighted means of patch features, one per mask, each over its own picture.

    Args:
        features_bhwd: float32 (B, h, w, D), raw features of B pictures.
        weights_nhw: float32 (N, h, w), >= 0.
        picture_n: int (N,), which picture each mask belongs to.

    Returns:
        float32 (N, D), not normalised: the method averages raw vectors of several prototypes. A mask
        without any weight gives zeros; a non-finite feature under a mask gives a non-finite row.
    """
    batch, height, width, dim = features_bhwd.shape
    tokens = features_bhwd.reshape(batch, height * width, dim)
    weights = weights_nhw.reshape(len(weights_nhw), height * width)
    total = weights.sum(axis=1, dtype=np.float64)
    shares = (weights / np.where(total > 0, total, 1)[:, None]).astype(np.float32)
    pooled = np.zeros((len(weights), dim), dtype=np.float32)
    for picture in np.unique(picture_n):
        rows = np.flatnonzero(picture_n == picture)
        whole = np.isfinite(tokens[picture]).all(axis=1)
        # 0 times a non-finite feature is not 0: leave such tokens out, then mark whom they concern.
        pooled[rows] = shares[rows] @ np.where(whole[:, None], tokens[picture], 0)
        pooled[rows[shares[rows][:, ~whole].any(axis=1)]] = np.nan
    return pooled
