"""The label map as an indexed-colour PNG that carries its class names.

Up to 255 classes: 8 bits, a palette in the colours of the overlay, 255 for pixels of no class. More:
16-bit grey, 65535 for pixels of no class. The names are a JSON list in the text chunk
``freeda:classes``, in the order of the indices.
"""

from __future__ import annotations

import json
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
    from PIL import Image

    segmentation = result.segmentation
    names = segmentation.class_names
    if len(names) > UNLABELLED_16:
        raise OutputError(f"a PNG holds at most {UNLABELLED_16} classes, not {len(names)}; give fewer.")
    small = len(names) <= UNLABELLED_8
    unlabelled = UNLABELLED_8 if small else UNLABELLED_16
    indices = segmentation.labels.astype(np.uint8 if small else np.uint16)  # -1 becomes the largest number
    picture = Image.fromarray(indices)
    if small:
        palette = np.zeros((256, 3), dtype=np.uint8)
        palette[: len(names)] = class_colours(len(names))
        picture.putpalette(palette.tobytes())
    chunks = png_mark()
    chunks.add_itxt(CLASSES_KEY, json.dumps(names, ensure_ascii=False))
    chunks.add_text(UNLABELLED_KEY, str(unlabelled))
    with written_whole(path) as part:
        picture.save(part, format="PNG", pnginfo=chunks)


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
        unlabelled = int(text[UNLABELLED_KEY])
    except (OSError, ValueError, KeyError, UnreadablePictureError) as error:
        raise OutputError(f"{path} is not a label map of freeda ({error}); write it again.") from error
    labels = indices.astype(np.int16)
    labels[indices == unlabelled] = BACKGROUND
    return LabelMap(labels, tuple(names))
