"""The one door through which picture files are opened, whoever they are for.

Pillow knows many formats, some of which start other programs or allocate before their size can be asked.
Here only a list of formats is tried, and the size is known, and small enough, before a pixel is decoded.
"""

from __future__ import annotations

import struct
import warnings
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, ClassVar, Self

from freeda_store.errors import BankError
from freeda_store.files.picture_kinds import HEIF, HEIF_ADVICE, LOOKED_AT, kind_by_content, reads_heif

if TYPE_CHECKING:
    from PIL import Image

FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "PPM", "AVIF")
"""Formats that pictures may have, by Pillow's names, beside HEIF where the extra is there; each is tested."""

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
    RuntimeError,
    struct.error,
    zlib.error,
)
"""What Pillow's decoders raise on damaged files, by what their tests and ours have met."""

_BYTES_PER_PIXEL = {"WEBP": 16, "AVIF": 12, HEIF: 8}
"""What decoding takes where it is more than 4 bytes per pixel: several whole pictures."""

_MOST_BYTES = 7 * 64_000_000
"""What decoding one picture may take in memory."""

_MAGIC = (
    b"\x89PNG",
    b"\xff\xd8\xff",
    b"RIFF",
    b"GIF8",
    b"BM",
    b"II*\x00",
    b"MM\x00*",
    b"II+\x00",
    b"MM\x00+",
)
"""How files begin that are meant to be pictures of these formats."""

_MOST_SCANS = 200
_TILE_WIDTH, _TILE_LENGTH = 322, 323
_WEBP_HEADER = 30


class UnreadablePictureError(BankError):
    """A picture cannot be read.

    Attributes:
        reason: what is wrong with it, as in "cannot be read (truncated)" or "has 9 x 9 pixels, over ...".
    """

    advice: ClassVar[str] = "it may be broken, try another copy"

    def __init__(self, reason: str, subject: str = "the picture") -> None:
        super().__init__(f"{subject} {reason}; {self.advice}.")
        self.reason = reason

    def of(self, subject: object) -> Self:
        """The same of a picture that is known by name."""
        return type(self)(self.reason, str(subject))


class UnknownFormatError(UnreadablePictureError):
    """It is no picture of the formats that are tried."""

    advice = "convert it to PNG or JPEG"


class HeifMissingError(UnknownFormatError):
    """It is a HEIC picture, and what reads those is not installed."""

    advice = f"{HEIF_ADVICE}, or convert it to JPEG"


class PictureTooLargeError(UnreadablePictureError):
    """It has too many pixels, or would take too much memory."""

    advice = "make it smaller first"


@contextmanager
def opened_picture(
    stream: BinaryIO, *, max_pixels: int, formats: Sequence[str] | None = None
) -> Iterator[Image.Image]:
    """A picture of which only the header was read; it may be decoded inside the ``with`` block.

    Args:
        stream: seekable, at its start.
        max_pixels: how many it may have.
        formats: which are tried, by Pillow's names; :data:`FORMATS` if None, and HEIC where it can be read.

    Raises:
        UnknownFormatError: it is none of the formats; the message says what it seems to be.
        PictureTooLargeError: it has more pixels, or there is not enough memory for it.
        UnreadablePictureError: it is broken; raised for what goes wrong inside the block, too.
    """
    from PIL import Image, UnidentifiedImageError

    tried = formats or ((*FORMATS, HEIF) if reads_heif() else FORMATS)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            _check_webp(stream, max_pixels)
            with Image.open(stream, formats=list(tried)) as picture:
                _check_size(picture.size, max_pixels)
                _check_cost(picture, stream)
                yield picture
    except UnreadablePictureError:
        raise
    except UnidentifiedImageError:
        raise _unknown_format(stream, tried) from None
    except Image.DecompressionBombError:
        raise PictureTooLargeError(f"is absurdly large, over the limit of {max_pixels:,} pixels") from None
    except MemoryError:
        raise PictureTooLargeError("does not fit in memory") from None
    except _BROKEN as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise UnreadablePictureError(f"cannot be read ({reason})") from error


