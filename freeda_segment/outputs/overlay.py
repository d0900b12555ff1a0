"""The overlay: the picture under the colours of its classes, with outlines and a legend.

Small pictures are enlarged and very large ones reduced, so that both picture and legend can be read
on a screen; the label PNG keeps the exact pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from freeda_models.protocols import FloatArray, ImageArray
from freeda_segment.outputs.files import written_whole
from freeda_segment.outputs.legend import Entry, draw_legend
from freeda_segment.outputs.palette import class_colours
from freeda_segment.outputs.region_names import draw_names, outlines
from freeda_segment.outputs.result import Result
from freeda_segment.pixels.background import OTHER
from freeda_segment.pixels.labelling import BACKGROUND
from freeda_segment.regions.sampling import resized_nearest
from freeda_store.files.own_files import png_mark

if TYPE_CHECKING:
    from PIL import Image

    from freeda_segment.result import Segmentation

_PAPER = (255, 255, 255)
_STRIP_ROWS = 128
"""Rows of the overlay that are tinted at a time, in floats."""


@dataclass(frozen=True)
class OverlayStyle:
    """How an overlay looks.

    Attributes:
        opacity: of the class colours, 0..1; that of the result if None.
        saturation: what is left of the picture's own colours under them, 0..1; low, so that a
            tinted area looks like its swatch in the legend.
        least_side: a picture whose longest side is shorter is enlarged to it, in pixels.
        most_side: a picture whose longest side is longer is reduced to it.
        legend_width: least width of the sheet, so that the legend has room.
        legend_entries: further classes are only counted.
    """

    opacity: float | None = None
    saturation: float = 0.3
    least_side: int = 640
    most_side: int = 2048
    legend_width: int = 480
    legend_entries: int = 60


def write_overlay(path: Path, result: Result, style: OverlayStyle = OverlayStyle()) -> None:
    """Write the overlay as PNG.

    Raises:
        OutputError: it cannot be written.
    """
    sheet = draw_overlay(result, style)
    with written_whole(path) as part:
        sheet.save(part, format="PNG", pnginfo=png_mark())


def draw_overlay(result: Result, style: OverlayStyle = OverlayStyle()) -> Image.Image:
    """The picture with its legend beneath, as an RGB Pillow picture."""
    from PIL import Image

    segmentation = result.segmentation
    picture = draw_classes(result, style)
    names = drawn_names(segmentation.class_names)
    left, width = _margin(picture.width, style)
    entries, footer = _entries(segmentation, names, style), _footer(segmentation, names)
    legend = draw_legend(entries, footer, width, font_size=_font_size(width))
    sheet = Image.new("RGB", (width, picture.height + legend.height), _PAPER)
    sheet.paste(picture, (left, 0))
    sheet.paste(legend, (0, picture.height))
    return sheet


def draw_classes(result: Result, style: OverlayStyle = OverlayStyle()) -> Image.Image:
    """The picture under the colours and names of its classes, without a legend, as an RGB Pillow picture."""
    from PIL import Image

    segmentation = result.segmentation
    size_wh = _display_size(*segmentation.size_hw[::-1], style)
    labels = resized_nearest(segmentation.labels, size_wh[::-1])
    picture = Image.fromarray(_blend(result, labels, style))
    draw_names(picture, labels, drawn_names(segmentation.class_names), font_size=_font_size(picture.width))
    return picture


def place_in_overlay(
    width: int, height: int, style: OverlayStyle = OverlayStyle()
) -> tuple[int, int, int, int]:
    """Where a picture lies in its overlay: left, top, width and height in the overlay's pixels.

    Args:
        width, height: of the original picture, in pixels.
        style: that the overlay is drawn in.
    """
    shown_width, shown_height = _display_size(width, height, style)
    left, _ = _margin(shown_width, style)
    return left, 0, shown_width, shown_height


def _margin(picture_width: int, style: OverlayStyle) -> tuple[int, int]:
    """What is left of a picture on its sheet, and the width of the sheet."""
    width = max(picture_width, style.legend_width)
    return (width - picture_width) // 2, width


def drawn_names(names: Sequence[str]) -> list[str]:
    """Names as they are drawn: those that no font of the system has become ``#`` and their label."""
    from freeda_store.views.fonts import can_draw, drawable

    return [drawable(name) if can_draw(name) else f"#{index}" for index, name in enumerate(names)]


