"""Pictures of the formats of :data:`freeda_store.files.picture_files.FORMATS`, as uint8 RGB.

What is decided here: EXIF rotation is applied; transparency is laid over white; numbers of 16 and 32 bits
become grey as :mod:`freeda_segment.grey_scale` says; of an animation or a multi-page file the first frame
is taken; colour profiles are ignored.

Pictures are converted a strip of rows at a time, so that no second picture is held in memory.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from freeda_models.protocols import ImageArray
from freeda_segment.errors import ImageError
from freeda_segment.grey_scale import find_scale
from freeda_store.files.picture_files import UnreadablePictureError, opened_picture
from freeda_store.files.regular_files import open_regular

if TYPE_CHECKING:
    from PIL import Image

MAX_PIXELS = 64_000_000
"""Larger pictures are refused: their label map alone would take hundreds of megabytes."""

MAX_BYTES = 2**32
"""A larger file is no picture that could be read."""

REDUCED_PIXELS = 24_000_000
"""Of larger pictures :func:`read_picture` keeps one pixel for four."""

SIDEWAYS = frozenset({5, 6, 7, 8})
"""EXIF orientations that exchange width and height."""

_STRIP_PIXELS = 1_000_000
_ORIENTATION = 0x0112
T = TypeVar("T")

_WITH_ALPHA = ("RGBA", "LA", "PA", "RGBa", "La")


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture to be segmented.

    Attributes:
        pixels: uint8 (h, w, 3), RGB, upright; smaller than the file's where that has over
            :data:`REDUCED_PIXELS`, each the mean of its pixels there.
        size_hw: height and width of the file's picture, upright: what the label map will have.
        source: path of its file, "" when it comes from none.
        notes: what a person should know of how it was read.
    """

    pixels: ImageArray
    size_hw: tuple[int, int]
    source: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class StoredPicture:
    """A picture as its file stores it, not turned.

    Attributes:
        pixels: uint8 (h, w, 3), RGB.
        orientation: EXIF's, 1..8; 1 when nothing is to be turned.
        notes: what a person should know of how it was read.
    """

    pixels: ImageArray
    orientation: int
    notes: tuple[str, ...] = ()

    def upright(self) -> ImageArray:
        """The pixels as people see them."""
        turn = _TURNS.get(self.orientation)
        return self.pixels if turn is None else np.ascontiguousarray(turn(self.pixels))


Converter = Callable[["Image.Image"], ImageArray]
"""Makes uint8 (h, w, 3) of a strip of a picture."""

_TURNS: dict[int, Callable[[ImageArray], ImageArray]] = {
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.transpose(1, 0, 2),
    6: lambda pixels: pixels[::-1].transpose(1, 0, 2),
    7: lambda pixels: pixels[::-1, ::-1].transpose(1, 0, 2),
    8: lambda pixels: pixels[:, ::-1].transpose(1, 0, 2),
}
"""How each EXIF orientation is made upright."""


def open_image(path: str | Path, max_pixels: int = MAX_PIXELS) -> ImageArray:
    """Read a picture, upright and whole.

    Args:
        path: its file.
        max_pixels: larger ones are refused before they are decoded.

    Returns:
        uint8 (H, W, 3), RGB.

    Raises:
        ImageError: there is no such file, it is no picture, it is broken, or it is too large.
    """
    return read_stored(path, max_pixels).upright()


def upright_size(path: str | Path, max_pixels: int = MAX_PIXELS) -> tuple[int, int]:
    """Height and width of a picture, upright, by its header.

    Raises:
        ImageError: see :func:`open_image`.
    """
    return _read(path, max_pixels, _upright_size)


