"""Pictures and attribution maps as WebP files, named by the SHA-256 of their bytes."""

from __future__ import annotations

import errno
import hashlib
import re
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from typing_extensions import override

from freeda_store.errors import (
    ThumbnailAbsentError,
    ThumbnailDamagedError,
    ThumbnailKeyError,
    ThumbnailMissingError,
)
from freeda_store.files.picture_files import UnreadablePictureError, opened_picture
from freeda_store.files.regular_files import NotRegularFileError, read_regular
from freeda_store.files.whole_files import replaced, sweep_parts
from freeda_store.records import ImageArray

if TYPE_CHECKING:
    from PIL import Image

KEY_PATTERN = re.compile(r"[0-9a-f]{64}")
PICTURE_QUALITY = 90
MAX_PIXELS = 4096 * 4096
"""Pixels of the largest thumbnail that is decoded; generators draw far smaller pictures."""
MAX_BYTES = 32 * 2**20
"""Bytes of the largest thumbnail that is read."""


class ThumbnailStore(Protocol):
    """Where thumbnails live. Keys are 64 lower-case hex digits; all else is a ThumbnailKeyError.

    The empty key stands for a picture that was never kept: it is not there, and getting it is a
    ThumbnailAbsentError.
    """

    def put(self, data: bytes) -> str:
        """Keep bytes and give their key; putting the same bytes again changes nothing."""

    def get(self, key: str) -> bytes:
        """The bytes of a key, checked against it.

        Raises:
            ThumbnailMissingError: there is no such file; a ThumbnailAbsentError for the empty key.
            ThumbnailDamagedError: the file holds other bytes.
        """

    def has(self, key: str) -> bool:
        """Whether there is a file of this key."""

    def keys(self) -> Iterator[str]:
        """All keys, in order."""

    def delete(self, key: str) -> None:
        """Remove one; removing what is not there is fine."""

    def size_bytes(self) -> int | None:
        """Bytes of all thumbnails; None where they are not added up."""

    def sweep(self) -> int:
        """Remove what killed writers left half written; returns how many files."""


class FolderThumbnails(ThumbnailStore):
    """A :class:`ThumbnailStore` in a folder: ``ab/ab12....webp``, each written atomically."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @override
    def put(self, data: bytes) -> str:
        key = hashlib.sha256(data).hexdigest()
        path = self._path(key)
        if path.is_file() and path.stat().st_size == len(data):
            return key
        with replaced(path) as part:
            part.write_bytes(data)
        return key

    @override
    def get(self, key: str) -> bytes:
        path = self._path(key)
        try:
            data = read_regular(path, MAX_BYTES)
        except FileNotFoundError as error:
            raise ThumbnailMissingError(f"thumbnail {path} is missing; run `freeda bank verify`.") from error
        except OSError as error:
            if not isinstance(error, NotRegularFileError) and error.errno not in (errno.EFBIG, errno.EISDIR):
                raise
            raise ThumbnailDamagedError(
                f"thumbnail {path} is damaged ({error.strerror}); restore it from a copy of the bank."
            ) from error
        if hashlib.sha256(data).hexdigest() != key:
            raise ThumbnailDamagedError(f"thumbnail {path} is damaged; restore it from a copy of the bank.")
        return data

    @override
    def has(self, key: str) -> bool:
        return bool(key) and self._path(key).is_file()

    @override
    def keys(self) -> Iterator[str]:
        for path in sorted(self._folder.glob("*/*.webp")):
            if KEY_PATTERN.fullmatch(path.stem):
                yield path.stem

    @override
    def delete(self, key: str) -> None:
        if key:
            self._path(key).unlink(missing_ok=True)

    @override
    def size_bytes(self) -> int:
        return sum(path.stat().st_size for path in self._folder.glob("*/*.webp"))

    @override
    def sweep(self) -> int:
        return sum(map(sweep_parts, self._folder.glob("*/")))

    def _path(self, key: str) -> Path:
        """The file of a key, which cannot lie outside the folder.

        Raises:
            ThumbnailKeyError, ThumbnailAbsentError: see :func:`check_key`.
        """
        check_key(key)
        return self._folder / key[:2] / f"{key}.webp"


def check_key(key: str) -> None:
    """Refuse what is no key, so that nothing outside the thumbnails is ever touched.

    Raises:
        ThumbnailAbsentError: it is empty.
        ThumbnailKeyError: not 64 lower-case hex digits.
    """
    if not key:
        raise ThumbnailAbsentError("the prototype was stored without a picture; there is nothing to see.")
    if not KEY_PATTERN.fullmatch(key):
        raise ThumbnailKeyError(f"{key!r} is no thumbnail key; expected 64 lower-case hex digits.")


def encode_picture(image_hwc: ImageArray) -> bytes:
    """WebP of a uint8 (H, W, 3) RGB picture, at high quality."""
    return _webp(image_hwc, lossless=False)


def encode_attribution(attribution_hw: ImageArray) -> bytes:
    """Lossless WebP of a uint8 (h, w) attribution map."""
    return _webp(attribution_hw, lossless=True)


def decode(data: bytes, key: str) -> Image.Image:
    """The picture of a thumbnail's bytes, RGB, fully read.

    Raises:
        ThumbnailDamagedError: they are those of their key, but no picture: a shared bank may hold any.
    """
    try:
        with opened_picture(BytesIO(data), max_pixels=MAX_PIXELS, formats=["WEBP"]) as image:
            return image.convert("RGB")
    except UnreadablePictureError as error:
        raise ThumbnailDamagedError(
            f"thumbnail {key} is no picture that can be shown (it {error.reason}); "
            "get the bank again from another source."
        ) from error


def _webp(array: ImageArray, *, lossless: bool) -> bytes:
    from PIL import Image

    buffer = BytesIO()
    Image.fromarray(array).convert("RGB").save(
        buffer, format="WEBP", lossless=lossless, quality=PICTURE_QUALITY, method=4
    )
    return buffer.getvalue()
