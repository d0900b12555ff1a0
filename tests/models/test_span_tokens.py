"""Tokens and characters: exact for any Unicode, by property tests on both kinds of tokenizer."""

from __future__ import annotations

from typing import Any, Literal

import ftfy
import open_clip
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from freeda_models.errors import InputError, UnsupportedModelError
from freeda_models.text.span_tokens import (
    ClipBpeCutter,
    FastCutter,
    locate_span,
    overlapping,
    well_formed,
)

ODD = (
    "a red CAR İı ẞ ß ﬁ é e\u0301 \u00a0\u3000\t 🚒 👨‍👩‍👧 "
    "ΟΔΟΣ &amp; &lt; ’ “ \x00\x1c\ud800 <|endoftext|> </w> 's 't 12"
)
CAPTIONS = st.one_of(
    st.text(max_size=40),
    st.lists(st.sampled_from(ODD.split(" ")), max_size=8).map(" ".join),
    st.lists(st.sampled_from([*ODD, "car", "sky"]), max_size=20).map("".join),
)


@st.composite
def text_and_span(draw: Any) -> Any:
    text = draw(CAPTIONS)
    assume(text)
    start = draw(st.integers(0, len(text) - 1))
    return text, (start, draw(st.integers(start + 1, len(text))))


@pytest.fixture(scope="module")
def bpe() -> Any:
    return ClipBpeCutter(open_clip.get_tokenizer("ViT-L-14"))


@pytest.fixture(scope="module")
def fast(clip_tokenizer: Any) -> Any:
    return FastCutter(clip_tokenizer, open_clip.tokenizer.get_clean_fn("whitespace"))


def check(cutter: Any, text: str, span: tuple[int, int]) -> None:
    located = locate_span(cutter, text, span)
    clean = well_formed(text)
    tokens = cutter.aligned(clean)
    inside = [located.ids[position] for position in located.positions]
    if tokens is None:
        assert inside == cutter.ids(clean[slice(*span)])
        return
    assert list(located.ids) == cutter.ids(clean), "the model sees exactly these tokens"
    assert all(0 <= token.start < token.stop <= len(clean) for token in tokens)
    assert [token.start for token in tokens] == sorted(token.start for token in tokens)
    positions = set(located.positions)
    for index, token in enumerate(tokens):
        assert (index in positions) == (token.start < span[1] and span[0] < token.stop)


@given(case=text_and_span())
@example(case=("İstanbul car", (9, 12)))
@example(case=("a\u00a0🚒 truck", (4, 9)))
@settings(max_examples=300, deadline=None)
def test_open_clips_tokenizer(bpe: Any, case: Any) -> None:
    check(bpe, *case)


@given(case=text_and_span())
@settings(max_examples=300, deadline=None)
def test_fast_tokenizer(fast: Any, case: Any) -> None:
    check(fast, *case)


@given(
    words=st.lists(
        st.sampled_from(["car", "Sky", "🚒", "it's", "ß", "firetruck", "12"]), min_size=1, max_size=8
    )
)
@settings(deadline=None)
def test_a_words_tokens_are_those_of_the_word(bpe: Any, fast: Any, words: Any) -> None:
    text = "  ".join(words)
    start = 0
    for word in words:
        for cutter in (bpe, fast):
            ids, positions = locate_span(cutter, text, (start, start + len(word)))
            assert [ids[position] for position in positions] == cutter.ids(word)
        start += len(word) + 2


SURROGATE: Literal["Cs"] = "Cs"


@given(text=st.text(alphabet=st.characters(exclude_categories=(SURROGATE,)), min_size=1, max_size=30))
@settings(max_examples=200, deadline=None)
def test_every_letter_has_a_token_where_cleaning_keeps_the_text(bpe: Any, text: str) -> None:
    tokens = bpe.aligned(text)
    assume(tokens is not None)
    covered = set()
    for token in tokens:
        covered |= set(range(token.start, token.stop))
    missing = [text[i] for i in range(len(text)) if i not in covered]
    assert all(character.isspace() for character in missing)


def test_text_that_cleaning_rewrites_is_composed(bpe: Any) -> None:
    text = "a &amp; b ﬁre car"
    assert ftfy.fix_text(text) != text
    assert bpe.aligned(text) is None
    ids, positions = locate_span(bpe, text, (14, 17))
    assert [ids[position] for position in positions] == bpe.ids("car")


def test_a_part_of_a_word_takes_the_tokens_it_touches(bpe: Any) -> None:
    ids, positions = locate_span(bpe, "firetruck", (4, 9))
    assert len(ids) == 2
    assert positions == (1,)
    assert locate_span(bpe, "firetruck", (3, 5)).positions == (0, 1)


def test_lone_surrogates_are_replaced_one_for_one() -> None:
    assert well_formed("a\ud800b\udfff") == "a\ufffdb\ufffd"
    assert len(well_formed("\ud83d\ude92")) == 2


@pytest.mark.parametrize("span", [(-1, 2), (2, 2), (3, 2), (0, 6)])
def test_spans_that_do_not_lie_in_the_text(bpe: Any, span: tuple[int, int]) -> None:
    with pytest.raises(InputError, match="5 characters"):
        locate_span(bpe, "a car", span)


def test_overlap_needs_a_shared_character() -> None:
    assert overlapping([(0, 1), (2, 5), (5, 7), (0, 0)], (2, 5)) == (1,)


def test_a_tokenizer_without_offsets_is_refused() -> None:
    with pytest.raises(UnsupportedModelError, match="offsets"):
        FastCutter(object())


def test_a_text_is_cut_once_for_all_its_spans(clip_tokenizer: Any) -> None:
    cut: list[str] = []

    def counting(text: str, **options: Any) -> Any:
        cut.append(text)
        return clip_tokenizer(text, **options)

    counting.is_fast = True  # type: ignore[attr-defined]
    cutter = FastCutter(counting)
    found = [locate_span(cutter, text, span) for text in ("a red car", "a tree") for span in ((0, 1), (2, 5))]
    assert cut == ["a red car", "a tree"]
    assert found == [
        locate_span(FastCutter(clip_tokenizer), text, span)
        for text in ("a red car", "a tree")
        for span in ((0, 1), (2, 5))
    ]
