"""The font for words in pictures. Pillow's own covers English only; for others the system's are looked for.

A text is drawn in one font. What no font here can draw is known before (:func:`can_draw`), so that
something else can be drawn in its place.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import ImageFont

    Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

SYSTEM_FONTS = (
    *("DejaVuSans.ttf", "NotoSans-Regular.ttf"),
    *(
        "NotoSansCJK-Regular.ttc",
        "NotoSansCJKsc-Regular.otf",
        "NotoSansCJK-VF.otf.ttc",
        "NotoSerifCJK-Regular.ttc",
    ),
    *("SourceHanSans-Regular.ttc", "wqy-microhei.ttc", "wqy-zenhei.ttc", "DroidSansFallbackFull.ttf"),
    *("ipag.ttf", "ipagp.ttf", "fonts-japanese-gothic.ttf", "NanumGothic.ttf", "UnBatang.ttf"),
    *("NotoEmoji-Regular.ttf", "NotoEmoji[wght].ttf", "Symbola.ttf", "Symbola_hint.ttf", "unifont.ttf"),
    *("Arial Unicode.ttf", "PingFang.ttc", "Hiragino Sans GB.ttc", "AppleSDGothicNeo.ttc"),
    *("msyh.ttc", "msgothic.ttc", "malgun.ttf", "simsun.ttc", "seguiemj.ttf", "arial.ttf"),
)
"""Looked for where the system keeps its fonts: of Linux, macOS and Windows."""

_UNASSIGNED = "\U0010fffd"
_INVISIBLE = "\u200d\ufe0e\ufe0f"
"""Joins emoji, or says how they are drawn; fonts need no shape for them."""
_PROBED_SIZE = 20.0


def font_for(texts: Iterable[str], size: float) -> Font:
    """The built-in font, or the first of the system's that lacks fewest letters of these texts.

    Args:
        texts: all that will be drawn with it.
        size: in pixels.
    """
    return _best(_letters("".join(texts)), size, SYSTEM_FONTS)[0]


def can_draw(text: str) -> bool:
    """Whether one font has all letters of a text."""
    return _best(_letters(text), _PROBED_SIZE, SYSTEM_FONTS)[1] == 0


def lacking(font: Font, text: str) -> int:
    """How many different letters of a text a font has no shape for."""
    unknown = _shape(font, _UNASSIGNED)
    return sum(_shape(font, letter) == unknown for letter in _letters(text))


def drawable(text: str) -> str:
    """A text without what joins emoji, of which Pillow's basic layout would draw boxes."""
    return text.translate(dict.fromkeys(map(ord, _INVISIBLE)))


def _letters(text: str) -> str:
    """The different letters that must be drawn, sorted."""
    return "".join(
        sorted({letter for letter in drawable(text) if letter.isprintable() and not letter.isspace()})
    )


@lru_cache(maxsize=512)
def _best(letters: str, size: float, names: tuple[str, ...]) -> tuple[Font, int]:
    """The font that lacks fewest letters, and how many it lacks."""
    from PIL import ImageFont

    best: Font = ImageFont.load_default(size)
    fewest = lacking(best, letters)
    for name in names:
        if not fewest:
            break
        try:
            font = ImageFont.truetype(name, size)
        except OSError:  # this system has no such font
            continue
        missing = lacking(font, letters)
        if missing < fewest:
            best, fewest = font, missing
    return best, fewest


def _shape(font: Font, letter: str) -> tuple[tuple[int, int], bytes]:
    mask = font.getmask(letter)
    return mask.size, bytes(mask)
