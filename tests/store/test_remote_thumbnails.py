"""Thumbnails at fsspec URLs: an object store in memory; and which store a URL asks for."""

from __future__ import annotations

import hashlib
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
from freeda_store.hosted.opening import open_thumbnails
from freeda_store.patience import Patience
from freeda_store.profiles.settings import Profile
from freeda_store.thumbnails.folder import FolderThumbnails
from freeda_store.thumbnails.remote import NoThumbnails, RemoteThumbnails
from freeda_store.thumbnails.web import WebThumbnails


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
    assert (store.size_bytes(), store.sweep()) == (None, 0)


def test_a_store_that_is_away_for_a_moment_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    class EndpointConnectionError(Exception):
        """What botocore raises; it is no OSError."""

    store = RemoteThumbnails(f"memory://{uuid4()}/pictures/", Patience(5))
    failures = [ConnectionResetError("reset"), EndpointConnectionError("could not connect")]
    write = store._files.pipe_file

    def fail_first(*given: object) -> None:
        if failures:
            raise failures.pop()
        write(*given)

    monkeypatch.setattr(store._files, "pipe_file", fail_first)
    key = store.put(b"one")
    assert store.get(key) == b"one"
    failures += [PermissionError("access denied"), PermissionError("access denied")]
    with pytest.raises(StorageError, match=r"access denied.*check the credentials"):
        store.put(b"two")
    assert len(failures) == 1, "a refusal is not tried again"
    failures[:] = [ConnectionResetError("reset")] * 9
    with pytest.raises(StorageError, match=r"could not be written to memory://.*\(reset\)"):
        RemoteThumbnails(store._url).put(b"two")


def test_too_large_an_object_is_not_read_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    store = RemoteThumbnails(f"memory://{uuid4()}/pictures/")
    key = store.put(b"0123456789")
    monkeypatch.setattr("freeda_store.thumbnails.remote.MAX_BYTES", 9)
    with pytest.raises(ThumbnailDamagedError):
        store.get(key)


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
        ("https://example.org/thumbnails", WebThumbnails),
        ("HTTP://example.org/thumbnails", WebThumbnails),
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
