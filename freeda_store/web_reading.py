"""Reads files from one web server alone: bounded in bytes, time and redirects.

The server is the one that a person named. Nothing that it answers leads to another one: a redirect is
followed on the same scheme, host and port only. So it is the person's choice whether private addresses are
asked.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn

from freeda_store.errors import SettingsError, StorageError
from freeda_store.vectors.client import usual_authorities
from freeda_store.vectors.proxies import environment_proxy

if TYPE_CHECKING:
    import httpx

MAX_REDIRECTS = 3
_SILENCE_SECONDS = 5.0


class WebReader:
    """Reads from one server.

    Args:
        url: ``http://`` or ``https://``; its scheme, host and port are the only ones that are asked.
        what: is read, for messages.
        seconds: how long one file may take in all.
        max_bytes: how large one may be.
    """

    def __init__(self, url: str, *, what: str, seconds: float, max_bytes: int) -> None:
        self._url, self._what = url, what
        self._seconds, self._max_bytes = seconds, max_bytes

    @cached_property
    def _client(self) -> httpx.Client:
        import httpx

        headers = {"Accept-Encoding": "identity"}  # what is packed could grow beyond its limit
        timeout = min(_SILENCE_SECONDS, self._seconds)
        way: dict[str, Any] = {"trust_env": False, "proxy": environment_proxy(self._url)}
        if self._url.lower().startswith("https:"):
            way["verify"] = usual_authorities()
        return httpx.Client(headers=headers, timeout=timeout, follow_redirects=False, **way)

    def read(self, place: str, headers: Mapping[str, str] | None = None) -> bytes | None:
        """A file; None where the server has none.

        Args:
            place: its address.
            headers: to send with the request.

        Raises:
            SettingsError: the address is none.
            StorageError: the network fails, the file is too large or takes too long, or the server refuses or
                leads elsewhere or in circles.
        """
        deadline = time.monotonic() + self._seconds
        with self._answer(place, headers, None, deadline) as answer:
            if answer.status_code in (404, 410):
                return None
            return self._content(place, answer, deadline)

    def post(self, place: str, document: Mapping[str, str]) -> bytes:
        """What a server answers to a JSON document.

        Raises:
            As :meth:`read`.
        """
        deadline = time.monotonic() + self._seconds
        with self._answer(place, None, document, deadline) as answer:
            return self._content(place, answer, deadline)

    def has(self, place: str) -> bool:
        """Whether the server has a file.

        Raises:
            As :meth:`read`.
        """
        with self._answer(place, None, None, time.monotonic() + self._seconds) as answer:
            return answer.is_success

    def _content(self, place: str, answer: httpx.Response, deadline: float) -> bytes:
        if not answer.is_success:
            self._refuse(place, f"the server answered {answer.status_code} {answer.reason_phrase}".rstrip())
        data = bytearray()
        for chunk in answer.iter_raw():
            data += chunk
            if len(data) > self._max_bytes:
                self._refuse(place, f"it is larger than {self._max_bytes:,} bytes")
            self._check_time(place, deadline)
        return bytes(data)

    @contextmanager
    def _answer(
        self,
        place: str,
        headers: Mapping[str, str] | None,
        document: Mapping[str, str] | None,
        deadline: float,
    ) -> Iterator[httpx.Response]:
        """The answer to a request, after redirects that stay where they are."""
        import httpx

        method = "GET" if document is None else "POST"
        try:
            origin, url = httpx.URL(self._url), httpx.URL(place)
            for _ in range(MAX_REDIRECTS + 1):
                if (url.scheme, url.host, url.port) != (origin.scheme, origin.host, origin.port):
                    self._refuse(
                        place, f"the server leads to another one, {url.scheme}://{url.netloc.decode()}"
                    )
                with self._client.stream(method, url, headers=headers, json=document) as answer:
                    if document is not None or not answer.has_redirect_location:
                        yield answer
                        return
                    url = url.join(answer.headers["location"])
                self._check_time(place, deadline)
            self._refuse(place, f"over {MAX_REDIRECTS} redirects")
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            raise SettingsError(
                f"{self._what}s at {self._url} cannot be opened ({error}); correct the URL."
            ) from error
        except httpx.HTTPError as error:
            self._refuse(place, " ".join(str(error).split()) or type(error).__name__, error)

    def _check_time(self, place: str, deadline: float) -> None:
        if time.monotonic() > deadline:
            self._refuse(place, f"it takes over {self._seconds:g} s")

    def _refuse(self, place: str, reason: str, cause: Exception | None = None) -> NoReturn:
        shown = place.partition("?")[0]
        raise StorageError(f"{self._what} {shown} cannot be read ({reason}); check the network.") from cause
