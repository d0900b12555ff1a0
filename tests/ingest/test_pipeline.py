from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from ingest_fakes import COLOURS, FakeGenerator, fake_models
from presence import present
from rounding import assert_near

from freeda_ingest.batches import BatchResult, SeededCaption
from freeda_ingest.errors import ModelOutputError
from freeda_ingest.identity import caption_seed, run_key
from freeda_ingest.masks import DropReason, MaskSettings
from freeda_ingest.pipeline import process_batch
from freeda_ingest.settings import DEFAULT_SETTINGS, StageSettings
from freeda_models.protocols import GeneratedImage, GenerationRequest
from freeda_store.records import Caption


def seeded(text: str, *, stored: bool = False) -> SeededCaption:
    return SeededCaption(Caption(text), caption_seed(Caption(text), 0), stored)


def run(*texts: str, settings: StageSettings = DEFAULT_SETTINGS) -> BatchResult:
    return process_batch(fake_models(), settings, [seeded(text) for text in texts])


def test_prototypes_have_the_colour_of_their_noun() -> None:
    result = run("a car and a tree", "a boat")
    made = [(p, c.caption.text) for c in result.generations for p in c.prototypes]
    assert [(p.noun, text) for p, text in made] == [
        ("car", "a car and a tree"),
        ("tree", "a car and a tree"),
        ("boat", "a boat"),
    ]
    for prototype, text in made:
        assert text[slice(*prototype.span)] == prototype.noun
        shade = prototype.visual[:3] * 255
        nearest = min(COLOURS, key=lambda word: float(np.abs(shade - COLOURS[word]).sum()))
        assert nearest == prototype.noun
        assert np.linalg.norm(present(prototype.text_key)) == pytest.approx(1, abs=1e-5)
        assert prototype.scores.contrast > 3
        assert 0.02 < prototype.scores.area < 0.2
        assert prototype.scores.clip_agreement > 0.5
        assert prototype.attribution_hw is not None
        assert prototype.attribution_hw.dtype == np.uint8
        assert prototype.attribution_hw.max() == 255


def test_a_phrase_shares_the_mask_of_its_head_and_keeps_its_own_span_and_key() -> None:
    [generation] = run("a red car").generations
    car, red_car = generation.prototypes
    assert (car.noun, car.kind, red_car.noun, red_car.kind) == ("car", "noun", "red car", "phrase")
    assert (car.span, red_car.span) == ((6, 9), (2, 9))
    assert_near(red_car.visual, car.visual)
    assert np.abs(present(car.text_key) - present(red_car.text_key)).max() > 0.01


def test_the_same_noun_twice_gives_two_prototypes() -> None:
    [generation] = run("a car beside a car").generations
    assert [(p.noun, p.span) for p in generation.prototypes] == [("car", (2, 5)), ("car", (15, 18))]


def test_captions_without_nouns_are_not_drawn() -> None:
    models = fake_models()
    result = process_batch(models, DEFAULT_SETTINGS, [seeded("nothing"), seeded("a cat")])
    assert [caption.text for caption in result.without_nouns] == ["nothing"]
    assert isinstance(models.generator, FakeGenerator)
    assert models.generator.batches == [("a cat",)]
    assert process_batch(models, DEFAULT_SETTINGS, [seeded("nothing")]).generations == ()
    assert len(models.generator.batches) == 1


def test_a_caption_whose_nouns_are_all_dropped_is_kept_so_that_it_is_not_drawn_again() -> None:
    result = run("a ghost")
    [generation] = result.generations
    assert generation.prototypes == ()
    assert result.dropped == {DropReason.FLAT_MAP: 1}


def test_nouns_beyond_the_window_are_dropped_and_noted_and_the_others_kept() -> None:
    result = run("a car " + "and so on " * 14 + "with a tree and an old boat")
    [generation] = result.generations
    assert [prototype.noun for prototype in generation.prototypes] == ["car"]
    assert generation.notes == ("beyond the text encoder's window: tree, boat, old boat",)
    assert result.dropped == {DropReason.OUTSIDE_WINDOW: 3}


