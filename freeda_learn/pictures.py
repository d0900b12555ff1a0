"""Pictures to learn from: read once, upright, with the hash of their file."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from freeda_learn.errors import MarkError
from freeda_models.protocols import BoolArray, ImageArray
from freeda_segment.errors import ImageError
from freeda_segment.images import MAX_PIXELS, SIDEWAYS, StoredPicture, picture_bytes, stored_picture
from freeda_store.files.picture_files import UnreadablePictureError, opened_picture
from freeda_store.files.regular_files import open_regular


@dataclass(frozen=True, eq=False)
class LearnPicture:
    """A picture with the way it is turned; decoded when that is asked for, and sent to others as its file.

    Attributes:
        source: the bytes of its file, or uint8 (H, W, 3) RGB.
        name: of the file, for messages.
        digest: SHA-256 of its file, or of its pixels, in hex.
        max_pixels: how many it may have.
    """

    source: bytes | ImageArray
    name: str
    digest: str
    max_pixels: int = MAX_PIXELS

    def __reduce__(self) -> tuple[type[LearnPicture], tuple[object, ...]]:
        return LearnPicture, (self.source, self.name, self.digest, self.max_pixels)

    @cached_property
    def stored(self) -> StoredPicture:
        """As its file has it.

        Raises:
            ImageError: it is no picture, or broken.
        """
        if isinstance(self.source, bytes):
            return stored_picture(self.source, self.name, self.max_pixels)
        return StoredPicture(self.source, 1)

    @cached_property
    def pixels(self) -> ImageArray:
        """uint8 (H, W, 3), upright."""
        return self.stored.upright()

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width, upright."""
        height, width = self.stored.pixels.shape[:2]
        return (width, height) if self.stored.orientation in SIDEWAYS else (height, width)

    def upright_mask(self, mask_hw: BoolArray) -> BoolArray:
        """A mask at the upright picture's size.

        One that has the upright size was drawn on the picture as people see it. One that has only the size
        that the file stores was drawn on the picture as it is stored, and is turned with it.

        Raises:
            MarkError: it has another size.
        """
        if mask_hw.shape == self.size_hw:
            return mask_hw
        if mask_hw.shape == self.stored.pixels.shape[:2]:
            turned = StoredPicture(mask_hw[..., None].astype(np.uint8), self.stored.orientation)
            return turned.upright()[..., 0] > 0
        raise MarkError(
            f"the mask has {mask_hw.shape[1]} x {mask_hw.shape[0]} pixels and the picture "
            f"{self.size_hw[1]} x {self.size_hw[0]}; make one of the picture's size."
        )


def load_picture(picture: Path | ImageArray, max_pixels: int = MAX_PIXELS) -> LearnPicture:
    """Read a picture's file and hash it; it is decoded later.

    Raises:
        ImageError: it cannot be read.
    """
    if isinstance(picture, np.ndarray):
        return LearnPicture(picture, "the picture", hashlib.sha256(picture.tobytes()).hexdigest())
    data = picture_bytes(picture)
    return LearnPicture(data, str(picture), hashlib.sha256(data).hexdigest(), max_pixels)


def read_mask(path: Path, max_pixels: int = MAX_PIXELS) -> BoolArray:
    """A mask from a picture file: bool (H, W), true where it is not black; transparent pixels are outside.

    Raises:
        ImageError: it cannot be read.
    """
    try:
        with open_regular(path) as file, opened_picture(file, max_pixels=max_pixels) as opened:
            values = np.atleast_3d(np.asarray(opened))
    except OSError as error:
        raise ImageError(
            f"{path} cannot be read ({error.strerror or error}); give the path of a mask."
        ) from None
    except UnreadablePictureError as error:
        raise ImageError(str(error.of(path))) from error
    channels = values.shape[2]
    inside: BoolArray = (values[..., : 3 if channels > 2 else 1] != 0).any(axis=2)
    return inside & (values[..., -1] != 0) if channels in (2, 4) else inside
