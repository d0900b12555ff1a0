"""Pictures of which nobody said what they show: their regions enter the bank without a word."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from learn_fakes import THING, make_learner, scene, thing_mask
from PIL import Image

from freeda_errors import FreedaError
from freeda_learn import Example, Learner, LearnOptions, Marks, RegionLimits, UnlabelledPicture
from freeda_segment.regions.providers import GivenRegions
from freeda_store import Bank, parse_filter


def infos(bank: Bank, *where: str) -> list[Any]:
    return list(bank.infos(parse_filter(where)))


def test_regions_have_a_look_a_view_and_no_word(learner: Learner, photo: Path) -> None:
    picture = UnlabelledPicture(photo, source="yard", license="CC0", url="https://x.org/1")
    report = learner.learn_unlabelled([picture], LearnOptions(by="anna"))
    assert (report.learned, report.rejected) == ({"": 1}, 0)
    assert report.revision is not None
    assert report.revision.message == "regions of 1 picture"
    found = sorted(infos(learner.bank, "origin=unlabelled"), key=lambda info: info.part)
    assert [info.part for info in found] == [1, 2]
    assert {(info.noun, info.kind, info.span, info.caption) for info in found} == {
        ("", "region", (0, 0), "regions of photo.png")
    }
    assert {(info.source, info.license, info.url) for info in found} == {("yard", "CC0", "https://x.org/1")}
    ground, thing = found
    assert thing.scores.area == pytest.approx(256 / (32 * 48), abs=0.05)
    assert ground.scores.area + thing.scores.area == pytest.approx(1)
    vectors = learner.bank.vectors([ground.id, thing.id])
    assert not vectors.text_keys.any()
    np.testing.assert_allclose(np.linalg.norm(vectors.semantics, axis=1), 1, atol=1e-2)
    shown = np.asarray(learner.bank.thumbnail(thing.attribution_key).convert("L")) > 127
    assert (shown & thing_mask()).sum() / (shown | thing_mask()).sum() > 0.9
    assert learner.bank.verify().ok
    assert learner.bank.stats().unlabelled == 2
    assert learner.bank.stats().nouns == 0


def test_what_looks_like_them_finds_them(learner: Learner, photo: Path) -> None:
    learner.learn_unlabelled([photo])
    (thing,) = infos(learner.bank, "part=2")
    (own,) = learner.bank.vectors([thing.id]).visuals[None]
    found = learner.bank.neighbours(own, 2)
    assert found.ids[found.rows[0, 0]] == thing.id
    assert found.similarities[0, 0] == pytest.approx(1, abs=1e-3)
    (by_text,) = learner.bank.nearest(np.ones((1, learner.bank.manifest.sizes.text), np.float32), 5)
    assert by_text.ids == ()


def test_the_same_picture_again_changes_nothing(learner: Learner, photo: Path, tmp_path: Path) -> None:
    learner.learn_unlabelled([photo, photo])
    shutil.copy(photo, tmp_path / "renamed.png")
    for limits in (RegionLimits(), RegionLimits(min_share=0.2, most=1)):
        report = learner.learn_unlabelled([photo, tmp_path / "renamed.png"], limits=limits)
        assert (report.done_before, report.prototypes, report.revision) == (2, 0, None)
    report = learner.learn([Example(photo, "box", Marks(mask_hw=thing_mask()))])
    assert report.learned == {"box": 1}


def test_limits_leave_small_and_many_regions_out(tmp_path: Path, photo: Path) -> None:
    for limits, areas in (
        (RegionLimits(most=1), 1),
        (RegionLimits(min_share=0.5), 1),
        (RegionLimits(min_share=0.001), 2),
    ):
        with make_learner(tmp_path / f"{limits.most} {limits.min_share}") as learner:
            learner.learn_unlabelled([photo], limits=limits)
            found = infos(learner.bank, "kind=region")
            assert len(found) == areas
            assert max(info.scores.area for info in found) > 0.5
    with make_learner(tmp_path / "none") as learner:
        report = learner.learn_unlabelled([photo], limits=RegionLimits(min_share=1.0))
        assert (report.rejected, report.revision) == (1, None)
        assert "no region" in report.first_rejected[0].reason


@pytest.mark.parametrize(("share", "most"), [(0.0, 1), (1.5, 1), (float("nan"), 1), (0.5, 0)])
def test_limits_that_are_none(share: float, most: int) -> None:
    with pytest.raises(FreedaError, match="expected"):
        RegionLimits(share, most)


def test_broken_pictures_are_named_and_the_others_go_on(
    learner: Learner, photo: Path, tmp_path: Path
) -> None:
    (tmp_path / "broken.png").write_bytes(b"no picture")
    report = learner.learn_unlabelled([tmp_path / "missing.png", tmp_path / "broken.png", photo])
    assert (report.rejected, report.learned, report.examples) == (2, {"": 1}, 3)
    assert [Path(each.place).name for each in report.first_rejected] == ["missing.png", "broken.png"]


def test_no_thumbnails_leaves_no_picture_behind(tmp_path: Path, photo: Path) -> None:
    with make_learner(tmp_path / "bank") as learner:
        learner.learn_unlabelled([photo], LearnOptions(thumbnails=False))
        assert learner.bank.verify().ok
    assert not list((tmp_path / "bank" / "thumbnails").rglob("*.webp"))


def test_proposals_are_taken_as_they_are_and_the_rest_is_left_out(tmp_path: Path) -> None:
    image = scene("red", "green")
    labels = np.full((32, 48), -1, dtype=np.int32)
    labels[THING] = 7
    with make_learner(tmp_path / "bank") as learner:
        learner._regions = GivenRegions(labels)
        learner.learn_unlabelled([image])
        (info,) = infos(learner.bank)
        assert info.scores.area == pytest.approx(256 / (32 * 48))
        assert info.caption == "regions of a picture"


def test_only_what_the_networks_see_becomes_a_prototype(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CLIP's view is all that such a region brings: without one there is nothing to keep."""
    with make_learner(tmp_path / "bank") as learner:
        clip = type(learner._models.clip)
        monkeypatch.setattr(clip, "encode_images", lambda self, crops: np.zeros((len(crops), 8), np.float32))
        report = learner.learn_unlabelled([scene("red", "green")])
        assert (report.rejected, report.revision) == (1, None)


def test_pictures_of_many_regions_share_a_batch_with_broken_ones(tmp_path: Path) -> None:
    paths = []
    for seed in range(5):
        paths.append(tmp_path / f"{seed}.png")
        Image.fromarray(scene("red", "green", noise=9, seed=seed)).save(paths[-1])
    paths[2].write_bytes(b"")
    with make_learner(tmp_path / "bank") as learner:
        report = learner.learn_unlabelled(iter(paths), LearnOptions(batch_size=3))
        assert (report.learned, report.rejected) == ({"": 4}, 1)
        assert len({info.seed for info in infos(learner.bank)}) == 4
        assert len(learner.bank.revisions()) == 1
