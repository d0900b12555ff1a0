from __future__ import annotations

import io
import os
import socket
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageOps
from segment_fakes import save

from freeda_models.protocols import ImageArray
from freeda_segment.errors import ImageError
from freeda_segment.images import open_image, read_picture, read_stored

RED = (255, 0, 0)


def written(tmp_path: Any, picture: Any, name: Any = "picture.png", **options: Any) -> ImageArray:
    path = tmp_path / name
    picture.save(path, **options)
    return open_image(path)


SAVABLE = {
    "a.png": ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"],
    "a.tiff": ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "I", "F", "I;16", "I;16B"],
    "a.jpg": ["1", "L", "RGB", "CMYK", "YCbCr"],
    "a.webp": ["L", "LA", "P", "RGB", "RGBA"],
    "a.gif": ["L", "P", "RGB", "RGBA"],
    "a.bmp": ["1", "L", "P", "RGB", "RGBA"],
    "a.avif": ["L", "RGB", "RGBA"],
    "a.ppm": ["1", "L", "RGB", "I;16"],
}


@pytest.mark.parametrize(("name", "mode"), [(name, mode) for name in SAVABLE for mode in SAVABLE[name]])
def test_every_mode_can_be_read(tmp_path: Path, name: str, mode: str) -> None:
    Image.new(mode, (7, 5)).save(tmp_path / name)
    pixels = open_image(tmp_path / name)
    assert pixels.shape == (5, 7, 3)
    assert pixels.dtype == np.uint8


def test_transparency_is_laid_over_white(tmp_path: Path) -> None:
    half = Image.new("RGBA", (2, 2), (0, 0, 0, 128))
    assert abs(int(written(tmp_path, half)[0, 0, 0]) - 127) <= 1
    assert (written(tmp_path, Image.new("RGBA", (2, 2), (9, 9, 9, 0))) == 255).all()
    assert (written(tmp_path, Image.new("LA", (2, 2), (9, 0))) == 255).all()


def test_a_transparent_palette_colour_is_white(tmp_path: Path) -> None:
    picture = Image.new("P", (2, 1))
    picture.putpalette([255, 0, 0, 0, 255, 0])
    picture.putpixel((1, 0), 1)
    pixels = written(tmp_path, picture, transparency=0)
    assert pixels[0].tolist() == [[255, 255, 255], [0, 255, 0]]


def test_16_bits_are_scaled_from_their_full_range(tmp_path: Path) -> None:
    values = np.array([[0, 257, 32768, 65535]], np.uint16)
    pixels = written(tmp_path, Image.fromarray(values))
    assert pixels[0, :, 0].tolist() == [0, 1, 128, 255]
    assert (pixels[..., 0] == pixels[..., 2]).all()


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.0, 0.5, 1.0], [0, 128, 255]),
        ([0.0, 100.0, 255.0], [0, 100, 255]),
        ([-1.0, 0.0, 1.0], [0, 128, 255]),
    ],
)
def test_floats_are_scaled_by_their_range(tmp_path: Path, values: list[float], expected: list[int]) -> None:
    picture = Image.fromarray(np.array([values], np.float32))
    assert written(tmp_path, picture, "a.tiff")[0, :, 0].tolist() == expected


def gradient(low: float, high: float, dtype: Any) -> NDArray[Any]:
    return np.linspace(low, high, 64 * 64).reshape(64, 64).astype(dtype)


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        ("a.png", gradient(291, 694, np.uint16)),
        ("a.tiff", gradient(291, 694, np.uint16)),
        ("a.tiff", gradient(20_000, 21_000, np.int32)),
        ("a.tiff", gradient(0.4, 0.45, np.float32)),
        ("a.tiff", gradient(-3e5, -2e5, np.float32)),
    ],
)
@pytest.mark.parametrize("specks", [False, True])
def test_numbers_that_fill_little_of_their_range_are_stretched_and_it_is_said(
    tmp_path: Path, name: str, numbers: NDArray[Any], specks: bool
) -> None:
    """Also where single pixels are broken, as cameras have them."""
    low, high = float(numbers.min()), float(numbers.max())
    if specks:
        numbers = numbers.copy()
        numbers[0, :2], numbers[9, :2] = (0, 65535 if low > 1 else 1 if low > 0 else 1e6)
    Image.fromarray(numbers).save(tmp_path / name)
    read = read_picture(tmp_path / name)
    grey = read.pixels[16:48, :, 0]
    expected = (numbers[16:48].astype(float) - low) / (high - low) * 255
    np.testing.assert_allclose(grey, expected, atol=2)
    if specks or low > 0:
        (note,) = read.notes
        assert "were stretched to black and white" in note


