"""Thumbnails at an fsspec URL: object stores."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any, TypeVar
from urllib.parse import urlsplit

from typing_extensions import override

from freeda_store.errors import (
    ReadOnlyBankError,
    SettingsError,
    StorageError,
    ThumbnailDamagedError,
    ThumbnailMissingError,
)
from freeda_store.patience import GaveUpError, Patience, Trouble
from freeda_store.thumbnails.folder import KEY_PATTERN, MAX_BYTES, ThumbnailStore, check_key

_AWAY = {
    "ClientConnectorError",
    "ClientOSError",
    "ConnectTimeoutError",
    "ConnectionClosedError",
    "EndpointConnectionError",
    "ReadTimeoutError",
    "ServerDisconnectedError",
    "ServerTimeoutError",
}
"""What drivers (aiohttp, botocore) raise when a server is away; not all of it is an OSError."""
T = TypeVar("T")
_EXTRAS = {"s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs"}


class RemoteThumbnails(ThumbnailStore):
    """A :class:`~freeda_store.thumbnails.folder.ThumbnailStore` at ``URL/ab/ab12....webp``.

    Credentials are those that fsspec's own driver finds in the environment.
    """

    def __init__(self, url: str, patience: Patience | None = None) -> None:
        """Ask nothing yet.

        Args:
            url: of the folder, with the scheme of an installed driver.
            patience: how long the store is waited for when it is away; None for one try.
        """
        self._url = url.rstrip("/")
        self._scheme = urlsplit(url).scheme
        self._patience = patience or Patience(0)

    @cached_property
    def _files(self) -> Any:
        """The driver, loaded with the first thumbnail.

        Raises:
            SettingsError: it is not installed, or there is none for this kind of URL.
        """
        import fsspec

        try:
            return fsspec.filesystem(self._scheme)
        except (ImportError, ValueError) as error:
            package = _EXTRAS.get(self._scheme)
            hint = f"`pip install {package}`" if package else "use a folder, s3:// or https://"
            raise SettingsError(f"thumbnails at {self._scheme}:// cannot be opened here; {hint}.") from error

    @override
    def put(self, data: bytes) -> str:
        key = hashlib.sha256(data).hexdigest()
        place, files = self._place(key), self._files

        def keep() -> None:
            if not files.exists(place):
                files.makedirs(place.rpartition("/")[0], exist_ok=True)
                files.pipe_file(place, data)

        try:
            self._ask(keep)
        except Exception as error:  # drivers raise their own, which are no OSError
            raise StorageError(
                f"thumbnails could not be written to {self._url} ({_reason(error)}); check the credentials "
                "and the room, then run the same command again."
            ) from error
        return key

    @override
    def get(self, key: str) -> bytes:
        place, files = self._place(key), self._files
        try:
            data = self._ask(lambda: bytes(files.cat_file(place, start=0, end=MAX_BYTES + 1)))
        except FileNotFoundError as error:
            raise ThumbnailMissingError(f"thumbnail {place} is missing; run `freeda bank verify`.") from error
        except Exception as error:  # drivers raise their own, which are no OSError
            told = f"thumbnail {place} cannot be read ({_reason(error)}); check the network."
            raise StorageError(told) from error
        if len(data) > MAX_BYTES or hashlib.sha256(data).hexdigest() != key:
            raise ThumbnailDamagedError(f"thumbnail {place} is damaged; restore it from a copy of the bank.")
        return data

    @override
    def has(self, key: str) -> bool:
        return bool(key) and bool(self._ask(lambda: self._files.exists(self._place(key))))

    @override
    def keys(self) -> Iterator[str]:
        for path in sorted(self._files.find(self._url)):
            stem = str(path).rpartition("/")[2].removesuffix(".webp")
            if KEY_PATTERN.fullmatch(stem):
                yield stem

    @override
    def delete(self, key: str) -> None:
        if not key:
            return
        try:
            self._files.rm_file(self._place(key))
        except FileNotFoundError:
            return

    @override
    def size_bytes(self) -> int | None:
        """None: adding up a large bucket takes minutes, and its owner has a console for it."""
        return None

    @override
    def sweep(self) -> int:
        """0: object stores write a file whole."""
        return 0

    def _ask(self, work: Callable[[], T]) -> T:
        """Do some work, again while the store is away: a thumbnail that is written twice is the same."""
        try:
            return self._patience.call(work, self._judge)
        except GaveUpError as gave:
            raise gave.__cause__ or gave from None

    def _judge(self, error: BaseException) -> Trouble | None:
        away = isinstance(error, (ConnectionError, TimeoutError)) or type(error).__name__ in _AWAY
        return Trouble(f"thumbnails at {self._url} cannot be reached ({_reason(error)})") if away else None

    def _place(self, key: str) -> str:
        check_key(key)
        return f"{self._url}/{key[:2]}/{key}.webp"


def _reason(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


class NoThumbnails(ThumbnailStore):
    """A :class:`~freeda_store.thumbnails.folder.ThumbnailStore` of a profile that names none."""

    def __init__(self, profile: str) -> None:
        self._profile = profile

    @override
    def put(self, data: bytes) -> str:
        raise ReadOnlyBankError(self._message())

    @override
    def get(self, key: str) -> bytes:
        if not key:
            check_key(key)
        raise ThumbnailMissingError(self._message())

    @override
    def has(self, key: str) -> bool:
        return False

    @override
    def keys(self) -> Iterator[str]:
        return iter(())

    @override
    def delete(self, key: str) -> None:
        raise ReadOnlyBankError(self._message())

    @override
    def size_bytes(self) -> int | None:
        return None

    @override
    def sweep(self) -> int:
        return 0

    def _message(self) -> str:
        return f"profile '{self._profile}' names no thumbnails; add thumbnails = \"URL\" to see pictures."
