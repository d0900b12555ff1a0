"""A name for which the bank holds nothing must not win what it happens to be nearest to."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from segment_fakes import (
    COLOURS,
    FakeBackbone,
    FakeClip,
    FullBank,
    info,
    small_settings,
    striped_picture,
    unit,
    word_vector,
)

from freeda_models.presets import load_preset
from freeda_segment.classes import ClassName
from freeda_segment.pixels.background import Background, BackgroundStrategy
from freeda_segment.retrieval.aggregation import Pooling
from freeda_segment.retrieval.bank_nouns import BankNouns, Likeness
from freeda_segment.retrieval.competitors import competing_nouns
from freeda_segment.retrieval.held import unheld_texts
from freeda_segment.retrieval.lookup import Support
from freeda_segment.retrieval.noun_words import NounWords
from freeda_segment.retrieval.prototypes import ClassPrototypes
from freeda_segment.segmenter import Segmenter

STRIPES = striped_picture(["red", "green", "blue"], 32, 96)
AXES = np.eye(4, dtype=np.float32)


def segmenter_of(bank: Any = None, preset: Any = None, **changes: Any) -> Segmenter:
    settings = small_settings(**({"background": Background(BackgroundStrategy.AUTO), "alpha": 1.0} | changes))
    return Segmenter(bank or FullBank(), FakeClip(), FakeBackbone(), settings=settings, preset=preset)


def nouns_of(names: Any, keys: Any = None) -> Any:
    keys = unit(np.eye(len(names)) + 0.5) if keys is None else keys
    return BankNouns(tuple(names), keys, AXES[: len(names)], np.arange(len(names)), Likeness(0.2, 0.9))


def support(text: Any, similarity: Any, *nouns: Any) -> Any:
    infos = tuple(info(noun, number) for number, noun in enumerate(nouns))
    similarities = np.full(len(infos), similarity, np.float32)
    return Support(text, word_vector(text), tuple(each.id for each in infos), similarities, infos)


def classes_of(*texts_of_class: Any) -> Any:
    """One class for each list of supports; each text has one prototype, on an axis of its own."""
    supports = [each for texts in texts_of_class for each in texts]
    starts = np.cumsum([0, *map(len, texts_of_class)])[:-1]
    names = tuple(ClassName(tuple(each.text for each in texts)) for texts in texts_of_class)
    embeddings = unit(np.arange(2 * len(supports)).reshape(-1, 2) + 1)
    return ClassPrototypes(
        names,
        AXES[: len(supports)],
        starts,
        embeddings,
        starts,
        tuple(map(tuple, texts_of_class)),
        text_starts=np.arange(len(supports)),
        vector_texts=np.arange(len(supports)),
    )


def judged(each: Any, unknown: Any = (), comparable: Any = True, nouns: Any = None) -> Any:
    found = unheld_texts(
        nouns or nouns_of(["car", "pig", "boat", "cat"]), classes_of([each]), unknown, comparable=comparable
    )
    return found is None


def test_a_noun_of_what_was_found_is_held_whatever_the_encoder_says() -> None:
    assert judged(support("Red Cars", 0.1, "car"), unknown=["Red Cars"])
    assert judged(support("car", 0.1, "pig", "yellow car"), unknown=["car"])
    assert not judged(support("car seat", 0.1, "car"), unknown=["car seat"]), "a seat is no car"


def test_a_word_that_the_encoder_does_not_know_is_held_only_by_the_same_key() -> None:
    assert not judged(support("unicorn", 0.94, "boat"), unknown=["unicorn"])
    assert judged(support("minibus", 0.96, "boat"), unknown=["minibus"])


def test_other_words_are_held_when_nearer_than_unlike_things_are_to_each_other() -> None:
    keys = unit(np.eye(4) + 0.5)
    unlike = float(keys[0] @ keys[1])
    assert nouns_of("abcd", keys).unlike_text == pytest.approx(unlike)
    assert judged(support("sedan", unlike + 0.01, "car"))
    assert not judged(support("unicorn", unlike - 0.01, "car"))
    assert judged(support("unicorn", unlike - 0.01, "car"), comparable=False), "it says nothing then"
    blind = dataclasses.replace(nouns_of("abcd", keys), likeness=None)
    assert blind.unlike_text is None
    assert judged(support("unicorn", -0.5, "car"), nouns=blind)


def test_only_nouns_that_look_unlike_say_how_near_unlike_things_are() -> None:
    keys = unit(np.array([[1, 0, 0], [1, 0.01, 0], [0, 1, 0.5], [0, 0.5, 1]]))
    looks = unit(np.array([[1, 0, 0, 0], [1, 0.1, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]]))
    nouns = BankNouns(tuple("abcd"), keys, looks, np.arange(4), Likeness(0.2, 0.9))
    texts, alike = keys @ keys.T, looks @ looks.T >= 0.55
    nearest = [max(texts[i, j] for j in range(4) if not alike[i, j]) for i in range(4)]
    assert nouns.unlike_text == pytest.approx(float(np.median(nearest)), abs=1e-6)


@pytest.mark.parametrize("pooling", [Pooling.MAX, Pooling.MEAN])
def test_what_is_not_held_resembles_nothing(pooling: Pooling) -> None:
    prototypes = classes_of(
        [support("car", 1, "car"), support("unicorn", 0.1, "pig")], [support("zebra", 0.1, "boat")]
    )
    prototypes = dataclasses.replace(prototypes, pooling=pooling, unheld=np.array([False, True, True]))
    np.testing.assert_array_equal(prototypes.local_cosines(AXES), [[1, -1], [0, -1], [0, -1], [0, -1]])
    glob = prototypes.global_cosines(unit(np.ones((1, 2))))
    assert glob[0, 1] == -1
    assert glob[0, 0] == pytest.approx(float(prototypes.embeddings[0] @ unit(np.ones(2))))


def test_what_is_not_held_keeps_no_noun_from_competing() -> None:
    names = ["car", "pig", "boat", "cat"]
    nouns = nouns_of(names, np.stack([word_vector(name) for name in names]))
    prototypes = classes_of([support("car", 1, "car")], [support("unicorn", 0.1, "pig")])

    def competing(*unheld: bool) -> tuple[str, ...]:
        found = competing_nouns(nouns, dataclasses.replace(prototypes, unheld=np.array(unheld)))
        assert found is not None
        return found.names

    assert competing(False, False) == ("boat", "cat")
    assert competing(False, True) == ("pig", "boat", "cat")
    assert len(competing(True, True)) == 4


def test_a_unicorn_gets_no_pixel_and_a_sentence() -> None:
    preset = load_preset("tiny").model_copy(update={"nouns_known": tuple(COLOURS)})
    segmenter = segmenter_of(preset=preset)
    made = segmenter.segment(STRIPES, "unicorn,green,red|zebra")
    assert made.shares[0].pixels == 0
    plain = segmenter_of().segment(STRIPES, "green,red")
    np.testing.assert_array_equal(made.mask("green"), plain.mask("green"))
    np.testing.assert_array_equal(made.mask("red"), plain.mask("red"))
    told = [note for note in made.notes if "holds nothing for" in note]
    assert [("'unicorn'" in note, "'zebra'" in note) for note in told] == [(True, False), (False, True)]
    alone = segmenter.segment(STRIPES, "unicorn")
    assert alone.background_area == 1
    everything = segmenter.with_settings(background=None).segment(STRIPES, "unicorn,green")
    assert everything.background_area == 0
    assert everything.shares[0].pixels > 0
    assert not any("holds nothing" in note for note in everything.notes)


def test_with_nothing_else_to_take_a_pixel_a_name_stands_for_the_nearest() -> None:
    preset = load_preset("tiny").model_copy(update={"nouns_known": tuple(COLOURS)})
    small = segmenter_of(FullBank(("red", "blue")), preset)
    made = small.segment(STRIPES, "unicorn")
    assert made.shares[0].area == 1
    assert not any("gets no pixel" in note for note in made.notes)


def test_words_are_compared_by_their_endings() -> None:
    words = NounWords(["Red car", "fire-trucks"])
    assert [
        words.name(noun) for noun in ("car", "cars", "big red car", "blue car", "fire truck", "truck")
    ] == [*(True, True, True, False, True, True)]
    assert [words.name_a_sister_of(noun) for noun in ("blue car", "truck", "car park")] == [True, True, False]
