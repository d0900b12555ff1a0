"""Text keys: each strategy against its definition, and what repeats is embedded once."""

from __future__ import annotations

import hashlib
from typing import Any, get_args

import numpy as np
import pytest
from rounding import assert_near

from freeda_models.errors import InputError, PresetError
from freeda_models.presets import ClipSettings, KeySettings
from freeda_models.protocols import ModelIdentity, Noun, NounKind
from freeda_models.text.keys import (
    STRATEGIES,
    TEMPLATE_SETS,
    PromptMean,
    Prompts,
    embed_classes,
    embed_nouns,
    prompts_named,
)
from freeda_store.records import FloatArray


class CountingEncoder:
    """Unit vectors drawn from a text's hash; counts what it is asked."""

    identity = ModelIdentity("fake", "", "", 8, "")

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.spans: list[tuple[str, tuple[int, int]]] = []

    @staticmethod
    def vector(text: str) -> np.ndarray:
        seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
        row = np.random.default_rng(seed).normal(size=8).astype(np.float32)
        return row / np.linalg.norm(row)

    def encode_texts(self, texts: Any) -> FloatArray:
        self.texts += texts
        return np.stack([self.vector(text) for text in texts])

    def encode_texts_raw(self, texts: Any) -> FloatArray:
        return np.stack([self.vector(text) * len(text) for text in texts])

    def encode_spans(self, texts: Any, spans: Any) -> FloatArray:
        self.spans += list(zip(texts, spans, strict=True))
        return np.stack([self.vector(f"{text}|{span}") for text, span in zip(texts, spans, strict=True)])


def noun(key: str, span: tuple[int, int] = (0, 1)) -> Noun:
    return Noun(key, span, NounKind.NOUN)


def unit(row: np.ndarray) -> np.ndarray:
    made: np.ndarray = row / np.linalg.norm(row)
    return made


def test_classes_are_the_mean_over_templates_and_embedded_once() -> None:
    encoder = CountingEncoder()
    templates = TEMPLATE_SETS["openai_subset"].templates
    got = embed_classes(encoder, ["car", "sky", "car"], TEMPLATE_SETS["openai_subset"])
    prompts = [template.replace("{}", "car") for template in templates]
    expected = unit(np.mean([CountingEncoder.vector(prompt) for prompt in prompts], axis=0))
    np.testing.assert_allclose(got[0], expected, atol=1e-6)
    np.testing.assert_array_equal(got[0], got[2])
    assert len(encoder.texts) == 2 * len(templates)
    assert got.dtype == np.float32


def test_many_classes_keep_their_order() -> None:
    names = [f"class {i} {{x}}" for i in range(300)]
    got = embed_classes(CountingEncoder(), names, Prompts(("a {}",)))
    expected = [CountingEncoder.vector(f"a {name}") for name in names]
    np.testing.assert_allclose(got, expected, atol=1e-6)


def test_the_raw_mean_is_over_embeddings_as_the_encoder_gives_them() -> None:
    templates = ("a {}.", "a picture of the {}.")
    got = embed_classes(CountingEncoder(), ["car"], Prompts(templates, PromptMean.RAW))
    prompts = [template.replace("{}", "car") for template in templates]
    raw = [CountingEncoder.vector(prompt) * len(prompt) for prompt in prompts]
    np.testing.assert_allclose(got[0], unit(np.mean(raw, axis=0)), atol=1e-6)
    each_first = embed_classes(CountingEncoder(), ["car"], Prompts(templates))
    assert np.abs(got - each_first).max() > 1e-3


def test_the_authors_prompts_differ_from_the_default_in_the_mean_alone() -> None:
    ours, theirs = prompts_named("openai_subset"), prompts_named("openai_subset_raw")
    assert (ours.mean, theirs.mean) == (PromptMean.UNIT, PromptMean.RAW)
    assert ours.templates == theirs.templates
    with pytest.raises(
        PresetError, match="unknown set of prompt templates 'mine'; this version knows openai"
    ):
        prompts_named("mine")


def test_template_mean_ignores_captions() -> None:
    encoder = CountingEncoder()
    got = embed_nouns(encoder, "template_mean", ["x", "y"], [noun("car"), noun("car")])
    assert_near(got, embed_classes(encoder, ["car", "car"], TEMPLATE_SETS["openai_subset"]))


def test_span_in_caption_asks_for_each_place_once() -> None:
    encoder = CountingEncoder()
    captions = ["a car and a car"] * 3
    nouns = [noun("car", (2, 5)), noun("car", (12, 15)), noun("car", (2, 5))]
    got = embed_nouns(encoder, "span_in_caption", captions, nouns)
    assert encoder.spans == [("a car and a car", (2, 5)), ("a car and a car", (12, 15))]
    np.testing.assert_array_equal(got[0], got[2])
    assert np.abs(got[0] - got[1]).max() > 1e-3


def test_noun_and_caption_is_their_mean() -> None:
    encoder = CountingEncoder()
    got = embed_nouns(encoder, "noun_and_caption", ["a car", "a car"], [noun("car"), noun("sky")])
    car, sky, caption = (CountingEncoder.vector(text) for text in ("car", "sky", "a car"))
    np.testing.assert_allclose(got, [unit(car + caption), unit(sky + caption)], atol=1e-6)
    assert sorted(encoder.texts) == ["a car", "car", "sky"]


@pytest.mark.parametrize("strategy", sorted(STRATEGIES))
def test_nothing_gives_an_empty_array(strategy: str) -> None:
    got = embed_nouns(CountingEncoder(), strategy, [], [])
    assert got.shape == (0, 8)
    assert got.dtype == np.float32


def test_refusals() -> None:
    encoder = CountingEncoder()
    with pytest.raises(PresetError, match="unknown key strategy"):
        embed_nouns(encoder, "magic", [], [])
    with pytest.raises(InputError, match="one caption per noun"):
        embed_nouns(encoder, "template_mean", [], [noun("car")])
    with pytest.raises(PresetError, match="template"):
        Prompts(("no place",))
    with pytest.raises(PresetError, match="template"):
        Prompts(())


def test_template_sets() -> None:
    sizes = {name: len(prompts.templates) for name, prompts in TEMPLATE_SETS.items()}
    assert sizes == {"openai_subset": 7, "openai_subset_raw": 7, "imagenet80": 80, "single": 1, "none": 1}
    every = [template for prompts in TEMPLATE_SETS.values() for template in prompts.templates]
    assert all(template.count("{}") == 1 for template in every)
    assert len(set(TEMPLATE_SETS["imagenet80"].templates)) == 80


def test_presets_may_name_every_template_set() -> None:
    assert set(get_args(KeySettings.model_fields["templates"].annotation)) == set(TEMPLATE_SETS)


def test_every_strategy_works_with_clip(clip_settings: ClipSettings) -> None:
    """With a real encoder every strategy gives unit rows of the encoder's size."""
    from freeda_models.clip.encoder import load_clip

    encoder = load_clip(clip_settings, "cpu")
    captions = ["a red car on the grass", "a blue tree"]
    nouns = [noun("car", (6, 9)), noun("tree", (7, 11))]
    for strategy in STRATEGIES:
        rows = embed_nouns(encoder, strategy, captions, nouns)
        assert rows.shape == (2, 24)
        np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
        assert np.abs(rows[0] - rows[1]).max() > 1e-3
