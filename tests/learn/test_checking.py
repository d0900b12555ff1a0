"""What learning changed in pictures: the share of pixels, from where to where, and broken ones told of."""

from __future__ import annotations

from pathlib import Path

import pytest
from learn_fakes import make_learner, scene, thing_mask
from PIL import Image

from freeda_learn import Example, Learner, Marks
from freeda_learn.checking import CheckedPicture, View, check_pictures, names_to_check
from freeda_learn.examples import Rejected
from freeda_store import Bank, Filter

MASK = Marks(mask_hw=thing_mask())


@pytest.fixture
def taught(learner: Learner, photo: Path, tmp_path: Path) -> Learner:
    """First grass, which is all there is; then the box on it."""
    ground = tmp_path / "ground.png"
    Image.fromarray(scene("green", "green")).save(ground)
    learner.learn([Example(ground, "grass", Marks(whole=True))])
    learner.learn([Example(photo, "box", MASK)])
    return learner


def test_pixels_that_have_another_label_are_counted(taught: Learner, photo: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"no picture")
    told: list[tuple[int, int]] = []
    with Bank.read(f"{taught.bank.address}@1") as earlier:
        photo_now, ground_now, broken = check_pictures(
            View(taught.segmenter(earlier), ("grass",)),
            View(taught.segmenter(taught.bank), ("box", "grass")),
            [photo, tmp_path / "ground.png", tmp_path / "broken.png"],
            lambda done, failed: told.append((done, failed)),
        )
    assert isinstance(photo_now, CheckedPicture)
    assert photo_now.changed == pytest.approx(thing_mask().mean(), abs=0.02)
    assert photo_now.moves[0].after == "box"
    assert photo_now.moves[0].area == pytest.approx(photo_now.changed, abs=0.02)
    assert ground_now == CheckedPicture(tmp_path / "ground.png", 0.0, ())
    assert isinstance(broken, Rejected)
    assert "broken.png" in broken.place
    assert told == [(1, 0), (2, 0), (3, 1)]


def test_before_the_first_revision_nothing_had_a_class(taught: Learner, photo: Path) -> None:
    (now,) = check_pictures(None, View(taught.segmenter(taught.bank), ("box", "grass")), [photo])
    assert isinstance(now, CheckedPicture)
    assert now.changed == pytest.approx(1.0)
    assert (now.moves[0].before, now.moves[0].after) == ("other", "grass")
    assert now.moves[0].area == pytest.approx(1 - thing_mask().mean(), abs=0.02)


def test_names_learned_come_first_and_only_those_that_are_held(taught: Learner) -> None:
    assert names_to_check(["box"], taught.bank, Filter()) == ("box", "grass")
    with Bank.read(f"{taught.bank.address}@1") as earlier:
        assert names_to_check(["box"], earlier, Filter()) == ("grass",)


def test_learner_and_segmenter_share_their_networks(tmp_path: Path) -> None:
    with make_learner(tmp_path / "bank") as learner:
        made = learner.segmenter(learner.bank)
        assert made.settings == learner._settings
        assert made._backbone is learner._models.backbone
