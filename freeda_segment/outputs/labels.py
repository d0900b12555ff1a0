"""The label map as an indexed-colour PNG that carries its class names.

Up to 255 classes: 8 bits, a palette in the colours of the overlay, 255 for pixels of no class. More:
16-bit grey, 65535 for pixels of no class. The names are a JSON list in the text chunk
``freeda:classes``, in the order of the indices; the first of them has the number 0, or 1 where that is asked
for, as the chunk ``freeda:first`` says.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from freeda_segment.errors import OutputError
from freeda_segment.images import MAX_PIXELS
from freeda_segment.outputs.files import written_whole
from freeda_segment.outputs.palette import class_colours
from freeda_segment.outputs.result import Result
from freeda_segment.pixels.labelling import BACKGROUND
from freeda_store.files.own_files import png_mark
from freeda_store.files.picture_files import UnreadablePictureError, opened_picture
from freeda_store.files.regular_files import open_regular

CLASSES_KEY = "freeda:classes"
UNLABELLED_KEY = "freeda:unlabelled"
FIRST_KEY = "freeda:first"
UNLABELLED_8, UNLABELLED_16 = 255, 65535


@dataclass(frozen=True, eq=False)
class LabelMap:
    """A label map read back.

    Attributes:
        labels: int16 (H, W), -1 for pixels of no class.
        class_names: names by label.
    """

    labels: NDArray[np.int16]
    class_names: tuple[str, ...]


def write_labels(path: Path, result: Result) -> None:
    """Write the label map as PNG.

    Raises:
        OutputError: it cannot be written, or there are more classes than 16 bits can count.
    """
    segmentation = result.segmentation
    with written_whole(path) as part:
        write_label_map(part, segmentation.labels, segmentation.class_names, result.label_offset)


def write_label_map(
    path: Path, labels_hw: NDArray[np.int16], names: Sequence[str], label_offset: int = 0
) -> None:
    """Write a label map as PNG, straight into a file.

    Args:
        path: of the file, or of a temporary one.
        labels_hw: int16 (H, W), -1 for pixels of no class.
        names: of the classes, by label.
        label_offset: number of the first class, 0 or 1.

    Raises:
        OutputError: there are more classes than 16 bits can count.
    """
    from PIL import Image

    above = len(names) + label_offset
    if above > UNLABELLED_16:
        raise OutputError(f"a PNG holds at most {UNLABELLED_16} classes, not {len(names)}; give fewer.")
    small = above <= UNLABELLED_8
    unlabelled = UNLABELLED_8 if small else UNLABELLED_16
    indices = labels_hw.astype(np.uint8 if small else np.uint16)  # -1 becomes the largest number
    if label_offset:
        np.add(indices, np.asarray(label_offset, indices.dtype), out=indices, where=labels_hw != BACKGROUND)
    picture = Image.fromarray(indices)
    if small:
        palette = np.zeros((256, 3), dtype=np.uint8)
        palette[label_offset:above] = class_colours(len(names))
        picture.putpalette(palette.tobytes())
    chunks = png_mark()
    chunks.add_itxt(CLASSES_KEY, json.dumps(list(names), ensure_ascii=False))
    chunks.add_text(UNLABELLED_KEY, str(unlabelled))
    chunks.add_text(FIRST_KEY, str(label_offset))
    picture.save(path, format="PNG", pnginfo=chunks)


def read_labels(path: str | Path) -> LabelMap:
    """Read a label map that :func:`write_labels` wrote.

    Raises:
        OutputError: it cannot be read, or carries no class names.
    """
    try:
        with open_regular(path) as file, opened_picture(file, max_pixels=MAX_PIXELS) as picture:
            indices = np.array(picture)
            text = dict(getattr(picture, "text", {}))
        names = TypeAdapter(list[str]).validate_json(text[CLASSES_KEY])
        unlabelled, first = int(text[UNLABELLED_KEY]), int(text.get(FIRST_KEY, 0))
    except (OSError, ValueError, KeyError, UnreadablePictureError) as error:
        raise OutputError(f"{path} is not a label map of freeda ({error}); write it again.") from error
    labels = indices.astype(np.int16)
    if first:
        labels -= np.int16(first)
    labels[indices == unlabelled] = BACKGROUND
    return LabelMap(labels, tuple(names))
