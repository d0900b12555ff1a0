"""Points and boxes find the thing that stands there."""

from __future__ import annotations

import numpy as np
import pytest
from learn_fakes import scene, thing_mask
from numpy.typing import NDArray
from segment_fakes import FakeBackbone, small_settings

from freeda_learn.errors import MarkError
from freeda_learn.finding import Found, SuperpixelFinder, find
from freeda_learn.marks import Marks
from freeda_learn.pictures import load_picture
from freeda_learn.prototypes import pool_example
from freeda_learn.seeing import SeenPicture, see
from freeda_models.protocols import BoolArray
from freeda_segment.regions.superpixels import parse_superpixels

FINDER = SuperpixelFinder(small_settings().superpixels)


def look(image: NDArray[np.uint8]) -> SeenPicture:
    """The picture, as a backbone with fine patches sees it."""
    return see([load_picture(image)], FakeBackbone((32, 32)), small_settings())[0]


def overlap(found: BoolArray, truth: BoolArray) -> float:
    return float((found & truth).sum() / (found | truth).sum())


@pytest.mark.parametrize(
    "marks",
    [
        Marks(at=((12, 12),)),
        Marks(boxes=((5, 5, 27, 26),)),
        Marks(at=((12, 12), (20, 20))),
        Marks(at=((40, 28), (12, 12)), not_at=((40, 4),)),
        Marks(mask_hw=thing_mask()),
    ],
    ids=["point", "box", "points", "not at", "mask"],
)
def test_marks_mean_the_thing(marks: Marks) -> None:
    seen = look(scene("red", "green", noise=12))
    assert overlap(find(seen, marks, FINDER).mask_hw, thing_mask()) > 0.9


def test_a_whole_picture_is_all_of_it() -> None:
    assert find(look(scene("red", "green")), Marks(whole=True), FINDER).mask_hw.all()


def test_what_is_refused_is_kept_apart() -> None:
    found = find(look(scene("red", "green")), Marks(whole=True, not_at=((12, 12),)), FINDER)
    assert overlap(found.not_hw, thing_mask()) > 0.9
    assert not (found.mask_hw & found.not_hw).any()


def test_nothing_left_is_refused() -> None:
    seen = look(scene("red", "green"))
    with pytest.raises(MarkError, match="nothing is left of the region"):
        find(seen, Marks(at=((12, 12),), not_at=((14, 14),)), FINDER)
    with pytest.raises(MarkError, match="its mask is empty"):
        find(seen, Marks(mask_hw=np.zeros((32, 48), dtype=np.bool_)), FINDER)


def test_superpixels_that_are_none_leave_the_pixel() -> None:
    finder = SuperpixelFinder(parse_superpixels("none", {}))
    seen = look(scene("red", "green"))
    assert find(seen, Marks(at=((12, 12),)), finder).mask_hw.sum() == 1
    assert find(seen, Marks(boxes=((8, 8, 23, 23),)), finder).mask_hw.sum() == 256


def test_prototypes_are_means_of_what_is_marked_and_what_is_not() -> None:
    image = scene("red", "green")
    image[8:24, 16:24] = (30, 40, 220)  # half of the thing is blue
    seen = look(image)
    nothing = np.zeros((32, 48), dtype=np.bool_)
    made = pool_example(seen, Found(thing_mask(), nothing, nothing))

    def near(colour: tuple[int, int, int], rows: NDArray[np.float32]) -> float:
        feature = (np.asarray(colour) - 127.5) / 127.5
        return float(min((np.abs(row - feature).max() for row in rows), default=9))

    assert near((125, 35, 125), made.whole[None]) < 0.05
    assert near((220, 30, 30), made.parts) < 0.01
    assert near((30, 40, 220), made.parts) < 0.01
    assert len(made.parts) <= 10
    assert near((30, 200, 40), made.rest) < 0.01
    assert near((220, 30, 30), made.rest) > 0.5
    assert made.area == pytest.approx(256 / (32 * 48))


def test_another_thing_of_the_kind_is_no_rest() -> None:
    image = scene("red", "green")
    image[8:24, 32:44] = image[12, 12]
    nothing = np.zeros((32, 48), dtype=np.bool_)
    made = pool_example(look(image), Found(thing_mask(), nothing, nothing))
    red = (np.asarray((220, 30, 30)) - 127.5) / 127.5
    assert len(made.rest)
    assert all(np.abs(row - red).max() > 0.3 for row in made.rest)
