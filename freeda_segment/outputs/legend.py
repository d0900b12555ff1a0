"""The legend under an overlay: a swatch, a name and a share for each class, in columns."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image, ImageDraw, ImageFont

    Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

_LONGEST = 500
_PAPER, _INK, _FRAME = (255, 255, 255), (25, 25, 25), (120, 120, 120)


@dataclass(frozen=True)
class Entry:
    """One line of a legend; ``colour`` is RGB, None for a line without a swatch."""

    colour: tuple[int, int, int] | None
    name: str
    share: str


def draw_legend(entries: Sequence[Entry], footer: str, width: int, font_size: int) -> Image.Image:
    """Lay entries out in as many columns as fit, top to bottom, then left to right.

    Args:
        entries: at least one.
        footer: a line beneath them, "" for none.
        width: of the picture it will stand under, in pixels.
        font_size: in pixels.
    """
    from PIL import Image, ImageDraw

    from freeda_store.views.fonts import font_for

    font = font_for([entry.share for entry in entries], font_size)
    fonts = [font_for([entry.name], font_size) for entry in entries]
    margin, line = font_size // 2, round(font_size * 1.5)
    ruler = ImageDraw.Draw(Image.new("RGB", (1, 1)))
    swatch = font_size + margin
    share_width = max(ruler.textlength(entry.share, font) for entry in entries)
    room = width - 2 * margin
    name_room = room - swatch - share_width - 2 * margin
    names = [_shortened(ruler, entry.name, own, name_room) for entry, own in zip(entries, fonts, strict=True)]
    widest = max(ruler.textlength(name, own) for name, own in zip(names, fonts, strict=True))
    cell = min(room, math.ceil(swatch + widest + margin + share_width + 2 * margin))
    columns = max(1, min(len(entries), room // cell))
    rows = math.ceil(len(entries) / columns)
    sheet = Image.new("RGB", (width, (rows + bool(footer)) * line + 2 * margin), _PAPER)
    pen = ImageDraw.Draw(sheet)
    for index, (entry, name) in enumerate(zip(entries, names, strict=True)):
        left = margin + (index // rows) * cell
        top = margin + (index % rows) * line
        _draw_entry(pen, fonts[index], (left, top), entry, name)
        right, middle = left + cell - 2 * margin, top + round(font_size * 0.75)
        pen.text((right, middle), entry.share, _INK, font, anchor="rm")
    if footer:
        font = font_for([footer], font_size)
        below = (margin, margin + rows * line + round(font_size * 0.75))
        pen.text(below, _shortened(ruler, footer, font, room), _FRAME, font, anchor="lm")
    return sheet


def _draw_entry(
    pen: ImageDraw.ImageDraw, font: Font, corner_xy: tuple[int, int], entry: Entry, name: str
) -> None:
    left, top = corner_xy
    size = int(getattr(font, "size", 12))
    middle = top + round(size * 0.75)
    if entry.colour is not None:
        box = (left, middle - size // 2, left + size, middle + size // 2)
        pen.rectangle(box, fill=entry.colour, outline=_FRAME)
    pen.text((left + size + size // 2, middle), name, _INK, font, anchor="lm")


def _shortened(ruler: ImageDraw.ImageDraw, name: str, font: Font, room: float) -> str:
    """The name, cut with an ellipsis where it is too wide."""
    if len(name) <= _LONGEST and ruler.textlength(name, font) <= room:
        return name
    fits, too_long = 0, min(len(name), _LONGEST)
    while too_long - fits > 1:
        middle = (fits + too_long) // 2
        if ruler.textlength(name[:middle].rstrip() + "…", font) <= room:
            fits = middle
        else:
            too_long = middle
    return name[:fits].rstrip() + "…"
