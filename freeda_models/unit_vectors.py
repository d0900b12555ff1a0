"""Vectors of length 1."""

from __future__ import annotations

import numpy as np

from freeda_models.protocols import FloatArray


def normalised(vectors: FloatArray) -> FloatArray:
    """L2-normalise the last axis; zero vectors stay zero, and NaN stays NaN, for checks to find."""
    norms = np.linalg.norm(vectors, axis=-1, keepdims=True)
    unit = np.zeros_like(vectors)
    np.divide(vectors, norms, out=unit, where=norms != 0)
    return unit