@pytest.mark.parametrize(
    ("numbers", "white"),
    [
        (gradient(0, 40_000, np.uint16), 65535),
        (gradient(10_000, 30_000, np.uint16), 65535),
        (gradient(0, 4095, np.int32), None),
        (gradient(100, 200, np.int32), 255),
        (gradient(0.2, 0.5, np.float32), 1),
        (np.full((8, 8), 700, np.uint16), 65535),
        (np.full((8, 8), 0.5, np.float32), 1),
    ],
)
def test_numbers_that_fill_their_range_are_taken_as_they_are(
    tmp_path: Path, numbers: NDArray[Any], white: float | None
) -> None:
    Image.fromarray(numbers).save(tmp_path / "a.tiff")
    read = read_picture(tmp_path / "a.tiff")
    assert bool(read.notes) == (white is None)
    if white is not None:
        np.testing.assert_allclose(read.pixels[:, :, 1], numbers / white * 255, atol=0.51)


def test_floats_that_are_no_numbers_are_black(tmp_path: Path) -> None:
    picture = Image.fromarray(np.array([[np.nan, np.inf, 1.0]], np.float32))
    assert written(tmp_path, picture, "a.tiff")[0, :, 0].tolist() == [0, 0, 255]


def test_rotation_is_applied(tmp_path: Path) -> None:
    picture = Image.new("RGB", (4, 2))
    picture.putpixel((0, 0), RED)
    exif = Image.Exif()
    exif[0x0112] = 6
    pixels = written(tmp_path, picture, exif=exif)
    assert pixels.shape == (4, 2, 3)
    assert tuple(pixels[0, 1]) == RED


def marked(tmp_path: Path, orientation: int, name: str = "turned.png") -> Path:
    """A picture of numbered pixels with an EXIF orientation."""
    pixels = np.arange(3 * 5 * 3, dtype=np.uint8).reshape(3, 5, 3)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(pixels).save(tmp_path / name, exif=exif)
    return tmp_path / name


@pytest.mark.parametrize("name", ["turned.png", "turned.tiff"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_made_upright_as_pillow_does(
    tmp_path: Path, orientation: int, name: str
) -> None:
    path = marked(tmp_path, orientation, name)
    with Image.open(path) as picture:
        expected = np.asarray(ImageOps.exif_transpose(picture))
    assert (open_image(path) == expected).all()
    read = read_picture(path)
    assert (read.pixels == expected).all()
    assert read.size_hw == expected.shape[:2]


def test_a_picture_as_stored_is_not_turned(tmp_path: Path) -> None:
    stored = read_stored(marked(tmp_path, 6))
    assert stored.orientation == 6
    assert (stored.pixels == np.arange(45, dtype=np.uint8).reshape(3, 5, 3)).all()
    assert (stored.upright() == open_image(tmp_path / "turned.png")).all()


def test_strips_give_what_the_whole_gives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    pictures = {
        "rgba.png": Image.fromarray(rng.integers(0, 256, (37, 11, 4), dtype=np.uint8)),
        "deep.png": Image.fromarray(rng.integers(0, 65536, (37, 11), dtype=np.uint16)),
        "wide.tiff": Image.fromarray(rng.normal(size=(37, 11)).astype(np.float32)),
        "few.gif": Image.fromarray(rng.integers(0, 256, (37, 11), dtype=np.uint8)).convert("P"),
    }
    for name, picture in pictures.items():
        picture.save(tmp_path / name)
    whole = {name: open_image(tmp_path / name) for name in pictures}
    monkeypatch.setattr("freeda_segment.images._STRIP_PIXELS", 50)
    for name in pictures:
        assert (open_image(tmp_path / name) == whole[name]).all(), name


@pytest.mark.parametrize("name", ["large.png", "large.jpg"])
@pytest.mark.parametrize("size_wh", [(40, 30), (41, 31)])
def test_a_large_picture_is_halved_while_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, size_wh: tuple[int, int]
) -> None:
    monkeypatch.setattr("freeda_segment.images.REDUCED_PIXELS", 100)
    monkeypatch.setattr("freeda_segment.images._STRIP_PIXELS", 200)
    ramp = np.linspace(0, 250, size_wh[0] * size_wh[1] * 3).reshape(size_wh[1], size_wh[0], 3)
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / name
    picture = Image.fromarray(ramp.astype(np.uint8))
    options: dict[str, Any] = {"quality": 100, "subsampling": 0} if name.endswith("jpg") else {}
    picture.save(path, exif=exif, **options)
    read = read_picture(path)
    assert read.size_hw == size_wh
    expected = np.asarray(ImageOps.exif_transpose(picture.reduce(2)).rotate(-90, expand=True))
    assert read.pixels.shape == expected.shape
    assert np.abs(read.pixels.astype(int) - expected).max() <= 3
    assert open_image(path).shape == (*size_wh, 3)


@pytest.mark.parametrize("kind", ["pipe", "socket", "device", "endless device"])
def test_what_is_no_file_is_refused_at_once(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "picture.png"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(path))
    else:
        path = Path("/dev/null" if kind == "device" else "/dev/zero")
    with pytest.raises(
        ImageError,
        match=rf"{path} cannot be read \(it is a {kind.split()[-1] if kind != 'pipe' else 'named pipe'}",
    ):
        open_image(path)


def test_an_eps_file_under_a_pictures_name_starts_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    called = tmp_path / "called"
    ghostscript = tmp_path / "gs"
    ghostscript.write_text(f"#!/bin/sh\ntouch {called}\n")
    ghostscript.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr("PIL.EpsImagePlugin.gs_binary", None)
    path = tmp_path / "photo.png"
    path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n%%EOF\n")
    with pytest.raises(
        ImageError, match=r"photo\.png is of the kind EPS, which is not read \(read are PNG, JPEG"
    ):
        open_image(path)
    assert not called.exists()


def test_the_first_frame_of_an_animation(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (3, 3), colour) for colour in (RED, (0, 0, 255))]
    pixels = written(tmp_path, frames[0], "a.gif", save_all=True, append_images=frames[1:])
    assert tuple(pixels[1, 1]) == RED


