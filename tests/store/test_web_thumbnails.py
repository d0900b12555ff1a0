"""Thumbnails from a web server, honest and hostile, on this machine."""

from __future__ import annotations

import hashlib
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from freeda_store.errors import (
    ReadOnlyBankError,
    SettingsError,
    StorageError,
    ThumbnailDamagedError,
    ThumbnailKeyError,
    ThumbnailMissingError,
)
from freeda_store.thumbnails.web import WebThumbnails
from freeda_store.web_reading import MAX_REDIRECTS

PICTURE = b"picture"
KEY = hashlib.sha256(PICTURE).hexdigest()
PLACE = f"/thumbnails/{KEY[:2]}/{KEY}.webp"

Answer = Callable[[BaseHTTPRequestHandler], None]


@contextmanager
def serving(answer: Answer) -> Iterator[tuple[str, list[str]]]:
    """A server's address, and the paths it was asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            answer(self)

        def log_message(self, format: str, *args: object) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def send(request: BaseHTTPRequestHandler, data: bytes, status: int = 200, **headers: str) -> None:
    request.send_response(status)
    for name, value in headers.items():
        request.send_header(name, value)
    request.send_header("Content-Length", str(len(data)))
    request.end_headers()
    request.wfile.write(data)


def honest(request: BaseHTTPRequestHandler) -> None:
    send(request, PICTURE if request.path == PLACE else b"", 200 if request.path == PLACE else 404)


def test_what_is_there_is_read_and_nothing_is_written() -> None:
    with serving(honest) as (address, asked):
        store = WebThumbnails(f"{address}/thumbnails/")
        assert store.get(KEY) == PICTURE
        assert store.has(KEY)
        assert not store.has("a" * 64)
        with pytest.raises(ThumbnailMissingError, match="is missing"):
            store.get("a" * 64)
        before = len(asked)
        for key in ("../" + "a" * 61, f"@example.org/{KEY[:52]}", "A" * 64):
            with pytest.raises(ThumbnailKeyError):
                store.get(key)
        for write in (lambda: store.put(PICTURE), lambda: store.delete(KEY), lambda: list(store.keys())):
            with pytest.raises(ReadOnlyBankError, match="can only be read"):
                write()
        assert len(asked) == before
        assert (store.size_bytes(), store.sweep()) == (None, 0)


def test_other_bytes_than_the_keys_are_damage() -> None:
    with (
        serving(lambda request: send(request, b"other")) as (address, _),
        pytest.raises(ThumbnailDamagedError),
    ):
        WebThumbnails(f"{address}/thumbnails").get(KEY)


def test_a_server_that_refuses_is_told_in_one_line() -> None:
    with serving(lambda request: send(request, b"", 403)) as (address, _):
        store = WebThumbnails(f"{address}/thumbnails")
        with pytest.raises(StorageError, match=r"cannot be read \(.*403.*check the network"):
            store.get(KEY)


def test_a_redirect_on_the_same_server_is_followed() -> None:
    def moved(request: BaseHTTPRequestHandler) -> None:
        if request.path == PLACE:
            send(request, b"", 302, Location="/elsewhere.webp")
        else:
            send(request, PICTURE)

    with serving(moved) as (address, _):
        assert WebThumbnails(f"{address}/thumbnails").get(KEY) == PICTURE


def test_a_redirect_to_another_server_is_refused_and_the_other_never_asked() -> None:
    with serving(lambda request: send(request, PICTURE)) as (inside, asked):

        def lure(request: BaseHTTPRequestHandler) -> None:
            send(request, b"", 302, Location=f"{inside}/secret")

        with (
            serving(lure) as (address, _),
            pytest.raises(StorageError, match=f"leads to another one, {inside}"),
        ):
            WebThumbnails(f"{address}/thumbnails").get(KEY)
        assert asked == []


@pytest.mark.parametrize(
    "where", ["file:///etc/passwd", "https://127.0.0.1/x", "//example.org/x", "gopher://x/"]
)
def test_a_redirect_to_another_scheme_or_host_is_refused(where: str) -> None:
    with serving(lambda request: send(request, b"", 301, Location=where)) as (address, _):
        store = WebThumbnails(f"{address}/thumbnails")
        with pytest.raises((StorageError, SettingsError)):
            store.get(KEY)


def test_a_circle_of_redirects_ends() -> None:
    with serving(lambda request: send(request, b"", 302, Location=request.path)) as (address, asked):
        with pytest.raises(StorageError, match="redirects"):
            WebThumbnails(f"{address}/thumbnails").get(KEY)
        assert len(asked) == MAX_REDIRECTS + 1


def test_a_stream_without_end_is_cut_at_the_limit() -> None:
    sent = []

    def endless(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        try:
            while True:
                sent.append(request.wfile.write(bytes(1 << 16)))
        except OSError:
            return

    with serving(endless) as (address, _):
        store = WebThumbnails(f"{address}/thumbnails", max_bytes=100_000)
        with pytest.raises(StorageError, match="larger than 100,000 bytes"):
            store.get(KEY)


def test_a_server_that_drips_is_given_up() -> None:
    stop = threading.Event()

    def drip(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        try:
            while not stop.wait(0.02):
                request.wfile.write(b".")
                request.wfile.flush()
        except OSError:
            return

    with serving(drip) as (address, _):
        with pytest.raises(StorageError, match=r"it takes over 0\.2 s"):
            WebThumbnails(f"{address}/thumbnails", seconds=0.2).get(KEY)
        stop.set()


def test_a_silent_server_is_given_up() -> None:
    stop = threading.Event()

    def silent(_: BaseHTTPRequestHandler) -> None:
        stop.wait(30)

    with serving(silent) as (address, _):
        with pytest.raises(StorageError, match="cannot be read"):
            WebThumbnails(f"{address}/thumbnails", seconds=0.2).get(KEY)
        stop.set()


def test_packed_bytes_are_not_unpacked() -> None:
    import gzip

    bomb = gzip.compress(bytes(10**7))
    with serving(lambda request: send(request, bomb, 200, **{"Content-Encoding": "gzip"})) as (address, _):
        store = WebThumbnails(f"{address}/thumbnails", max_bytes=10**6)
        with pytest.raises(ThumbnailDamagedError):
            store.get(KEY)


def test_an_address_that_is_none() -> None:
    with pytest.raises((SettingsError, StorageError), match="thumbnail"):
        WebThumbnails("http://[::1/thumbnails").get(KEY)


@pytest.mark.parametrize("excepted", ["127.0.0.1,::1/128", "::1/128", ""])
def test_the_environments_proxy_is_taken_or_refused_in_one_line(
    monkeypatch: pytest.MonkeyPatch, excepted: str
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", excepted)
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:1")
    monkeypatch.setitem(sys.modules, "socksio", None)
    store = WebThumbnails("http://127.0.0.1:1")
    expected = StorageError if excepted.startswith("127") else SettingsError
    with pytest.raises(expected, match="check the network" if expected is StorageError else "SOCKS"):
        store.get("a" * 64)
