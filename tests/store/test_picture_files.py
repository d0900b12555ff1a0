"""The door through which pictures are opened: formats, sizes, and what is dear to decode."""

from __future__ import annotations

import re
import struct
from contextlib import suppress
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tifffile import imwrite

from freeda_errors import FreedaError
from freeda_store.errors import ThumbnailDamagedError
from freeda_store.files.picture_files import (
    FORMATS,
    PictureTooLargeError,
    UnknownFormatError,
    UnreadablePictureError,
    opened_picture,
)
from freeda_store.thumbnails.folder import decode

PRODUCT = ("freeda_models", "freeda_store", "ingest", "freeda_segment", "cli")


def encoded(kind: str, size: tuple[int, int] = (16, 12), **options: object) -> bytes:
    buffer = BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def read(data: bytes, max_pixels: int = 10**6) -> tuple[int, int]:
    with opened_picture(BytesIO(data), max_pixels=max_pixels) as picture:
        picture.load()
        return picture.size


def tiled(side: int) -> bytes:
    """A small TIFF in one tile."""
    buffer = BytesIO()
    imwrite(buffer, np.zeros((12, 16, 3), np.uint8), tile=(side, side), compression="zlib")
    return buffer.getvalue()


def webp(chunk: bytes, width: int, height: int) -> bytes:
    """A WebP of nothing but a header that claims a size."""
    if chunk == b"VP8L":
        body = b"\x2f" + struct.pack("<I", (width - 1) | (height - 1) << 14) + b"\0"
    elif chunk == b"VP8X":
        body = bytes(4) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    else:
        body = b"\x30\x01\x00\x9d\x01\x2a" + struct.pack("<HH", width, height) + bytes(8)
    inside = b"WEBP" + chunk + struct.pack("<I", len(body)) + body
    return b"RIFF" + struct.pack("<I", len(inside)) + inside


@pytest.mark.parametrize("kind", FORMATS)
def test_each_format_that_is_stood_for_is_read(kind: str) -> None:
    assert read(encoded(kind)) == (16, 12)


def test_a_jpeg_of_several_pictures_gives_the_first() -> None:
    data = encoded("MPO", save_all=True, append_images=[Image.new("RGB", (5, 5))])
    assert read(data) == (16, 12)


@pytest.mark.parametrize("kind", ["ICO", "PCX", "TGA", "EPS", "PDF", "JPEG2000", "SGI", "DDS"])
def test_other_formats_are_not_tried(kind: str) -> None:
    with pytest.raises(UnknownFormatError, match=r"\((read are )?PNG, JPEG"):
        read(encoded(kind))


