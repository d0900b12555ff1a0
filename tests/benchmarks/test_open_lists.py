"""What the table of open lists counts."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "segment"))

from segment_fakes import COLOURS, FakeBackbone, FakeClip, FullBank, small_settings, striped_picture

from benchmarks import open_lists
from benchmarks.open_lists import SeenScenes, some_lists
from freeda_segment.evaluation.datasets import Scenes
from freeda_segment.segmenter import Segmenter

NAMES = tuple(COLOURS)


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Two pictures of three stripes; the last stripe is of nothing that is counted."""
    monkeypatch.setattr(open_lists, "CLASS_NAMES", NAMES)
    pictures = [
        striped_picture(names, 32, 96) for names in (("red", "green", "blue"), ("blue", "red", "red"))
    ]
    labels = [
        np.repeat([[NAMES.index(name) for name in names]], 32, axis=0).repeat(32, axis=1)
        for names in (("red", "green", "blue"), ("blue", "red", "red"))
    ]
    labels[0][:, 64:] = 255
    scenes = Scenes(np.stack(pictures), np.stack(labels).astype(np.uint8), NAMES, ("", ""))
    settings = small_settings(alpha=1.0)
    return SeenScenes(Segmenter(FullBank(), FakeClip(), FakeBackbone(), settings=settings), scenes)


def test_other_is_what_the_list_leaves_out(seen: Any) -> None:
    worth = seen.worth([NAMES.index("green")])
    assert worth["none"].named == pytest.approx(1 / 2, abs=0.02), "the picture without green does not count"
    assert worth["none"].other == 0
    assert worth["bank"].named == pytest.approx(1, abs=0.05)
    assert worth["bank"].other == pytest.approx(1, abs=0.05)
    assert str(worth["none"]).endswith("/ 0.000")


def test_the_best_threshold_is_at_least_as_good_as_the_usual_one(seen: Any) -> None:
    worth = seen.worth([0, 1])
    assert worth["constant, best"].named >= worth["constant 0.5"].named
    assert seen.worth([NAMES.index("yellow")]) == {}


def test_lists_are_drawn_once_for_all() -> None:
    assert some_lists(1, 3) == [[index] for index in range(22)]
    assert some_lists(22, 3) == [list(range(22))]
    three = some_lists(3, 4)
    assert three == some_lists(3, 4)
    assert [len(set(each)) for each in three] == [3] * 4
