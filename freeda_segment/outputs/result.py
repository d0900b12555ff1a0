"""What an output format gets to write."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from freeda_models.protocols import ImageArray

if TYPE_CHECKING:
    from freeda_segment.result import Segmentation


DEFAULT_OPACITY = 0.5


@dataclass(frozen=True, eq=False)
class Result:
    """A segmentation with what its report says of the picture's file.

    Attributes:
        segmentation: of the original picture.
        sha256: hash of the picture's file, "" when it is not known.
        formats: what else is written of it, for the report to vouch for.
        file: where its file lies as seen from the folder of the results, "" when it is not known.
        opacity: of the class colours in its overlay, 0..1.
        label_offset: number of the first class in its label map, 0 or 1.
    """

    segmentation: Segmentation
    sha256: str = ""
    formats: tuple[str, ...] = ()
    file: str = ""
    opacity: float = DEFAULT_OPACITY
    label_offset: int = 0

    @property
    def image(self) -> ImageArray:
        """uint8 (h, w, 3), the original picture, or a smaller copy of it to be looked at."""
        return self.segmentation.picture.pixels

    @property
    def source(self) -> str:
        """Where the picture came from, for people."""
        return self.segmentation.picture.source

    def vouching(self, formats: tuple[str, ...]) -> Result:
        """The same with other ``formats``."""
        return replace(self, formats=formats)
