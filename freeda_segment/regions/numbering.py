"""Numbers of regions."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from freeda_models.protocols import LabelArray

NO_REGION = -1
"""Label of pixels in no region: they keep the similarity of their patch."""


def numbered(labels_hw: NDArray[np.integer[Any]]) -> LabelArray:
    """Labels 0..R-1 without gaps, in their order; -1 stays."""
    present = np.bincount(labels_hw.ravel() + 1) > 0
    present[0] = False
    number = np.cumsum(present, dtype=np.int32) - np.int32(1)
    number[0] = NO_REGION
    result: LabelArray = number[labels_hw + 1]
    return result
