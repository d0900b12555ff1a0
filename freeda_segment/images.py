"""Any picture that Pillow opens, as uint8 RGB.

What is decided here: EXIF rotation is applied; transparency is laid over white; 16-bit grey is
scaled from its full range; 32-bit integers and floats are scaled as :func:`_from_numbers` says; of
an animation or a multi-page file the first frame is taken; colour profiles are ignored.
"""

from __future__ import annotations

import struct
import warnings
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from freeda_models.protocols import ImageArray
from freeda_segment.errors import ImageError

if TYPE_CHECKING:
    from PIL import Image

MAX_PIXELS = 64_000_000
"""Larger pictures are refused: their label map and scores alone would take over 1 GB."""

_BROKEN = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    EOFError,
    IndexError,
    KeyError,
    AttributeError,
    OverflowError,
    NotImplementedError,
    struct.error,
    zlib.error,
)
"""What Pillow's decoders raise on damaged files, by what their tests and ours have met."""

_WITH_ALPHA = ("RGBA", "LA", "PA", "RGBa", "La")


def open_image(path: str | Path, max_pixels: int = MAX_PIXELS) -> ImageArray:
    """Read a picture.

    Args:
        path: its file.
        max_pixels: larger ones are refused before they are decoded.

    Returns:
        uint8 (H, W, 3), RGB.

    Raises:
        ImageError: there is no such file, it is no picture, it is broken, or it is too large.
    """
    from PIL import Image, UnidentifiedImageError

    path = Path(path)
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise ImageError(f"{path} {what}; give the path of a picture.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path) as picture:
                _check_size(path, picture.size, max_pixels)
                return to_rgb(picture)
    except UnidentifiedImageError:
        raise ImageError(f"{path} is not a picture of a known format; convert it to PNG or JPEG.") from None
    except Image.DecompressionBombError:
        raise ImageError(
            f"{path} is absurdly large; make it smaller, at most {max_pixels:,} pixels."
        ) from None
    except MemoryError:
        raise ImageError(f"{path} does not fit in memory; make it smaller.") from None
    except _BROKEN as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ImageError(f"{path} cannot be read ({reason}); it may be broken, try another copy.") from error


def to_rgb(picture: Image.Image) -> ImageArray:
    """A Pillow picture of any mode to uint8 (H, W, 3), RGB, upright."""
    from PIL import Image, ImageOps

    picture = ImageOps.exif_transpose(picture)
    if picture.mode.startswith("I") or picture.mode == "F":
        grey = _from_numbers(np.asarray(picture))
        return np.ascontiguousarray(np.broadcast_to(grey[:, :, None], (*grey.shape, 3)))
    if picture.mode in _WITH_ALPHA or "transparency" in picture.info:
        picture = _over_white(picture)
    if picture.mode == "LAB":
        picture = _from_lab(picture)
    if picture.mode != "RGB":
        picture = picture.convert("RGB")
    rgb = np.array(picture, dtype=np.uint8)
    if not isinstance(picture, Image.Image) or rgb.ndim != 3 or 0 in rgb.shape:
        raise ValueError("it has no pixels")
    return rgb


def _check_size(path: Path, size_wh: tuple[int, int], max_pixels: int) -> None:
    width, height = size_wh
    if width * height > max_pixels:
        raise ImageError(
            f"{path} has {width} x {height} pixels, over the limit of {max_pixels:,}; make it smaller first."
        )


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


def _from_numbers(values: NDArray[Any]) -> ImageArray:
    """Grey values of more than 8 bits to uint8.

    16-bit integers are scaled from 0..65535. Wider integers and floats are taken as they are when
    they lie in 0..255, from 0..65535 when they lie in that, floats in 0..1 from that, and are
    stretched from their smallest to their largest value otherwise. What is not finite is black.
    """
    numbers = np.nan_to_num(values.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    low, high = float(numbers.min()), float(numbers.max())
    if values.dtype.kind == "u" and values.dtype.itemsize == 2:
        low, high = 0.0, 65535.0
    elif low >= 0 and high <= 1 and values.dtype.kind == "f":
        low, high = 0.0, 1.0
    elif low >= 0 and high <= 65535:
        low, high = 0.0, 255.0 if high <= 255 else 65535.0
    scaled = (numbers - low) / max(high - low, 1e-12) * 255
    return np.clip(np.rint(scaled), 0, 255).astype(np.uint8)
