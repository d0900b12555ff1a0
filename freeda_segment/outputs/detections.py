"""Results as the detections of the package ``supervision``, for its annotators, filters and metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from freeda_models.errors import PackageMissingError
from freeda_segment.outputs.instances import MIN_AREA, find_instances

if TYPE_CHECKING:
    from supervision import Detections

    from freeda_segment.result import Segmentation


def to_detections(segmentation: Segmentation) -> Detections:
    """One detection for each class that the picture has: its mask, the box around it, label and mean score.

    Raises:
        PackageMissingError: supervision is not installed.
    """
    supervision = _supervision()
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


def object_detections(segmentation: Segmentation, *, min_area: float = MIN_AREA) -> Detections:
    """One detection for each connected area of a class, with the mean score of its class.

    Args:
        segmentation: the result.
        min_area: share of the picture below which an area is left out, 0..1.

    Raises:
        PackageMissingError: supervision is not installed.
    """
    supervision = _supervision()
    found = list(find_instances(segmentation.labels, min_area))
    masks = np.zeros((len(found), *segmentation.size_hw), dtype=np.bool_)
    boxes = np.zeros((len(found), 4), dtype=np.float32)
    for mask, box, each in zip(masks, boxes, found, strict=True):
        left, top, width, height = each.box_xywh
        mask[top : top + height, left : left + width] = each.mask()
        box[:] = left, top, left + width - 1, top + height - 1
    shares = [segmentation.shares[each.label] for each in found]
    return supervision.Detections(
        xyxy=boxes,
        mask=masks,
        confidence=np.array([share.score for share in shares], dtype=np.float32),
        class_id=np.array([share.index for share in shares], dtype=np.int64),
        data={"class_name": np.array([share.name for share in shares], dtype=np.str_)},
    )


def _supervision() -> Any:
    try:
        import supervision
    except ImportError:
        raise PackageMissingError(
            "supervision is not installed; run `pip install 'freeda[supervision]'`."
        ) from None
    return supervision


def _box(mask_hw: np.ndarray[tuple[int, int], np.dtype[np.bool_]]) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of the pixels of a mask, the last ones included, as supervision has it."""
    columns, rows = np.flatnonzero(mask_hw.any(axis=0)), np.flatnonzero(mask_hw.any(axis=1))
    return int(columns[0]), int(rows[0]), int(columns[-1]), int(rows[-1])
