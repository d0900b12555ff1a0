"""What stands before every request: who may ask, how much, and what a browser may do with the answer.

- The Host header must be a name of this server, so that no other site's name can be pointed at it (DNS
  rebinding).
- Every request but ``/health`` brings the token of this start: in the printed address, which sets a strict
  same-site cookie; or as authorization, bearer or basic, for programs.
- What changes something must come from a page of this server, where a browser says where it comes from; with
  a cookie the browser must say so (Origin).
- A request has a limit of bytes, also when it does not say how long it is.
- Answers forbid a browser to load anything from elsewhere, to be framed, and to guess types.
"""

from __future__ import annotations

import base64
import hmac
from urllib.parse import parse_qs, urlencode, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import cookie_parser
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from freeda_studio.answers import error_answer
from freeda_studio.settings import Access

OPEN_PATHS = frozenset({"/health"})
"""Answered without a token."""

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_LOCAL = frozenset({"127.0.0.1", "localhost", "::1"})
_EVERYWHERE = frozenset({"0.0.0.0", "::", ""})  # noqa: S104 - compared with, not listened on
_POLICY = (
    "default-src 'self'; img-src 'self' blob:; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",  # with no referrer at all, forms would not say where they come from
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
"""What every answer says, where a route does not say otherwise."""

_LOCKED = (
    "this address needs the token of this start. Open the address that `freeda serve` printed, or send the "
    "token as 'Authorization: Bearer TOKEN'."
)
_STRANGE_NAME = "this server does not answer to that name; start it with --allow-host NAME."
_FROM_ELSEWHERE = (
    "this change does not come from a page of this server; behind a proxy, let it pass on the Host header."
)


class Guard:
    """ASGI middleware that lets only allowed requests through.

    Args:
        app: what is guarded.
        access: where it listens, and its token.
        most_bytes: of one request.
    """

    def __init__(self, app: ASGIApp, access: Access, most_bytes: int) -> None:
        self._app, self._access, self._most_bytes = app, access, most_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a request, or hand it on."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            raise RuntimeError(f"the studio speaks http only, not {scope['type']}")
        refusal = self._refusal(scope)
        if refusal is not None:
            await refusal(scope, receive, _with_headers(send))
            return
        await self._app(scope, _limited(receive, self._most_bytes), _with_headers(send))

    def _refusal(self, scope: Scope) -> Response | None:
        """The answer to who may not ask; None to who may."""
        headers = Headers(scope=scope)
        if not self._is_own_name(headers.getlist("host")):
            return error_answer(headers, 421, _STRANGE_NAME)
        if scope["path"] in OPEN_PATHS:
            return None
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token")
        if given is not None and scope["method"] == "GET":
            return self._let_in(scope, headers, given[0])
        as_program = self._is_token(_authorization(headers))
        if not as_program and not self._is_token(_cookie(headers, self._cookie_name)):
            answer = error_answer(headers, 401, _LOCKED)
            answer.headers["www-authenticate"] = "Bearer"
            return answer
        by_browser = not as_program or "origin" in headers or "sec-fetch-site" in headers
        changing = scope["method"] not in _SAFE_METHODS
        if changing and by_browser and not _is_from_here(headers, scope["scheme"]):
            return error_answer(headers, 403, _FROM_ELSEWHERE)
        return self._too_large(headers)

    def _too_large(self, headers: Headers) -> Response | None:
        length = headers.get("content-length", "")
        if not length.isdecimal() or int(length) <= self._most_bytes:
            return None
        return error_answer(headers, 413, _told_too_large(self._most_bytes))

    def _let_in(self, scope: Scope, headers: Headers, given: str) -> Response:
        """Keep the token of an address in a cookie, and lead to the address without it."""
        if not self._is_token(given):
            return error_answer(headers, 401, _LOCKED)
        query = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        rest = urlencode({name: value for name, value in query.items() if name != "token"}, doseq=True)
        path = "/" + scope["path"].lstrip("/\\")
        answer = RedirectResponse(f"{path}?{rest}" if rest else path, 303)
        answer.set_cookie(
            self._cookie_name,
            self._access.token,
            path="/",
            httponly=True,
            samesite="strict",
            secure=scope["scheme"] == "https",
        )
        return answer

    @property
    def _cookie_name(self) -> str:
        """One a port, since browsers share cookies among the ports of a name."""
        return f"freeda-{self._access.port}"

    def _is_token(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(), self._access.token.encode())

    def _is_own_name(self, hosts: list[str]) -> bool:
        name = _host_name(hosts[0]) if len(hosts) == 1 else ""
        own = {*_LOCAL, *(each.lower() for each in self._access.names)}
        if self._access.host not in _EVERYWHERE:
            own.add(self._access.host.lower())
        return name in own


def _host_name(host: str) -> str:
    """The name in a Host header, without its port; empty where it is none."""
    try:
        parts = urlsplit(f"//{host}")
        fine = parts.port is None or parts.port > 0
    except ValueError:
        return ""
    return (parts.hostname or "") if fine else ""


def _is_from_here(headers: Headers, scheme: str) -> bool:
    """Whether a page of this server sent it, by what the browser says and no page can change.

    A proxy may end TLS without saying so: then a page of https comes to a server that believes to speak http.
    """
    try:
        origin = urlsplit(headers.get("origin", ""))
    except ValueError:
        return False
    site = headers.get("sec-fetch-site", "same-origin")
    return (
        origin.scheme in (scheme, "https")
        and origin.netloc.lower() == headers.get("host", "").lower()
        and site == "same-origin"
    )


def _authorization(headers: Headers) -> str:
    """The token of an Authorization header: a bearer's, or the password of basic authorization."""
    kind, _, value = headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer":
        return value.strip()
    if kind.lower() == "basic":
        try:
            return base64.b64decode(value.strip(), validate=True).decode().partition(":")[2]
        except ValueError:  # of base64 or of UTF-8
            return ""
    return ""


def _cookie(headers: Headers, name: str) -> str:
    """A cookie, whatever stands in those of other servers on this machine."""
    return cookie_parser(headers.get("cookie", "")).get(name, "")


def _limited(receive: Receive, most: int) -> Receive:
    """Count what comes, and stop at too much."""
    total = 0

    async def counted() -> Message:
        nonlocal total
        message = await receive()
        total += len(message.get("body", b""))
        if total > most:
            raise HTTPException(413, _told_too_large(most))  # passes through what reads a body
        return message

    return counted


def _told_too_large(most: int) -> str:
    return f"a request may have {most / 2**20:.0f} MiB at most; send fewer or smaller pictures at once."


def _with_headers(send: Send) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return sent
