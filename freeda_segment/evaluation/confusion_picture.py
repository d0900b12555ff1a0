"""A confusion matrix as a picture: rows are true classes, columns what they were labelled as."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from freeda_segment.evaluation.metrics import Confusion
from freeda_segment.outputs.files import written_whole
from freeda_store.files.own_files import png_mark

_PAPER, _INK = (255, 255, 255), (25, 25, 25)
_FULL = np.array((8, 48, 107), dtype=np.float64)
_ABSENT = (235, 235, 235)
_SIDE = 1200
_LARGEST_CELL, _SMALLEST_CELL = 28, 9
_NO_CLASS = "(no class)"


def write_confusion(path: Path, confusion: Confusion, names: Sequence[str]) -> None:
    """Draw a confusion as a PNG.

    White is none and dark blue all of a true class's pixels; rows of classes that are not there are
    grey. The column ``(no class)`` stands only where it is not empty.

    Args:
        path: where to.
        confusion: the counts.
        names: of the classes.

    Raises:
        OutputError: it cannot be written.
    """
    from PIL import Image, ImageDraw

    from freeda_store.views.fonts import font_for

    counts = confusion.counts if confusion.counts[:, -1].any() else confusion.counts[:, :-1]
    columns = [*names, _NO_CLASS][: counts.shape[1]]
    cell = int(np.clip(_SIDE // len(names), _SMALLEST_CELL, _LARGEST_CELL))
    font = font_for(columns, max(7, cell - 4) if cell < 16 else 13)
    ruler = ImageDraw.Draw(Image.new("RGB", (1, 1)))
    margin = 10 + round(max(ruler.textlength(name, font) for name in columns))
    cells = np.kron(_colours(counts), np.ones((cell, cell, 1), dtype=np.uint8))
    height, width = cells.shape[:2]
    sheet = Image.new("RGB", (margin + width + 6, margin + height + 6), _PAPER)
    sheet.paste(Image.fromarray(cells), (margin, margin))
    pen = ImageDraw.Draw(sheet)
    for row, name in enumerate(names):
        pen.text((margin - 5, margin + (row + 0.5) * cell), name, _INK, font, anchor="rm")
    sideways = Image.new("RGB", (margin, width), _PAPER)
    pen = ImageDraw.Draw(sideways)
    for column, name in enumerate(columns):
        pen.text((margin - 5, width - (column + 0.5) * cell), name, _INK, font, anchor="rm")
    sheet.paste(sideways.transpose(Image.Transpose.ROTATE_270), (margin, 0))
    with written_whole(path) as part:
        sheet.save(part, format="PNG", optimize=True, pnginfo=png_mark())


def _colours(counts: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Shares of each row as colours: uint8 (rows, columns, 3)."""
    total = counts.sum(axis=1, keepdims=True)
    shares = counts / np.maximum(total, 1)
    colours = 255 + shares[:, :, None] * (_FULL - 255)
    colours[total[:, 0] == 0] = _ABSENT
    pixels: NDArray[np.uint8] = np.rint(colours).astype(np.uint8)
    return pixels