def picture_hash(path: str | Path) -> str:
    """SHA-256 of a picture's file, lower-case hex.

    Raises:
        ImageError: it cannot be read.
    """
    try:
        with open_regular(path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        reason = error.strerror or str(error)
        raise ImageError(f"{path} cannot be read ({reason}); give the path of a picture.") from None


def read_picture(path: str | Path, max_pixels: int = MAX_PIXELS) -> Picture:
    """Read a picture to be segmented; a large one is halved while it is read.

    Raises:
        ImageError: see :func:`open_image`.
    """
    return replace(_read(path, max_pixels, _halved), source=str(path))


def count_pixels(path: str | Path) -> int:
    """How many pixels a picture has, by its header; 0 where it cannot be read, which reading it will say."""
    try:
        return _read(path, MAX_PIXELS, lambda picture: picture.size[0] * picture.size[1])
    except ImageError:
        return 0


def read_stored(path: str | Path, max_pixels: int = MAX_PIXELS) -> StoredPicture:
    """Read a picture as its file stores it, for who must know whether it is turned.

    Raises:
        ImageError: see :func:`open_image`.
    """
    return _read(path, max_pixels, _stored)


def to_rgb(picture: Image.Image) -> ImageArray:
    """A Pillow picture of any mode to uint8 (H, W, 3), RGB, upright."""
    return _stored(picture).upright()


def stored_picture(data: bytes, name: str | Path, max_pixels: int = MAX_PIXELS) -> StoredPicture:
    """As :func:`read_stored`, of the bytes of a file.

    Args:
        data: what :func:`picture_bytes` read.
        name: of the file, for messages.
        max_pixels: how many it may have.

    Raises:
        ImageError: it is no picture, or broken.
    """
    with _told_of(name), opened_picture(BytesIO(data), max_pixels=max_pixels) as picture:
        return _stored(picture)


def picture_bytes(path: str | Path) -> bytes:
    """The bytes of a picture's file.

    Raises:
        ImageError: it cannot be read, or is larger than any picture.
    """
    with _told_of(path), open_regular(path) as file:
        if (size := os.fstat(file.fileno()).st_size) > MAX_BYTES:
            raise ImageError(f"{path} has {size:,} bytes, more than any picture; give the path of a picture.")
        return file.read()


def _read(path: str | Path, max_pixels: int, convert: Callable[[Image.Image], T]) -> T:
    with (
        _told_of(path),
        open_regular(path) as file,
        opened_picture(file, max_pixels=max_pixels) as picture,
    ):
        return convert(picture)


@contextmanager
def _told_of(path: str | Path) -> Iterator[None]:
    """What goes wrong with a picture's file, with its path.

    Raises:
        ImageError: instead of what reading raises.
    """
    try:
        yield
    except FileNotFoundError:
        raise ImageError(f"{path} does not exist; give the path of a picture.") from None
    except IsADirectoryError:
        raise ImageError(f"{path} is a folder; give the path of a picture.") from None
    except OSError as error:
        reason = error.strerror or str(error)
        raise ImageError(f"{path} cannot be read ({reason}); give the path of a picture.") from None
    except UnreadablePictureError as error:
        raise ImageError(str(error.of(path))) from error


def _stored(picture: Image.Image) -> StoredPicture:
    """A picture of any mode as it is stored."""
    picture.load()  # turns a TIFF upright by itself
    orientation = int(picture.getexif().get(_ORIENTATION, 1))
    return _converted(picture, 1, orientation)


def _upright_size(picture: Image.Image) -> tuple[int, int]:
    width, height = picture.size
    turned = int(picture.getexif().get(_ORIENTATION, 1)) in SIDEWAYS
    return (width, height) if turned and picture.format != "TIFF" else (height, width)  # see _stored


def _halved(picture: Image.Image) -> Picture:
    """A picture of any mode, upright, with half the width and height where it is large."""
    size_wh = picture.size
    factor = 2 if size_wh[0] * size_wh[1] > REDUCED_PIXELS else 1
    if factor > 1 and picture.draft(None, (size_wh[0] // factor, size_wh[1] // factor)) is not None:
        factor = 1  # a JPEG is halved by its decoder
    picture.load()
    orientation = int(picture.getexif().get(_ORIENTATION, 1))
    stored = _converted(picture, factor, orientation)
    size_hw = size_wh if orientation in SIDEWAYS else (size_wh[1], size_wh[0])
    return Picture(stored.upright(), size_hw, notes=stored.notes)


def _converted(picture: Image.Image, factor: int, orientation: int) -> StoredPicture:
    """A loaded picture as RGB, each pixel the mean of ``factor`` times ``factor``."""
    from PIL import Image

    width, height = picture.size
    if not (width and height):
        raise ValueError("it has no pixels")
    rgb = np.empty((-(-height // factor), -(-width // factor), 3), dtype=np.uint8)
    convert: Converter = _strip_to_rgb
    notes: tuple[str, ...] = ()
    if picture.mode.startswith("I") or picture.mode == "F":
        convert, notes = _grey_converter(picture)
    for top, strip in _strips(picture):
        pixels = convert(strip)
        if factor > 1:
            pixels = np.asarray(Image.fromarray(pixels).reduce(factor))
        rgb[top // factor : top // factor + len(pixels)] = pixels
    return StoredPicture(rgb, orientation, notes)


def _strips(picture: Image.Image) -> Iterator[tuple[int, Image.Image]]:
    """The picture in strips of rows, each with its first row, which is even."""
    width, height = picture.size
    rows = max(2, _STRIP_PIXELS // width // 2 * 2)
    for top in range(0, height, rows):
        yield top, picture.crop((0, top, width, min(top + rows, height)))


def _grey_converter(picture: Image.Image) -> tuple[Converter, tuple[str, ...]]:
    """What makes RGB of strips of numbers, and what to say of it."""
    scale = find_scale(lambda: (np.asarray(strip) for _, strip in _strips(picture)))
    return (lambda strip: scale.grey(np.asarray(strip))), scale.notes


def _strip_to_rgb(picture: Image.Image) -> ImageArray:
    if picture.mode in _WITH_ALPHA or "transparency" in picture.info:
        picture = _over_white(picture)
    if picture.mode == "LAB":
        picture = _from_lab(picture)
    if picture.mode != "RGB":
        picture = picture.convert("RGB")
    return np.asarray(picture, dtype=np.uint8)


def _over_white(picture: Image.Image) -> Image.Image:
    from PIL import Image

    straight = {"La": "LA", "RGBa": "RGBA"}.get(picture.mode)
    if straight is not None:
        picture = picture.convert(straight)
    rgba = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)


def _from_lab(picture: Image.Image) -> Image.Image:
    from PIL import ImageCms

    lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    transform = ImageCms.buildTransform(lab, srgb, "LAB", "RGB")
    converted = ImageCms.applyTransform(picture, transform)
    if converted is None:
        raise ValueError("its LAB colours cannot be converted")
    return converted


def as_picture(image: ImageArray | Picture | Image.Image | str | Path) -> Picture:
    """A picture from any form in which it may be handed in.

    Raises:
        ImageError: it cannot be read, or is an array of another dtype or shape than uint8 (H, W, 3).
    """
    if isinstance(image, Picture):
        return image
    if isinstance(image, str | Path):
        return read_picture(image)
    pixels = image if isinstance(image, np.ndarray) else to_rgb(image)
    source = "" if isinstance(image, np.ndarray) else os.fsdecode(getattr(image, "filename", ""))
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or 0 in pixels.shape:
        raise ImageError(
            f"expected a picture as uint8 (H, W, 3), got {pixels.dtype} {pixels.shape}; "
            "convert it to RGB first."
        )
    return Picture(pixels, (pixels.shape[0], pixels.shape[1]), source)
