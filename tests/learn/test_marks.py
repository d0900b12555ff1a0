"""Marks: what is marked, where it must lie, and that the same marks are the same example."""

from __future__ import annotations

import numpy as np
import pytest

from freeda_learn.errors import MarkError, OptionError
from freeda_learn.examples import Example, class_name, example_seed
from freeda_learn.marks import Marks


def test_something_must_be_marked() -> None:
    with pytest.raises(MarkError, match="nothing is marked"):
        Marks()
    with pytest.raises(MarkError, match="nothing is marked"):
        Marks(not_at=((1, 2),))


@pytest.mark.parametrize(
    ("marks", "message"),
    [
        (Marks(at=((48, 0),)), r"the point 48,0 is outside .* 48 x 32 pixels; give a column from 0 to 47"),
        (Marks(at=((0, 0),), not_at=((0, 32),)), "the point 0,32 is outside"),
        (Marks(boxes=((4, 4, 4, 9),)), "the box 4,4,4,9 is none"),
        (Marks(boxes=((4, 4, 48, 9),)), "the box 4,4,48,9 is none"),
    ],
)
def test_marks_lie_in_the_picture(marks: Marks, message: str) -> None:
    with pytest.raises(MarkError, match=message):
        marks.check_inside((32, 48))


def test_an_example_is_named_by_picture_marks_and_class() -> None:
    mask = np.eye(4, dtype=np.bool_)
    every = [
        Marks(at=((1, 2),)),
        Marks(at=((2, 1),)),
        Marks(at=((1, 2),), not_at=((0, 0),)),
        Marks(boxes=((0, 0, 2, 2),)),
        Marks(mask_hw=mask),
        Marks(mask_hw=~mask),
        Marks(mask_hw=mask, ignored_hw=~mask),
        Marks(mask_hw=np.eye(4, dtype=np.bool_).reshape(2, 8)),
        Marks(whole=True),
    ]
    image = np.zeros((4, 4, 3), dtype=np.uint8)
    seeds = {
        example_seed(Example(image, name, marks), digest)
        for name in "ab"
        for digest in "cd"
        for marks in every
    }
    assert len(seeds) == 4 * len(every)
    assert all(0 <= seed < 2**63 for seed in seeds)
    again = Example(image, "a", Marks(mask_hw=mask.copy()), annotation="7", source="mine")
    assert example_seed(again, "c") in seeds


@pytest.mark.parametrize(
    ("given", "name"), [("Fork  Lift", "fork lift"), ("traffic_light", "traffic light"), ("Bär", "bär")]
)
def test_names_are_written_as_banks_write_them(given: str, name: str) -> None:
    assert class_name(given) == name


@pytest.mark.parametrize("given", ["", " _ ", "a,b", "a|b", "#a", "x" * 61, "a\x00b"])
def test_names_that_no_list_could_name_are_refused(given: str) -> None:
    with pytest.raises(OptionError, match="cannot be the name of a class"):
        class_name(given)
