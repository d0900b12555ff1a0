"""Pictures and masks are turned once, by one rule."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from learn_fakes import THING, scene, thing_mask
from PIL import Image

from freeda_learn.errors import MarkError
from freeda_learn.pictures import load_picture, read_mask
from freeda_segment.errors import ImageError
from freeda_segment.images import upright_size


def turned(path: Path, orientation: int) -> Path:
    """A picture that is upright only when EXIF's orientation is followed."""
    back = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}
    picture = Image.fromarray(scene("red", "green")).transpose(back[orientation])
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture.save(path, exif=exif)
    return path


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_a_picture_is_upright_and_so_is_its_mask(tmp_path: Path, orientation: int) -> None:
    picture = load_picture(turned(tmp_path / "p.png", orientation))
    assert picture.size_hw == (32, 48)
    np.testing.assert_array_equal(picture.pixels, scene("red", "green"))
    np.testing.assert_array_equal(picture.upright_mask(thing_mask()), thing_mask())


@pytest.mark.parametrize("kind", ["png", "jpg", "tif"])
@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_the_size_by_the_header_is_that_of_the_picture(tmp_path: Path, kind: str, orientation: int) -> None:
    path = turned(tmp_path / f"p.{kind}", orientation)
    assert upright_size(path) == load_picture(path).size_hw == (32, 48)


@pytest.mark.parametrize(("orientation", "turns"), [(6, 1), (8, -1)])
def test_a_mask_of_the_stored_picture_is_turned_with_it(tmp_path: Path, orientation: int, turns: int) -> None:
    picture = load_picture(turned(tmp_path / "p.png", orientation))
    stored = np.rot90(thing_mask(), turns)
    assert stored.shape == picture.stored.pixels.shape[:2]
    np.testing.assert_array_equal(picture.upright_mask(stored), thing_mask())


def test_a_mask_of_another_size_is_refused(photo: Path) -> None:
    with pytest.raises(MarkError, match="the mask has 9 x 7 pixels and the picture 48 x 32"):
        load_picture(photo).upright_mask(np.ones((7, 9), dtype=np.bool_))


def test_the_same_file_under_another_name_has_the_same_hash(photo: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.png"
    copy.write_bytes(photo.read_bytes())
    assert load_picture(photo).digest == load_picture(copy).digest
    Image.fromarray(scene("blue", "green")).save(copy)
    assert load_picture(photo).digest != load_picture(copy).digest


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA", "I;16"])
def test_a_mask_is_what_is_not_black(tmp_path: Path, mode: str) -> None:
    mask = thing_mask()
    if mode == "I;16":
        picture = Image.fromarray(mask.astype(np.uint16) * 300)
    elif mode == "P":
        picture = Image.fromarray(mask.astype(np.uint8), mode="P")
        picture.putpalette([0, 0, 0, 0, 0, 0])
    else:
        picture = Image.fromarray(mask.astype(np.uint8) * 255).convert(mode)
    picture.save(tmp_path / "mask.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.png"), mask)


def test_what_is_transparent_is_outside(tmp_path: Path) -> None:
    rgba = np.full((*thing_mask().shape, 4), 255, dtype=np.uint8)
    rgba[..., 3] = 0
    rgba[(*THING, 3)] = 255
    Image.fromarray(rgba).save(tmp_path / "mask.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.png"), thing_mask())


def test_unreadable_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"\x89PNG broken")
    for name in ("gone.png", "broken.png"):
        for read in (lambda path: load_picture(path).pixels, read_mask):
            with pytest.raises(ImageError, match=name):
                read(tmp_path / name)
