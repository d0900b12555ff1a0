"""Separable resampling as two small matrices, so that a stack of maps costs two products."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache

import numpy as np

from freeda_models.protocols import FloatArray


def resample(maps_nhw: FloatArray, size_hw: tuple[int, int], method: str) -> FloatArray:
    """Resample float32 (N, h, w) to float32 (N, H, W).

    Args:
        maps_nhw: any finite values.
        size_hw: rows and columns of the result.
        method: ``bicubic`` and ``bilinear`` are Pillow's filters (a = -0.5 for bicubic, pixel
            centres aligned, widened when shrinking), made for pictures; ``area`` is the exact mean
            over the area of each target cell, whatever the ratio of the sizes.
    """
    matrix = _METHODS[method]
    rows = matrix(maps_nhw.shape[1], size_hw[0])
    columns = matrix(maps_nhw.shape[2], size_hw[1])
    return np.asarray(rows @ maps_nhw @ columns.T, dtype=np.float32)


@lru_cache(maxsize=64)
def area_matrix(source: int, target: int) -> FloatArray:
    """float32 (target, source): the share of each source cell in the mean over a target cell."""
    step = source / target
    start = np.arange(target)[:, None] * step
    left = np.maximum(start, np.arange(source)[None])
    right = np.minimum(start + step, np.arange(source)[None] + 1)
    return np.asarray(np.clip(right - left, 0, None) / step, dtype=np.float32)


@lru_cache(maxsize=64)
def bicubic_matrix(source: int, target: int) -> FloatArray:
    """float32 (target, source): Pillow's bicubic filter as a matrix."""
    from PIL import Image

    return _pillow_matrix(source, target, Image.Resampling.BICUBIC)


@lru_cache(maxsize=64)
def bilinear_matrix(source: int, target: int) -> FloatArray:
    """float32 (target, source): Pillow's bilinear filter as a matrix."""
    from PIL import Image

    return _pillow_matrix(source, target, Image.Resampling.BILINEAR)


def _pillow_matrix(source: int, target: int, kernel: int) -> FloatArray:
    from PIL import Image

    unit = Image.fromarray(np.eye(source, dtype=np.float32))
    return np.asarray(unit.resize((source, target), Image.Resampling(kernel)), dtype=np.float32)


_METHODS: Mapping[str, Callable[[int, int], FloatArray]] = {
    "area": area_matrix,
    "bicubic": bicubic_matrix,
    "bilinear": bilinear_matrix,
}
