"""A stand-in for a Qdrant server: HTTP on loopback over the client's local mode, with what that mode lacks.

It keeps keys and tokens, payload indexes, strict mode, collection settings, a limit to the size of a
request, and its content while it is stopped. Answers have the shape of the real server's JSON. What is
asked is kept in ``requests``.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from qdrant_stub_answers import ROUTES, Content, RefusedError, Request

API_KEY = "key-5d0b7e44"
READ_ONLY_KEY = "read-81c2aa07"
VERSION = "1.20.0"


def make_token(access: Any, *, key: str = API_KEY, **claims: Any) -> str:
    """A JWT as Qdrant takes it; ``access`` is "r", "m" or a list of ``{"collection", "access"}``."""

    def part(value: Any) -> str:
        raw = value if isinstance(value, bytes) else json.dumps(value).encode()
        return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

    signed = f"{part({'alg': 'HS256', 'typ': 'JWT'})}.{part({'access': access} | claims)}"
    return f"{signed}.{part(hmac.digest(key.encode(), signed.encode(), hashlib.sha256))}"


class QdrantStub(Content):
    """One server.

    Attributes:
        api_key, read_only_key: what it lets in; an ``api_key`` of None lets in everybody.
        max_bytes: of a request's body; more is refused as the real server does.
        requests: all requests so far.
    """

    def __init__(self, api_key: str | None = API_KEY, read_only_key: str | None = READ_ONLY_KEY) -> None:
        super().__init__()
        self.api_key, self.read_only_key = api_key, read_only_key
        self.max_bytes = 32 * 2**20
        self.requests: list[Request] = []
        self._port = 0
        self._server: ThreadingHTTPServer | None = None

    # its life

    def start(self) -> None:
        """Listen, on the same port as before."""
        stub = self

        class Handler(_Handler):
            server_stub = stub

        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), Handler)
        self._server.daemon_threads = True
        self._port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        """Stop listening; the content stays. Connections that are open end with their next request."""
        if self._server is not None:
            server, self._server = self._server, None
            server.shutdown()
            server.server_close()

    @property
    def running(self) -> bool:
        """Whether it answers."""
        return self._server is not None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._port}"

    def asked(self) -> Counter[str]:
        """How often each path was asked, with its method."""
        return Counter(f"{request.method} {request.path}" for request in self.requests)

    # answering

    def answer(self, request: Request, key: str | None) -> Any:
        """The result of a request.

        Raises:
            RefusedError: the status and message to answer with.
        """
        self.requests.append(request)
        if request.path == "/":
            return {"title": "qdrant - vector search engine", "version": VERSION}
        for method, pattern, need, action in ROUTES:
            match = re.fullmatch(pattern, request.path)
            if match is None or method != request.method:
                continue
            name = unquote(match.group(1)) if match.groups() else None
            self._admit(key, need, name)
            if request.size > self.max_bytes:
                told = f"JSON payload ({request.size} bytes) is larger than allowed"
                raise RefusedError(400, f"Payload error: {told} (limit: {self.max_bytes} bytes).")
            with self.lock:
                return action(self, request, *[unquote(group) for group in match.groups()])
        raise RefusedError(404, f"no {request.method} {request.path} in this stand-in")

    def _admit(self, key: str | None, need: str, collection: str | None) -> None:
        if self.api_key is None:
            return
        if key is None:
            raise RefusedError(401, "Must provide an API key or an Authorization bearer token")
        access = self._access(key)
        if access == "m" or (access == "r" and need == "read"):
            return
        if isinstance(access, list) and need != "manage" and collection is not None:
            for entry in access:
                if entry["collection"] == collection and (need == "read" or entry["access"] == "rw"):
                    return
            raise RefusedError(403, f"Forbidden: Access to collection {collection} is required")
        raise RefusedError(
            403, f"Forbidden: Global {'manage ' if need == 'manage' else ''}access is required"
        )

    def _access(self, key: str) -> Any:
        if key == self.api_key:
            return "m"
        if key == self.read_only_key:
            return "r"
        signed, _, signature = key.rpartition(".")
        digest = hmac.digest((self.api_key or "").encode(), signed.encode(), hashlib.sha256)
        if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != signature:
            raise RefusedError(401, "Invalid API key or JWT")
        claims = json.loads(base64.urlsafe_b64decode(signed.partition(".")[2] + "=="))
        if claims.get("exp", time.time() + 60) < time.time():
            raise RefusedError(401, "Invalid JWT: ExpiredSignature")
        return claims["access"]


class _Handler(BaseHTTPRequestHandler):
    server_stub: QdrantStub
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # one packet an answer, or loopback waits 40 ms for the second

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def handle_any(self) -> None:
        if not self.server_stub.running:
            self.close_connection = True
            self.connection.close()
            return
        raw = self.rfile.read(int(self.headers.get("content-length") or 0))
        parts, started = urlsplit(self.path), time.perf_counter()
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        bearer = (self.headers.get("authorization") or "").removeprefix("Bearer ") or None
        status = 200
        answer: Any = {}
        try:
            request = Request(self.command, parts.path, len(raw), json.loads(raw) if raw else None, query)
            result = self.server_stub.answer(request, self.headers.get("api-key") or bearer)
            answer = result if parts.path == "/" else {"result": result, "status": "ok"}
        except RefusedError as refusal:
            status, answer = refusal.status, {"status": {"error": str(refusal)}}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            missing = re.search(r"not found", str(error))
            status = 404 if missing else 400
            answer = {"status": {"error": f"{'Not found' if missing else 'Wrong input'}: {error}"}}
        body = json.dumps(answer | {"time": time.perf_counter() - started}).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_PUT = do_POST = do_PATCH = do_DELETE = handle_any  # noqa: N815 - http.server's names


@contextmanager
def running_stub(**given: Any) -> Iterator[QdrantStub]:
    """A server that ends with the block."""
    stub = QdrantStub(**given)
    stub.start()
    try:
        yield stub
    finally:
        stub.stop()
