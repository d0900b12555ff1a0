"""What an output format gets to write."""

from __future__ import annotations

from dataclasses import dataclass, replace

from freeda_models.protocols import ImageArray
from freeda_segment.result import Segmentation


@dataclass(frozen=True, eq=False)
class Result:
    """A picture with its segmentation.

    Attributes:
        image: uint8 (h, w, 3), the original picture, or a smaller copy of it to be looked at.
        segmentation: of the original picture.
        source: where the picture came from, for people.
        sha256: hash of the picture's file, "" when it is not known.
        formats: what else is written of it, for the report to vouch for.
        file: where its file lies as seen from the folder of the results, "" when it is not known.
    """

    image: ImageArray
    segmentation: Segmentation
    source: str = ""
    sha256: str = ""
    formats: tuple[str, ...] = ()
    file: str = ""

    def vouching(self, formats: tuple[str, ...]) -> Result:
        """The same with other ``formats``."""
        return replace(self, formats=formats)
