"""A small copy of the picture, as JPEG, for pages that show it in any browser."""

from __future__ import annotations

from pathlib import Path

from freeda_segment.outputs.files import written_whole
from freeda_segment.outputs.result import Result
from freeda_store.files.own_files import JPEG_COMMENT

LONGEST_SIDE = 1280


def write_preview(path: Path, result: Result) -> None:
    """Write the picture, reduced to a longest side of at most 1280 pixels.

    Raises:
        OutputError: it cannot be written.
    """
    from PIL import Image

    picture = Image.fromarray(result.image)
    picture.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    with written_whole(path) as part:
        picture.save(part, format="JPEG", quality=90, comment=JPEG_COMMENT)
