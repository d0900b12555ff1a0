"""Thumbnails at a web address, to read only: bounded in bytes, time and redirects, and from one host alone.

The host is the one that the person's own profile names. Nothing that a server answers leads to another
one: a redirect is followed on the same scheme, host and port only, and a key is 64 hex digits, never a
part of the address that could name a host. So whether private addresses are asked is the profile's choice.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn

from typing_extensions import override

from freeda_store.errors import (
    ReadOnlyBankError,
    SettingsError,
    StorageError,
    ThumbnailDamagedError,
    ThumbnailMissingError,
)
from freeda_store.thumbnails.folder import MAX_BYTES, ThumbnailStore, check_key
from freeda_store.vectors.client import usual_authorities
from freeda_store.vectors.proxies import environment_proxy

if TYPE_CHECKING:
    import httpx

SECONDS = 10.0
"""How long one thumbnail may take in all; they are some ten kilobytes."""

MAX_REDIRECTS = 3
_SILENCE_SECONDS = 5.0
_MISSING = (404, 410)


class WebThumbnails(ThumbnailStore):
    """A :class:`~freeda_store.thumbnails.folder.ThumbnailStore` at ``URL/ab/ab12....webp`` on a web server.

    Args:
        url: ``http://`` or ``https://``.
        seconds: how long one thumbnail may take in all.
        max_bytes: how large one may be.
    """

    def __init__(self, url: str, *, seconds: float = SECONDS, max_bytes: int = MAX_BYTES) -> None:
        self._url = url.rstrip("/")
        self._seconds = seconds
        self._max_bytes = max_bytes

    @cached_property
    def _client(self) -> httpx.Client:
        import httpx

        headers = {"Accept-Encoding": "identity"}  # what is packed could grow beyond its limit
        timeout = min(_SILENCE_SECONDS, self._seconds)
        way: dict[str, Any] = {"trust_env": False, "proxy": environment_proxy(self._url)}
        if self._url.lower().startswith("https:"):
            way["verify"] = usual_authorities()
        return httpx.Client(headers=headers, timeout=timeout, follow_redirects=False, **way)

    @override
    def get(self, key: str) -> bytes:
        place = self._place(key)
        data = bytearray()
        deadline = time.monotonic() + self._seconds
        with self._answer(place, deadline) as answer:
            if answer.status_code in _MISSING:
                raise ThumbnailMissingError(f"thumbnail {place} is missing; run `freeda bank verify`.")
            answer.raise_for_status()
            for chunk in answer.iter_raw():
                data += chunk
                if len(data) > self._max_bytes:
                    self._refuse(place, f"it is larger than {self._max_bytes:,} bytes")
                self._check_time(place, deadline)
        if hashlib.sha256(data).hexdigest() != key:
            raise ThumbnailDamagedError(f"thumbnail {place} is damaged; restore it from a copy of the bank.")
        return bytes(data)

    @override
    def has(self, key: str) -> bool:
        if not key:
            return False
        with self._answer(self._place(key), time.monotonic() + self._seconds) as answer:
            return answer.is_success

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

    @contextmanager
    def _answer(self, place: str, deadline: float) -> Iterator[httpx.Response]:
        """The answer to a request, after redirects that stay where they are.

        Raises:
            SettingsError: the profile's URL is none.
            StorageError: the network fails, or the server leads elsewhere or in circles.
        """
        import httpx

        try:
            origin = url = httpx.URL(place)
            for _ in range(MAX_REDIRECTS + 1):
                with self._client.stream("GET", url) as answer:
                    if not answer.has_redirect_location:
                        yield answer
                        return
                    url = url.join(answer.headers["location"])
                if (url.scheme, url.host, url.port) != (origin.scheme, origin.host, origin.port):
                    self._refuse(
                        place, f"the server leads to another one, {url.scheme}://{url.netloc.decode()}"
                    )
                self._check_time(place, deadline)
            self._refuse(place, f"over {MAX_REDIRECTS} redirects")
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            raise SettingsError(
                f"thumbnails at {self._url} cannot be opened ({error}); correct the URL."
            ) from error
        except httpx.HTTPError as error:
            self._refuse(place, " ".join(str(error).split()) or type(error).__name__, error)

    def _check_time(self, place: str, deadline: float) -> None:
        if time.monotonic() > deadline:
            self._refuse(place, f"it takes over {self._seconds:g} s")

    def _refuse(self, place: str, reason: str, cause: Exception | None = None) -> NoReturn:
        raise StorageError(f"thumbnail {place} cannot be read ({reason}); check the network.") from cause

    def _place(self, key: str) -> str:
        check_key(key)
        return f"{self._url}/{key[:2]}/{key}.webp"

    def _refuse_writing(self) -> NoReturn:
        raise ReadOnlyBankError(
            f"thumbnails at {self._url} can only be read; name a folder or an s3:// URL to write."
        )
