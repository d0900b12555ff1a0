"""The font for words in pictures. Pillow's own covers English only."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import ImageFont

    Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

SYSTEM_FONTS = (
    "DejaVuSans.ttf",
    "NotoSans-Regular.ttf",
    "NotoSansCJK-Regular.ttc",
    "Arial Unicode.ttf",
    "msgothic.ttc",
    "arial.ttf",
)
"""Looked for where the system keeps its fonts."""

_UNASSIGNED = "\U0010fffd"


def font_for(texts: Iterable[str], size: float) -> Font:
    """The built-in font, or the first of the system's that lacks fewest letters of these texts.

    Args:
        texts: all that will be drawn with it.
        size: in pixels.
    """
    from PIL import ImageFont

    text = "".join(texts)
    best: Font = ImageFont.load_default(size)
    fewest = lacking(best, text)
    for name in SYSTEM_FONTS if fewest else ():
        try:
            font = ImageFont.truetype(name, size)
        except OSError:  # this system has no such font
            continue
        missing = lacking(font, text)
        if missing < fewest:
            best, fewest = font, missing
    return best


def lacking(font: Font, text: str) -> int:
    """How many different letters of a text a font has no shape for."""
    unknown = _shape(font, _UNASSIGNED)
    letters = {letter for letter in text if letter.isprintable() and not letter.isspace()}
    return sum(_shape(font, letter) == unknown for letter in letters)


def _shape(font: Font, letter: str) -> tuple[tuple[int, int], bytes]:
    mask = font.getmask(letter)
    return mask.size, bytes(mask)