def test_stored_captions_are_drawn_along_but_not_given_back() -> None:
    texts = ("a car", "a tree and a ghost", "a boat")
    whole = run(*texts)
    batch = [seeded(texts[0]), seeded(texts[1], stored=True), seeded(texts[2])]
    result = process_batch(fake_models(), DEFAULT_SETTINGS, batch)
    assert result.dropped == {}
    assert [g.caption.text for g in result.generations] == ["a car", "a boat"]
    for again, first in zip(result.generations, whole.generations[::2], strict=True):
        assert_near(again.prototypes[0].visual, first.prototypes[0].visual)


def test_only_stored_captions_and_some_without_nouns_draw_nothing() -> None:
    models = fake_models()
    result = process_batch(models, DEFAULT_SETTINGS, [seeded("a car", stored=True), seeded("nothing")])
    assert result.generations == ()
    assert isinstance(models.generator, FakeGenerator)
    assert models.generator.batches == []


def test_unknown_nouns_are_counted() -> None:
    settings = replace(
        DEFAULT_SETTINGS, find_unknown=lambda nouns: [n for n in nouns if n in ("cat", "old cat")]
    )
    assert run("a cat, an old cat and a car", settings=settings).unknown == {"cat": 2}


def test_broken_features_and_keys_are_dropped_and_named() -> None:
    models = fake_models()

    class Broken:
        identity = models.backbone.identity
        grid_hw = models.backbone.grid_hw
        value = np.float32(np.nan)

        def encode(self, images_bhwc: np.ndarray) -> np.ndarray:
            features = models.backbone.encode(images_bhwc)
            features[0] = self.value
            return features

    broken = Broken()
    for value, reason in (
        (np.nan, DropReason.NON_FINITE_FEATURES),
        (0, DropReason.EMPTY_VECTOR),
        (1e6, DropReason.HUGE_FEATURES),
    ):
        broken.value = np.float32(value)
        result = process_batch(
            replace(models, backbone=broken), DEFAULT_SETTINGS, [seeded("a car"), seeded("a tree")]
        )
        assert [len(g.prototypes) for g in result.generations] == [0, 1]
        assert result.dropped == {reason: 1}

    class BrokenKeys:
        identity = models.keys.identity

        def encode_texts(self, texts: list[str]) -> np.ndarray:
            rows = models.keys.encode_texts(texts)
            rows[["car" in text for text in texts]] = np.nan
            return rows

        encode_spans = None

    result = process_batch(
        replace(models, keys=BrokenKeys()),  # type: ignore[arg-type]
        replace(DEFAULT_SETTINGS, key_strategy="noun_and_caption"),
        [seeded("a car"), seeded("a tree")],
    )
    assert result.dropped == {DropReason.NON_FINITE_KEY: 1}


def test_a_generator_that_forgets_a_map_is_named() -> None:
    models = fake_models()

    class Forgetful:
        identity = models.generator.identity

        def generate(self, requests: Sequence[GenerationRequest]) -> list[GeneratedImage]:
            return [
                replace(p, attribution_shw=p.attribution_shw[:0]) for p in models.generator.generate(requests)
            ]

    with pytest.raises(ModelOutputError, match="fake-generator gave maps"):
        process_batch(replace(models, generator=Forgetful()), DEFAULT_SETTINGS, [seeded("a car")])


def test_gates_count_what_they_stop() -> None:
    settings = replace(DEFAULT_SETTINGS, mask=MaskSettings(min_area=0.9))
    assert run("a car and a tree", settings=settings).dropped == {DropReason.TOO_SMALL: 2}


def test_every_stage_is_timed() -> None:
    assert list(run("a car").seconds) == [
        "load",
        "nouns",
        "generate",
        "features",
        "masks",
        "prototypes",
        "keys",
        "scores",
    ]


def test_seeds_and_run_keys_stay_the_same_for_ever() -> None:
    caption = Caption("a red car", "7", "coco", license="x", extra={"a": 1})
    assert caption_seed(caption, 0) == 1663725987
    assert caption_seed(replace(caption, license="y", extra={}), 0) == caption_seed(caption, 0)
    seeds = {
        caption_seed(changed, base)
        for changed in (caption, replace(caption, external_id="8"), replace(caption, source=""))
        for base in (0, 1)
    }
    assert len(seeds) == 6
    assert all(0 <= seed < 2**31 for seed in seeds)
    assert run_key([caption], 0) == "739c272117f77f0e89ef382b57ac4361cd8df1a8e38d8f63b0cf02ecab083c40"
    assert run_key([caption], 0) != run_key([caption], 1)