def _unknown_format(stream: BinaryIO, tried: Sequence[str]) -> UnreadablePictureError:
    """What to say of a file that no reader takes: another kind of file, or a broken picture."""
    stream.seek(0)
    head = stream.read(LOOKED_AT)
    known = ", ".join(tried)
    if not head:
        return UnreadablePictureError("cannot be read (it is empty)")
    kind = kind_by_content(head)
    if kind == "HEIC" and HEIF in tried:
        return UnreadablePictureError("cannot be read (a HEIC picture that is damaged or of a rare kind)")
    if kind == "HEIC":
        return HeifMissingError("is a HEIC picture")
    if kind is not None:
        return UnknownFormatError(f"is of the kind {kind}, which is not read (read are {known})")
    if any(head.startswith(magic) for magic in _MAGIC):
        return UnreadablePictureError("cannot be read (it begins as a picture, and is damaged)")
    return UnknownFormatError(f"is not a picture of a known format ({known})")


def _check_size(size_wh: tuple[int, int], max_pixels: int) -> None:
    width, height = size_wh
    if width * height > max_pixels:
        raise PictureTooLargeError(f"has {width} x {height} pixels, over the limit of {max_pixels:,}")


def _check_webp(stream: BinaryIO, max_pixels: int) -> None:
    """Refuse a large WebP by its header: its decoder allocates canvases as soon as it is opened."""
    head = stream.read(_WEBP_HEADER)
    stream.seek(0)
    if head[:4] != b"RIFF" or head[8:12] != b"WEBP":
        return
    size_wh = (0, 0)
    match head[12:16]:
        case b"VP8 " if len(head) >= 30:
            width, height = struct.unpack_from("<HH", head, 26)
            size_wh = width & 0x3FFF, height & 0x3FFF
        case b"VP8L" if len(head) >= 25:
            (bits,) = struct.unpack_from("<I", head, 21)
            size_wh = (bits & 0x3FFF) + 1, ((bits >> 14) & 0x3FFF) + 1
        case b"VP8X" if len(head) >= 30:
            size_wh = int.from_bytes(head[24:27], "little") + 1, int.from_bytes(head[27:30], "little") + 1
    _check_size(size_wh, max_pixels)
    _check_bytes(size_wh, _BYTES_PER_PIXEL["WEBP"], "WebP")


def _check_cost(picture: Image.Image, stream: BinaryIO) -> None:
    """Refuse what has few pixels and is costly to decode.

    A progressive JPEG holds its coefficients whole, and may have any number of scans; the tiles
    of a TIFF need not be smaller than the picture.
    """
    cost = _BYTES_PER_PIXEL.get(picture.format or "", 4)
    if picture.info.get("progressive"):
        cost = 2 * len(picture.getbands()) + 1
        if _scans(stream) > _MOST_SCANS:
            raise UnreadablePictureError(f"cannot be read (a JPEG of over {_MOST_SCANS} scans)")
    _check_bytes(picture.size, cost, picture.format or "picture")
    tags = getattr(picture, "tag_v2", None)
    if tags is not None and _TILE_WIDTH in tags:
        tile_wh = int(tags[_TILE_WIDTH]), int(tags.get(_TILE_LENGTH, 1))
        _check_bytes(tile_wh, 4, "TIFF tile")


def _check_bytes(size_wh: tuple[int, int], cost: int, what: str) -> None:
    """Refuse what takes too much memory at this many bytes per pixel."""
    width, height = size_wh
    if width * height * cost > _MOST_BYTES:
        raise PictureTooLargeError(
            f"has {width} x {height} pixels, which take too much memory as {what} "
            f"(limit {_MOST_BYTES // cost:,})"
        )


def _scans(stream: BinaryIO) -> int:
    """How many scans a JPEG has; ``FF DA`` stands nowhere else in coded data."""
    place = stream.tell()
    stream.seek(0)
    count, last = 0, b""
    for chunk in iter(lambda: stream.read(1 << 20), b""):
        count += (last + chunk).count(b"\xff\xda")
        last = chunk[-1:]
    stream.seek(place)
    return count