@pytest.mark.parametrize("chunk", [b"VP8 ", b"VP8L", b"VP8X"])
@pytest.mark.parametrize("size", [(16383, 16383), (1001, 1000)])
def test_a_large_webp_is_refused_by_its_header(
    chunk: bytes, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("the decoder was made")

    monkeypatch.setattr(Image, "open", never)
    with pytest.raises(
        PictureTooLargeError, match=f"has {size[0]} x {size[1]} pixels, over the limit of 1,000,000"
    ):
        read(webp(chunk, *size))
    with pytest.raises(ThumbnailDamagedError, match="has 16383 x 16383 pixels"):
        decode(webp(chunk, 16383, 16383), "a" * 64)


def test_a_picture_that_cannot_be_read_is_an_error_for_people() -> None:
    with pytest.raises(FreedaError, match=r"^the picture has 101 x 99 pixels, .*; make it .*\.$") as caught:
        read(encoded("PNG", (101, 99)), 9998)
    assert isinstance(caught.value, PictureTooLargeError)
    named = caught.value.of("a.png")
    assert (type(named), named.reason) == (PictureTooLargeError, caught.value.reason)
    assert str(named).startswith("a.png has 101 x 99")


def test_the_header_is_that_of_the_encoder() -> None:
    for options in ({}, {"lossless": True}, {"exif": b"Exif\0\0II*\0\x08\0\0\0\0\0"}):
        data = encoded("WEBP", (101, 99), **options)
        assert read(data, 9999) == (101, 99)
        with pytest.raises(PictureTooLargeError, match="has 101 x 99 pixels"):
            read(data, 9998)


@pytest.mark.parametrize("kind", ["WEBP", "AVIF"])
def test_formats_that_take_more_memory_have_a_lower_limit(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    cost = {"WEBP": 16, "AVIF": 12}[kind]
    monkeypatch.setattr("freeda_store.files.picture_files._MOST_BYTES", cost * 1000)
    assert read(encoded(kind, (40, 25))) == (40, 25)
    with pytest.raises(PictureTooLargeError, match=r"take too much memory as .*limit 1,000"):
        read(encoded(kind, (40, 26)))
    assert read(encoded("PNG", (40, 60))) == (40, 60)


def test_a_progressive_jpeg_holds_its_coefficients(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("freeda_store.files.picture_files._MOST_BYTES", 7 * 999)
    assert read(encoded("JPEG", (40, 25))) == (40, 25)
    with pytest.raises(PictureTooLargeError, match="take too much memory as JPEG"):
        read(encoded("JPEG", (40, 25), progressive=True))


def test_a_jpeg_of_too_many_scans_is_refused() -> None:
    data = encoded("JPEG", progressive=True)
    scan = data.index(b"\xff\xda")
    many = data[:scan] + b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00" * 201 + data[scan:]
    with pytest.raises(UnreadablePictureError, match="over 200 scans"):
        read(many)


def test_a_tile_may_not_be_larger_than_pictures_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("freeda_store.files.picture_files._MOST_BYTES", 4 * 1024)
    assert read(tiled(32)) == (16, 12)
    with pytest.raises(PictureTooLargeError, match="TIFF tile"):
        read(tiled(48))


def test_what_goes_wrong_in_the_block_is_told_as_the_pictures_fault() -> None:
    with pytest.raises(UnreadablePictureError, match=r"cannot be read \(.*truncated"):
        read(encoded("JPEG", (64, 64))[:-600])
    with (
        pytest.raises(PictureTooLargeError, match="memory"),
        opened_picture(BytesIO(encoded("PNG")), max_pixels=1000),
    ):
        raise MemoryError


def test_there_is_no_other_door() -> None:
    root = Path(__file__).parents[2]
    found = [
        f"{path.relative_to(root)}:{number}"
        for package in PRODUCT
        for path in sorted((root / package).rglob("*.py"))
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if re.search(r"\bImage\.open\(|\bfrom PIL\.Image import open|imread\(", line)
    ]
    assert len(found) == 1
    assert found[0].startswith("freeda_store/files/picture_files.py:")


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"8BPS\x00\x01", "is of the kind PSD, which is not read"),
        (b"\x00\x00\x01\x00\x01\x00", "is of the kind ICO"),
        (b"\x00\x00\x00\x18ftypqt  \x00\x00", "is of the kind video"),
        (b"\x00\x00\x00\x0cjP  \r\n\x87\n", "is of the kind JPEG 2000"),
        (b"\xef\xbb\xbf<?xml version='1.0'?><svg>", "is of the kind SVG"),
        (b"<!DOCTYPE html><title>404", "is of the kind HTML"),
        (b"", r"cannot be read \(it is empty\)"),
        (b"\x89PNG\r\n\x1a\nrubbish", r"cannot be read \("),
        (b"\xff\xd8\xffrubbish", r"cannot be read \(it begins as a picture"),
        (b"some words", r"not a picture of a known format \(PNG"),
    ],
)
def test_a_kind_that_is_not_read_is_told_apart_from_a_broken_picture(data: bytes, told: str) -> None:
    with pytest.raises(UnreadablePictureError, match=told) as caught:
        read(data)
    assert isinstance(caught.value, UnknownFormatError) == ("cannot be read" not in told)


def test_an_icon_is_told_the_same_whatever_picture_came_before() -> None:
    icon = encoded("ICO")
    for before in ("PNG", "ICO", "TIFF"):
        with suppress(UnreadablePictureError):
            read(encoded(before))
        with pytest.raises(UnknownFormatError, match="is of the kind ICO"):
            read(icon)
