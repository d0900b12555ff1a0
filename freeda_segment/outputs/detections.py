"""Results as the detections of the package ``supervision``, for its annotators, filters and metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from freeda_models.errors import PackageMissingError

if TYPE_CHECKING:
    from supervision import Detections

    from freeda_segment.result import Segmentation


def to_detections(segmentation: Segmentation) -> Detections:
    """One detection for each class that the picture has: its mask, the box around it, label and mean score.

    Raises:
        PackageMissingError: supervision is not installed.
    """
    try:
        import supervision
    except ImportError:
        raise PackageMissingError(
            "supervision is not installed; run `pip install 'freeda[supervision]'`."
        ) from None
    present = [share for share in segmentation.shares if share.pixels]
    masks = np.empty((len(present), *segmentation.size_hw), dtype=np.bool_)
    for mask, share in zip(masks, present, strict=True):
        np.equal(segmentation.labels, share.index, out=mask)
    return supervision.Detections(
        xyxy=np.array([_box(mask) for mask in masks], dtype=np.float32).reshape(-1, 4),
        mask=masks,
        confidence=np.array([share.score for share in present], dtype=np.float32),
        class_id=np.array([share.index for share in present], dtype=np.int64),
        data={"class_name": np.array([share.name for share in present], dtype=np.str_)},
    )


def _box(mask_hw: np.ndarray[tuple[int, int], np.dtype[np.bool_]]) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of the pixels of a mask, the last ones included, as supervision has it."""
    columns, rows = np.flatnonzero(mask_hw.any(axis=0)), np.flatnonzero(mask_hw.any(axis=1))
    return int(columns[0]), int(rows[0]), int(columns[-1]), int(rows[-1])
