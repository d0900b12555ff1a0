"""Every request to a Qdrant server passes here: repeated while that may help, its failures put into words."""

from __future__ import annotations

import email.utils
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from freeda_store.errors import BankError, StorageError
from freeda_store.patience import GaveUpError, Patience, Trouble
from freeda_store.vectors import words
from freeda_store.vectors.words import Place

if TYPE_CHECKING:
    import httpx

_TOO_MANY, _CONFLICT = 429, 409
_LATER = (_TOO_MANY, 502, 503, 504)
"""Too many requests; a gateway whose server is away; a server that starts."""
_RESULT, _EDGE = b'"result"', 300
"""Where every answer of Qdrant has its result: among the first or last bytes."""
T = TypeVar("T")


class _LaterError(Exception):
    """An answer that asks to come back."""

    def __init__(self, response: httpx.Response) -> None:
        super().__init__(f"status {response.status_code}")
        self.response = response


class ServerAwayError(StorageError):
    """A server could not be asked, or something else answered in its place."""


class Sender:
    """Middleware of a client; see ``ApiClient.add_middleware`` of qdrant-client."""

    def __init__(self, place: Place, patience: Patience) -> None:
        self._place = place
        self._patience = patience

    def __call__(
        self, request: httpx.Request, send: Callable[[httpx.Request], httpx.Response]
    ) -> httpx.Response:
        """Send a request, again if need be.

        Raises:
            ServerAwayError: no answer, or not from Qdrant; the message says which and what to do.
            UnexpectedResponse: Qdrant refused; it knows the place.
        """
        from qdrant_client.http.exceptions import ResponseHandlingException

        unsure: list[bool] = []

        def once() -> httpx.Response:
            try:
                response = send(request)
            except ResponseHandlingException as error:
                unsure.append(True)
                raise error.source from error.source.__cause__
            if response.status_code in _LATER:
                unsure.append(response.status_code != _TOO_MANY)
                raise _LaterError(response)
            return _made_before(response) if any(unsure) else response

        tried = ""
        try:
            response = self._patience.call(once, self._judge)
        except GaveUpError as gave:
            tried = gave.tried_for
            if not isinstance(gave.__cause__, _LaterError):
                raise self._failed(gave.__cause__, tried) from gave.__cause__
            response = gave.__cause__.response
        except Exception as error:
            raise self._failed(error, tried) from error
        self._check(response, tried)
        return response

    def _judge(self, error: BaseException) -> Trouble | None:
        import httpx

        place = self._place
        if isinstance(error, _LaterError):
            status = error.response.status_code
            return Trouble(f"{place.url} answered with status {status}", _pause(error.response), sure=True)
        if isinstance(error, (httpx.ProxyError, httpx.UnsupportedProtocol, httpx.LocalProtocolError)):
            return None
        if not isinstance(error, httpx.TransportError) or words.hopeless(error):
            return None
        return Trouble(words.failure(place, error).partition("; ")[0])

    def _failed(self, error: BaseException | None, tried: str) -> ServerAwayError:
        return ServerAwayError(words.failure(self._place, error or Exception("no answer")) + tried)

    def _check(self, response: httpx.Response, tried: str) -> None:
        """Raise what an answer other than success means."""
        status, body = response.status_code, response.content.strip()
        sent_on = response.headers.get("location", "") if response.is_redirect else ""
        if sent_on or (body and not body.startswith(b"{")):
            raise ServerAwayError(words.page(self._place, status, body, sent_on) + tried)
        if status not in (200, 201, 202):
            raise _refused(self._place, response)
        asked = response.request.url.path
        if "/collections" in asked and _RESULT not in body[:_EDGE] and _RESULT not in body[-_EDGE:]:
            raise ServerAwayError(words.strange(self._place))


def _made_before(response: httpx.Response) -> httpx.Response:
    """A collection that exists already was made by the try before, whose answer was lost.

    Its name cannot be another's: collections are made under names with random digits.
    """
    import httpx

    asked = response.request
    if response.status_code != _CONFLICT or asked.method != "PUT" or "/points" in asked.url.path:
        return response
    return httpx.Response(200, json={"result": True, "status": "ok", "time": 0.0}, request=asked)


def _refused(place: Place, response: httpx.Response) -> Exception:
    from qdrant_client.http.exceptions import UnexpectedResponse

    refused = UnexpectedResponse(
        response.status_code, response.reason_phrase, response.content, response.headers
    )
    refused.place = place  # type: ignore[attr-defined]
    return refused


def guard(collection: str, call: Callable[[], T]) -> T:
    """Run one client call; whatever is raised comes out as this package's.

    Raises:
        StorageError: names the server, says why and what to do.
    """
    try:
        return call()
    except BankError:
        raise
    except Exception as error:  # the client raises its own, httpx's and ValueError
        place: Place | None = getattr(error, "place", None)
        status: int | None = getattr(error, "status_code", None)
        raise StorageError(words.refusal(place, collection, status, _said(error))) from error


def _said(error: Any) -> str:
    """What the server says in its JSON, or the error itself, in one line."""
    try:
        told = error.structured()["status"]["error"]
    except (AttributeError, ValueError, KeyError, TypeError):
        content = getattr(error, "content", None)
        told = content.decode("utf-8", "replace")[:200] if isinstance(content, bytes) else ""
    return " ".join(str(told).split()) or getattr(error, "reason_phrase", "") or _plain(error)


def _plain(error: Exception) -> str:
    source = getattr(error, "source", None) or error
    return " ".join(str(source).split())[:300] or type(source).__name__


def _pause(response: httpx.Response) -> float | None:
    """Seconds that Retry-After asks for: a number or a date."""
    asked = response.headers.get("retry-after", "").strip()
    try:
        return max(0.0, float(asked))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(asked).timestamp() - time.time())
    except (ValueError, TypeError):
        return None
