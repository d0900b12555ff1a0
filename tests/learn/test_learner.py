"""A run of examples: each once, bad ones named, one revision, nothing that was not asked for."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from learn_fakes import make_learner, scene, thing_mask
from PIL import Image
from segment_fakes import FakeBackbone, FakeClip, fake_manifest, small_settings

from freeda_learn import Example, Learner, LearnModels, LearnOptions, LearnProgress, Marks, disagreements
from freeda_segment import Segmenter
from freeda_store import Bank, parse_filter
from freeda_store.thumbnails.folder import encode_attribution

MASK = Marks(mask_hw=thing_mask())


def infos(bank: Bank, *where: str) -> list[Any]:
    return list(bank.infos(parse_filter(where)))


def test_an_example_becomes_prototypes_with_all_that_is_known_of_it(learner: Learner, photo: Path) -> None:
    example = Example(
        photo, "box", MASK, annotation="17", source="yard", license="CC0", url="https://x.org/1"
    )
    report = learner.learn([example], LearnOptions(by="anna"))
    assert report.learned == {"box": 1}
    assert report.revision is not None
    assert report.revision.message == "learn box"
    (whole,) = infos(learner.bank, "kind=example", "part=0")
    assert (whole.noun, whole.caption, whole.external_id) == ("box", "box in photo.png", "17")
    assert (whole.source, whole.license, whole.url) == ("yard", "CC0", "https://x.org/1")
    assert whole.origin == "learned"
    assert whole.scores.area == pytest.approx(256 / (32 * 48))
    rest = infos(learner.bank, "kind=rest")
    assert {each.noun for each in rest} == {"not box"}
    assert len(infos(learner.bank, "origin=learned")) == report.prototypes
    shown = np.asarray(learner.bank.thumbnail(whole.attribution_key).convert("L")) > 127
    assert (shown & thing_mask()).sum() / (shown | thing_mask()).sum() > 0.95
    assert (
        np.abs(
            np.asarray(learner.bank.thumbnail(whole.picture_key)) - scene("red", "green").astype(int)
        ).mean()
        < 9
    )
    assert learner.bank.verify().ok
    with learner.bank._stores.catalog.transaction() as connection:
        extra = connection.exec_driver_sql("SELECT extra FROM caption").scalar_one()
    digest = hashlib.sha256(photo.read_bytes()).hexdigest()
    assert all(told in extra for told in (digest, '"by": "anna"', '"file": "photo.png"'))


def test_the_same_again_changes_nothing_whatever_its_name(
    learner: Learner, photo: Path, tmp_path: Path
) -> None:
    learner.learn([Example(photo, "box", MASK)])
    shutil.copy(photo, tmp_path / "renamed.png")
    for picture in (photo, tmp_path / "renamed.png"):
        report = learner.learn([Example(picture, "box", MASK)])
        assert (report.done_before, report.prototypes, report.revision) == (1, 0, None)
    report = learner.learn([Example(photo, "crate", MASK), Example(photo, "crate", MASK)])
    assert (report.learned, report.done_before) == ({"crate": 1}, 1)


def test_bad_examples_are_named_and_the_others_go_on(learner: Learner, photo: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"no picture")
    small = Marks(mask_hw=np.ones((3, 3), dtype=np.bool_))
    report = learner.learn(
        [
            Example(tmp_path / "broken.png", "box", MASK),
            Example(photo, "box", small, annotation="3"),
            Example(photo, "box", Marks(mask_hw=np.zeros((32, 48), dtype=np.bool_)), annotation="4"),
            Example(photo, "box", Marks(at=((99, 0),))),
            Example(photo, "box", MASK),
        ]
    )
    assert (report.rejected, report.learned) == (4, {"box": 1})
    told = {each.place: each.reason for each in report.first_rejected}
    assert (
        "is no picture" in told[str(tmp_path / "broken.png")]
        or "broken.png" in told[str(tmp_path / "broken.png")]
    )
    assert "3 x 3 pixels" in told[f"{photo}, annotation 3"]
    assert "empty" in told[f"{photo}, annotation 4"]
    assert "99,0 is outside" in told[str(photo)]


def test_no_thumbnails_leaves_no_picture_behind(tmp_path: Path, photo: Path) -> None:
    with make_learner(tmp_path / "bank") as learner:
        learner.learn([Example(photo, "box", MASK)], LearnOptions(thumbnails=False))
        assert learner.bank.verify().ok
    assert not list((tmp_path / "bank" / "thumbnails").rglob("*.webp"))


def test_networks_are_asked_in_batches_and_each_picture_once(tmp_path: Path) -> None:
    calls: list[int] = []

    class Counting(FakeBackbone):
        def encode(self, images_bhwc: Any) -> Any:
            calls.append(len(images_bhwc))
            return super().encode(images_bhwc)

    bank = Bank.open(tmp_path / "bank", create=fake_manifest())
    models = LearnModels(Counting((8, 8)), FakeClip(), FakeClip())
    with Learner(bank, models, small_settings()) as learner:
        pictures = [scene("red", "green", noise=9, seed=seed) for seed in range(6)]
        examples = [Example(image, name, MASK) for image in pictures for name in ("box", "crate")]
        seen: list[LearnProgress] = []
        report = learner.learn(examples, LearnOptions(batch_size=6), seen.append)
    assert report.learned == {"box": 6, "crate": 6}
    assert sum(calls) == 6 * 2  # each picture is two windows
    assert len(calls) <= 4
    assert (seen[-1].done, seen[-1].total) == (12, 12)


def test_what_was_learned_is_found_again(tmp_path: Path, photo: Path) -> None:
    """Of a bank without a single caption: red is a box, green is a lawn, and blue is neither."""
    other = scene("blue", "green")
    with make_learner(tmp_path / "bank") as learner:
        learner.learn([Example(photo, "box", MASK), Example(photo, "lawn", Marks(mask_hw=~thing_mask()))])
        clip = FakeClip()
        segmenter = Segmenter(learner.bank, clip, FakeBackbone((32, 32)), clip, small_settings())
        result = segmenter.segment(scene("red", "green", noise=9), "lawn,box")
        assert (result.mask("box") == thing_mask()).mean() > 0.97
        assert (segmenter.segment(other, "lawn,box").mask("lawn") | thing_mask()).mean() > 0.97


def test_one_example_counts_beside_many_drawings(tmp_path: Path) -> None:
    """The bank drew boxes that are blue, twenty of them; one red box that was shown is enough."""
    from segment_fakes import colour_feature, word_vector

    from freeda_store import Caption, NewGeneration, NewPrototype, Scores

    with make_learner(tmp_path / "bank") as learner:
        with learner.bank.write("drawn", "drawn") as writer:
            for number in range(20):
                for noun, colour in (("box", (30, 40, 220)), ("lawn", (230, 220, 30))):
                    prototype = NewPrototype(
                        noun,
                        "noun",
                        (0, len(noun)),
                        word_vector(noun),
                        colour_feature(colour),
                        Scores(2, 0.2, 0.5, 0),
                        None,
                    )
                    writer.add([NewGeneration(Caption(f"{noun} {number}"), number, None, (prototype,))])
            writer.commit()
        clip = FakeClip()
        segmenter = Segmenter(learner.bank, clip, FakeBackbone((32, 32)), clip, small_settings(k=20))
        red, blue = scene("red", "yellow"), scene("blue", "yellow")
        before = segmenter.segment(red, "lawn,box").mask("box")[thing_mask()].mean()
        learner.learn([Example(scene("red", "yellow", noise=3), "box", MASK)])
        after = Segmenter(learner.bank, clip, FakeBackbone((32, 32)), clip, small_settings(k=20))
        assert after.segment(red, "lawn,box").mask("box")[thing_mask()].mean() > 0.97
        assert before < 0.5
        assert after.segment(blue, "lawn,box").mask("box")[thing_mask()].mean() > 0.97
        drawn = after.with_settings(where=parse_filter(["origin=generated"]))
        assert drawn.segment(red, "lawn,box").mask("box")[thing_mask()].mean() == before


def test_pictures_of_a_folder_keep_their_names(learner: Learner, tmp_path: Path) -> None:
    for seed in range(3):
        Image.fromarray(scene("red", "green", noise=5, seed=seed)).save(tmp_path / f"{seed}.png")
    learner.learn([Example(tmp_path / f"{seed}.png", "box", MASK) for seed in range(3)])
    captions = {each.caption for each in infos(learner.bank, "part=0", "kind=example")}
    assert captions == {f"box in {seed}.png" for seed in range(3)}


def test_an_example_that_disagrees_is_named(learner: Learner) -> None:
    red = [Example(scene("red", "green", noise=9, seed=seed), "box", MASK) for seed in range(3)]
    blue = [Example(scene("blue", "green", noise=9, seed=seed), "crate", MASK) for seed in range(3)]
    learner.learn([*red, *blue])
    assert disagreements(learner.bank, {"box", "crate"}) == []
    learner.learn([Example(scene("blue", "green", noise=9, seed=9), "box", MASK)])
    (odd,) = disagreements(learner.bank, {"box", "crate"})
    assert (odd.example.noun, odd.other) == ("box", "crate")
    assert odd.likeness > odd.own
    learner.bank.retire(parse_filter([f"seed={odd.example.seed}"]), "wrong")
    assert disagreements(learner.bank, {"box", "crate"}) == []
    assert len(infos(learner.bank, "kind=example", "part=0", "noun=box")) == 3


def test_a_single_example_disagrees_with_nobody(learner: Learner, photo: Path) -> None:
    learner.learn([Example(photo, "box", MASK)])
    assert disagreements(learner.bank, {"box"}) == []


def test_a_mask_is_encoded_once_for_all_its_prototypes(
    learner: Learner, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded: list[Any] = []
    as_before = encode_attribution

    def encode(attribution_hw: Any) -> bytes:
        encoded.append(attribution_hw)
        return as_before(attribution_hw)

    monkeypatch.setattr("freeda_store.writing.writer.encode_attribution", encode)
    monkeypatch.setattr("freeda_learn.prototypes.TOKENS_PER_PART", 2)
    report = learner.learn([Example(scene("red", "green", noise=60), "box", MASK)])
    assert report.prototypes > 2
    assert len(encoded) == 2
    assert len({info.attribution_key for info in learner.bank.infos()}) == 2
