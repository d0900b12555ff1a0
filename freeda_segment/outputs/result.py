"""What an output format gets to write."""

from __future__ import annotations

from dataclasses import dataclass

from freeda_models.protocols import ImageArray
from freeda_segment.segmentation import Segmentation


@dataclass(frozen=True)
class Result:
    """A picture with its segmentation.

    Attributes:
        image: uint8 (H, W, 3), the original picture.
        segmentation: of the same size.
        source: where the picture came from, for people.
    """

    image: ImageArray
    segmentation: Segmentation
    source: str = ""