def undrawn_names(names: Sequence[str]) -> tuple[str, ...]:
    """Which names no font of the system can draw."""
    from freeda_store.views.fonts import can_draw

    return tuple(name for name in names if not can_draw(name))


def _font_size(width: int) -> int:
    return min(28, max(15, width // 48))


def _blend(result: Result, labels: NDArray[np.int16], style: OverlayStyle) -> ImageArray:
    """The picture at the labels' size, tinted, with an outline around every area: uint8 (h, w, 3)."""
    from PIL import Image

    height, width = labels.shape
    opacity = np.float32(result.opacity if style.opacity is None else style.opacity)
    picture = Image.fromarray(result.image)
    picture = picture.resize((width, height), Image.Resampling.BICUBIC, reducing_gap=3.0)
    colours = class_colours(len(result.segmentation.class_names)).astype(np.float32)
    blended = np.array(picture)
    for top in range(0, len(blended), _STRIP_ROWS):
        rows = slice(top, top + _STRIP_ROWS)
        blended[rows] = _tinted(
            blended[rows].astype(np.float32), labels[rows], colours, opacity, style.saturation
        )
    blended[outlines(labels)] = 255
    return blended


def _tinted(
    pixels_hwc: FloatArray,
    labels: NDArray[np.int16],
    colours: FloatArray,
    opacity: np.float32,
    saturation: float,
) -> ImageArray:
    """Some rows under the colours of their classes; pixels of no class as they are."""
    tint = colours[np.maximum(labels, 0)]
    tinted = _faded(pixels_hwc, saturation) * (1 - opacity) + tint * opacity
    blended = np.where((labels == BACKGROUND)[:, :, None], pixels_hwc, tinted)
    return np.clip(np.rint(blended), 0, 255).astype(np.uint8)


def _faded(pixels_hwc: FloatArray, saturation: float) -> FloatArray:
    """Pixels with less colour; their brightness (Rec. 601 luma) stays."""
    grey = (pixels_hwc @ np.array([0.299, 0.587, 0.114], dtype=np.float32))[:, :, None]
    faded: FloatArray = grey + (pixels_hwc - grey) * np.float32(saturation)
    return faded


def _display_size(width: int, height: int, style: OverlayStyle) -> tuple[int, int]:
    longest = max(width, height)
    wanted = min(max(longest, style.least_side), style.most_side)
    return max(1, round(width * wanted / longest)), max(1, round(height * wanted / longest))


def _entries(segmentation: Segmentation, names: Sequence[str], style: OverlayStyle) -> list[Entry]:
    """Classes that got something, the largest first; then what no class got."""
    colours = class_colours(len(segmentation.shares))
    present = sorted((share for share in segmentation.shares if share.pixels), key=lambda share: -share.area)
    shown = present[: style.legend_entries]
    entries = [
        Entry((int(red), int(green), int(blue)), names[share.index], _percent(share.area))
        for share, (red, green, blue) in ((share, colours[share.index]) for share in shown)
    ]
    hidden = present[len(shown) :]
    if hidden:
        entries.append(Entry(None, f"{len(hidden)} more", _percent(sum(share.area for share in hidden))))
    if segmentation.background_area > 0:
        entries.append(Entry(None, OTHER, _percent(segmentation.background_area)))
    return entries


def _footer(segmentation: Segmentation, names: Sequence[str]) -> str:
    """Names of the classes that got nothing."""
    absent = [names[share.index] for share in segmentation.shares if not share.pixels]
    return f"not found ({len(absent)}): {', '.join(absent)}" if absent else ""


def _percent(share: float) -> str:
    return "< 0.1 %" if 0 < share < 0.001 else f"{share:.1%}".replace("%", " %")