def test_cmyk_keeps_its_colours(tmp_path: Path) -> None:
    pixels = written(tmp_path, Image.new("CMYK", (2, 2), (0, 255, 255, 0)), "a.jpg")
    assert pixels[0, 0, 0] > 200
    assert pixels[0, 0, 1] < 60


@pytest.mark.parametrize("size", [(1, 1), (3000, 1), (1, 3000)])
def test_odd_sizes(tmp_path: Path, size: tuple[int, int]) -> None:
    assert written(tmp_path, Image.new("RGB", size)).shape == (size[1], size[0], 3)


def forged_size(path: Any, width: Any, height: Any) -> None:
    """A PNG of one pixel whose header claims more."""
    buffer = io.BytesIO()
    Image.new("1", (1, 1)).save(buffer, "PNG")
    data = bytearray(buffer.getvalue())
    data[16:24] = struct.pack(">II", width, height)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    path.write_bytes(bytes(data))


def test_a_huge_picture_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    forged_size(tmp_path / "bomb.png", 20_000, 20_000)
    with pytest.raises(ImageError, match=r"bomb\.png.*smaller"):
        open_image(tmp_path / "bomb.png")
    forged_size(tmp_path / "large.png", 9000, 9000)
    with pytest.raises(ImageError, match="9000 x 9000 pixels, over the limit of 64,000,000"):
        open_image(tmp_path / "large.png")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "does not exist"),
        (lambda path: path.mkdir(), "is a folder"),
        (lambda path: path.write_bytes(b""), "it is empty"),
        (lambda path: path.write_text("<svg/>"), "is of the kind SVG"),
    ],
)
def test_what_is_no_picture_gets_one_sentence(tmp_path: Path, make: Any, message: str) -> None:
    make(tmp_path / "a.png")
    with pytest.raises(ImageError, match=message) as caught:
        open_image(tmp_path / "a.png")
    assert "\n" not in str(caught.value)


def problem(path: Any) -> str:
    """What is wrong with a picture, in its error's words; nothing if it can be read."""
    try:
        open_image(path, max_pixels=10**6)
    except ImageError as error:
        return str(error)
    return ""


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(st.sampled_from(["PNG", "JPEG", "GIF", "TIFF", "WEBP", "BMP", "PPM", "TGA", "ICO"]), st.data())
def test_damaged_files_give_pixels_or_one_sentence(tmp_path: Path, kind: str, data: st.DataObject) -> None:
    buffer = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(buffer, kind)
    damaged = bytearray(buffer.getvalue())
    for place in data.draw(st.lists(st.integers(0, len(damaged) - 1), max_size=6)):
        damaged[place] = data.draw(st.integers(0, 255))
    stop = data.draw(st.integers(0, len(damaged)))
    path = tmp_path / "damaged"
    path.write_bytes(bytes(damaged[:stop]))
    assert "\n" not in problem(path)


def test_a_plain_picture_is_exact(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 6, 3), dtype=np.uint8)
    assert (open_image(save(tmp_path / "a.png", pixels)) == pixels).all()
