"""Results as ``supervision.Detections``, by class or by object, and pictures labelled for its slicer.

Needs the package supervision: ``pip install 'freeda[supervision]'``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from freeda_models.protocols import ImageArray
from freeda_segment.outputs.detections import object_detections, to_detections
from freeda_segment.outputs.instances import MIN_AREA

if TYPE_CHECKING:
    from supervision import Detections

    from freeda_segment import ClassList, ClassPrototypes, Segmenter

__all__ = ["labelling", "object_detections", "to_detections"]


def labelling(
    segmenter: Segmenter,
    classes: ClassPrototypes | ClassList | str,
    *,
    objects: bool = True,
    min_area: float = MIN_AREA,
) -> Callable[[ImageArray], Detections]:
    """What labels a picture of OpenCV, as ``supervision.InferenceSlicer(callback=...)`` wants it.

    Args:
        segmenter: open.
        classes: to look for; asked of the bank once.
        objects: a detection for each connected area; else one for each class.
        min_area: share of the picture below which an area is left out.

    Returns:
        A function of a uint8 (H, W, 3) picture in BGR, as OpenCV has them.
    """
    from freeda_segment.retrieval.prototypes import ClassPrototypes

    prepared = classes if isinstance(classes, ClassPrototypes) else segmenter.prepare(classes)

    def label(image_bgr: ImageArray) -> Detections:
        result = segmenter.segment(np.ascontiguousarray(image_bgr[:, :, ::-1]), prepared)
        return object_detections(result, min_area=min_area) if objects else to_detections(result)

    return label
