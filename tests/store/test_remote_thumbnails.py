"""Thumbnails at fsspec URLs: an object store in memory, and a web server on this machine."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from uuid import uuid4

import pytest

from freeda_store.errors import (
    ReadOnlyBankError,
    SettingsError,
    StorageError,
    ThumbnailDamagedError,
    ThumbnailKeyError,
    ThumbnailMissingError,
)
from freeda_store.hosted import open_thumbnails
from freeda_store.remote_thumbnails import NoThumbnails, RemoteThumbnails
from freeda_store.settings import Profile
from freeda_store.thumbnails import FolderThumbnails


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""


class _Refusing(_Quiet):
    def do_GET(self) -> None:
        self.send_error(403)


def test_a_server_that_refuses_is_told_in_one_line() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Refusing)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        store = RemoteThumbnails(f"http://127.0.0.1:{server.server_port}/thumbnails")
        with pytest.raises(StorageError, match=r"cannot be read \(.*403.*check the network"):
            store.get("a" * 64)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def web(tmp_path: Path) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(tmp_path)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/thumbnails"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_bucket_keeps_what_is_put() -> None:
    store = RemoteThumbnails(f"memory://{uuid4()}/pictures/")
    keys = [store.put(data) for data in (b"one", b"two", b"one")]
    assert keys[0] == keys[2] == hashlib.sha256(b"one").hexdigest()
    assert store.get(keys[1]) == b"two"
    assert list(store.keys()) == sorted(set(keys))
    assert store.has(keys[0])
    store.delete(keys[0])
    store.delete(keys[0])
    assert not store.has(keys[0])
    with pytest.raises(ThumbnailMissingError, match="is missing"):
        store.get(keys[0])
    store._files.pipe_file(store._place(keys[1]), b"other")
    with pytest.raises(ThumbnailDamagedError, match="damaged"):
        store.get(keys[1])
    for key in ("../" + "a" * 64, " ", "A" * 64):
        with pytest.raises(ThumbnailKeyError):
            store.get(key)
    assert store.size_bytes() == 0


def test_a_web_server_is_read_only(web: str, tmp_path: Path) -> None:
    pytest.importorskip("aiohttp")
    key = FolderThumbnails(tmp_path / "thumbnails").put(b"picture")
    store = RemoteThumbnails(web)
    assert store.get(key) == b"picture"
    assert store.has(key)
    with pytest.raises(ThumbnailMissingError):
        store.get("a" * 64)
    with pytest.raises(ReadOnlyBankError, match="can only be read"):
        store.put(b"picture")
    with pytest.raises(ReadOnlyBankError):
        store.delete(key)
    with pytest.raises(ReadOnlyBankError):
        list(store.keys())


def test_drivers_that_are_not_there() -> None:
    with pytest.raises(SettingsError, match="use a folder, s3:// or https://"):
        RemoteThumbnails("strange://x").get("a" * 64)


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("", NoThumbnails),
        ("/srv/thumbnails", FolderThumbnails),
        ("file:///srv/thumbnails", FolderThumbnails),
        ("s3://bucket/thumbnails", RemoteThumbnails),
    ],
)
def test_kinds_of_urls(url: str, kind: type) -> None:
    profile = Profile(name="p", qdrant_url="http://localhost", thumbnails=url)
    assert type(open_thumbnails(profile)) is kind


def test_no_thumbnails() -> None:
    store = NoThumbnails("p")
    assert not store.has("a" * 64)
    assert list(store.keys()) == []
    with pytest.raises(ReadOnlyBankError, match="names no thumbnails"):
        store.put(b"x")
    with pytest.raises(ReadOnlyBankError):
        store.delete("a" * 64)
