"""Thumbnails at a web address, to read only.

A key is 64 hex digits, never a part of the address that could name a host; and see
:mod:`freeda_store.web_reading`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import NoReturn

from typing_extensions import override

from freeda_store.errors import ReadOnlyBankError, ThumbnailDamagedError, ThumbnailMissingError
from freeda_store.thumbnails.folder import MAX_BYTES, ThumbnailStore, check_key
from freeda_store.web_reading import WebReader

SECONDS = 10.0
"""How long one thumbnail may take in all; they are some ten kilobytes."""


class WebThumbnails(ThumbnailStore):
    """A :class:`~freeda_store.thumbnails.folder.ThumbnailStore` at ``URL/ab/ab12....webp`` on a web server.

    Args:
        url: ``http://`` or ``https://``.
        seconds: how long one thumbnail may take in all.
        max_bytes: how large one may be.
    """

    def __init__(self, url: str, *, seconds: float = SECONDS, max_bytes: int = MAX_BYTES) -> None:
        self._url = url.rstrip("/")
        self._reader = WebReader(self._url, what="thumbnail", seconds=seconds, max_bytes=max_bytes)

    @override
    def get(self, key: str) -> bytes:
        place = self._place(key)
        data = self._reader.read(place)
        if data is None:
            raise ThumbnailMissingError(f"thumbnail {place} is missing; run `freeda bank verify`.")
        if hashlib.sha256(data).hexdigest() != key:
            raise ThumbnailDamagedError(f"thumbnail {place} is damaged; restore it from a copy of the bank.")
        return data

    @override
    def has(self, key: str) -> bool:
        return bool(key) and self._reader.has(self._place(key))

    @override
    def put(self, data: bytes) -> str:
        self._refuse_writing()

    @override
    def keys(self) -> Iterator[str]:
        """Refuse: a web server lists nothing."""
        self._refuse_writing()

    @override
    def delete(self, key: str) -> None:
        self._refuse_writing()

    @override
    def size_bytes(self) -> int | None:
        """None: a web server does not say."""
        return None

    @override
    def sweep(self) -> int:
        return 0

    def _place(self, key: str) -> str:
        check_key(key)
        return f"{self._url}/{key[:2]}/{key}.webp"

    def _refuse_writing(self) -> NoReturn:
        raise ReadOnlyBankError(
            f"thumbnails at {self._url} can only be read; name a folder or an s3:// URL to write."
        )
