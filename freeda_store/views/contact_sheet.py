"""A contact sheet: the prototypes of a noun as a person judges them, in one picture.

Each cell has the generated picture, the same picture under the noun's attribution map, the caption
and the scores.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from textwrap import shorten, wrap
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from freeda_store.errors import PrototypeMissingError
from freeda_store.records import NO_NOUN
from freeda_store.vectors.filters import Condition, Filter, Operator
from freeda_store.views.choosing import BEST_FIRST, ORDERS, alike, choose
from freeda_store.views.fonts import font_for
from freeda_store.views.viewing import ThumbnailSource, look

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PIL import Image

    from freeda_store.records import PrototypeInfo

SIDE = 144
"""Side of a picture, in pixels."""

_GAP, _LINE, _LINES = 8, 15, 4
_PAPER, _INK, _FAINT, _MISSING = (255, 255, 255), (20, 20, 20), (105, 105, 105), (205, 205, 205)
_LETTERS = 46
_HEAT = np.array(
    [(12, 7, 60), (98, 18, 120), (190, 52, 85), (245, 125, 21), (252, 230, 110)], dtype=np.float32
)
"""Colours of attribution from none to all; their brightness rises, so that grey prints show as much."""


class ReadableBank(Protocol):
    """The part of :class:`freeda_store.Bank` that a choice needs."""

    def infos(self, where: Filter = ..., /) -> Iterator[PrototypeInfo]:
        """Prototypes that pass."""


def choose_prototypes(
    bank: ReadableBank,
    noun: str,
    *,
    limit: int,
    where: Filter = Filter(),  # noqa: B008 - frozen
) -> tuple[list[PrototypeInfo], int]:
    """The prototypes of a noun with the highest attribution contrast, and how many it has in all.

    Args:
        bank: where to look.
        noun: a noun key, e.g. ``red car``; empty for regions that nobody named.
        limit: how many to choose at most.
        where: which prototypes count.

    Raises:
        PrototypeMissingError: none passes; the message names nouns that are written alike.
    """
    key = noun.strip()
    asked = Filter((*where.conditions, Condition("noun", Operator.EQ, (key,))))
    chosen = choose(bank.infos(asked), ORDERS[BEST_FIRST], limit)
    if not chosen.infos:
        near = alike(key, list({info.noun for info in bank.infos(where)} - {""}))
        hint = f"did you mean {' or '.join(near)}?" if near else "`freeda bank list` lists its nouns."
        raise PrototypeMissingError(f"the bank shows no prototype of '{key}' that passes; {hint}")
    return list(chosen.infos), chosen.total


def sheet_name(noun: str) -> str:
    """A file name for a noun's sheet that stays in its folder: ``red car`` gives ``red-car.png``."""
    return (re.sub(r"\W+", "-", noun).strip("-")[:80] or "noun") + ".png"


def draw_contact_sheet(
    bank: ThumbnailSource, infos: Sequence[PrototypeInfo], *, columns: int = 4
) -> Image.Image:
    """Draw prototypes in rows.

    Args:
        bank: where their thumbnails are; in the place of one that is missing, damaged or was never
            kept there is a grey field that says so.
        infos: the prototypes, in reading order; at least one.
        columns: cells in a row at most.

    Returns:
        An RGB picture.

    Raises:
        ValueError: no prototypes, or no columns.
    """
    from PIL import Image

    if not infos or columns < 1:
        raise ValueError("a contact sheet needs at least one prototype and one column.")
    columns = min(columns, len(infos))
    rows = -(-len(infos) // columns)
    width, height = 2 * SIDE + 2, SIDE + _LINES * _LINE + 4
    sheet = Image.new("RGB", (columns * (width + _GAP) + _GAP, rows * (height + _GAP) + _GAP), _PAPER)
    for index, info in enumerate(infos):
        row, column = divmod(index, columns)
        cell = _cell(bank, info, (width, height))
        sheet.paste(cell, (_GAP + column * (width + _GAP), _GAP + row * (height + _GAP)))
    return sheet


def overlay_attribution(
    picture_hwc: NDArray[np.uint8], attribution_hw: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """A picture under its attribution map: strong where the map is strong, darkened elsewhere.

    Args:
        picture_hwc: uint8 (H, W, 3).
        attribution_hw: uint8 (H, W), 255 where attribution is highest.
    """
    strength = attribution_hw.astype(np.float32) / 255
    place = strength * (len(_HEAT) - 1)
    low = np.minimum(place.astype(np.intp), len(_HEAT) - 2)
    part = (place - low)[..., None]
    heat = _HEAT[low] * (1 - part) + _HEAT[low + 1] * part
    blended: NDArray[np.uint8] = np.rint(picture_hwc * 0.45 + heat * 0.55).astype(np.uint8)
    return blended


def _cell(bank: ThumbnailSource, info: PrototypeInfo, size: tuple[int, int]) -> Image.Image:
    from PIL import Image, ImageDraw

    cell = Image.new("RGB", size, _PAPER)
    picture, lack = look(bank, info.picture_key, SIDE)
    attribution, map_lack = look(bank, info.attribution_key, SIDE)
    right: Image.Image | None = None
    if picture is not None and attribution is not None:
        map_hw = np.asarray(attribution.convert("L"))
        right = Image.fromarray(overlay_attribution(np.asarray(picture), map_hw))
    cell.paste(picture or _grey(lack), (0, 0))
    cell.paste(right or _grey(map_lack.replace("picture", "map") if picture else ""), (SIDE + 2, 0))
    told = _text(info)
    font = font_for((text for text, _ in told), 11)
    draw = ImageDraw.Draw(cell)
    for line, (text, colour) in enumerate(told):
        draw.text((0, SIDE + 3 + line * _LINE), text, fill=colour, font=font)
    return cell


def _grey(words: str) -> Image.Image:
    """The field in the place of a picture, with what is the matter."""
    from PIL import Image, ImageDraw, ImageFont

    field = Image.new("RGB", (SIDE, SIDE), _MISSING)
    if words:
        centre = (SIDE / 2, SIDE / 2)
        font = ImageFont.load_default(size=11)
        ImageDraw.Draw(field).text(centre, words, fill=_FAINT, font=font, anchor="mm")
    return field


def _text(info: PrototypeInfo) -> list[tuple[str, tuple[int, int, int]]]:
    """Two lines of caption, one of scores, one of provenance."""
    caption = wrap(shorten(info.caption, 2 * _LETTERS - 6, placeholder="…"), _LETTERS, max_lines=2)
    scores = info.scores
    told = "no scores"
    if scores.known:
        told = f"contrast {scores.contrast:.2f}  area {scores.area:.0%}  clip {scores.clip_agreement:.2f}"
    origin = f"{info.noun or NO_NOUN} · {info.source or 'unknown source'} · revision {info.revision}"
    lines = [(line, _INK) for line in [*caption, "", ""][:2]]
    return [*lines, (told, _FAINT), (shorten(origin, _LETTERS, placeholder="…"), _FAINT)]
