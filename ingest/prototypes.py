"""Visual prototypes (FreeDA, section 3.1): dense features averaged over a mask."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ingest.resampling import resample

FloatArray = NDArray[np.float32]
BoolArray = NDArray[np.bool_]
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


def pool(features_bhwd: FloatArray, weights_nhw: FloatArray, picture_n: IntArray) -> FloatArray:
    """Weighted means of patch features, one a mask, each over its own picture.

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
