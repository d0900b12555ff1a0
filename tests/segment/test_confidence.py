"""How sure labels are: the same from one class to hundreds, and low for what the bank does not know."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from segment_fakes import (
    COLOURS,
    FakeBackbone,
    FakeClip,
    FullBank,
    small_settings,
    striped_picture,
    word_vector,
)

from freeda_models.unit_vectors import normalised
from freeda_segment.classes import ClassName
from freeda_segment.images import Picture
from freeda_segment.outputs import Result
from freeda_segment.outputs.report import report
from freeda_segment.pixels.background import Background, BackgroundStrategy
from freeda_segment.pixels.confidence import GUESS, Sureness, sureness
from freeda_segment.pixels.labelling import LabelRequest
from freeda_segment.regions.similarity import RegionFeatures, score_window
from freeda_segment.regions.windows import window_boxes
from freeda_segment.retrieval.bank_nouns import BankNouns, Likeness
from freeda_segment.retrieval.competitors import competing_nouns
from freeda_segment.retrieval.lookup import Support
from freeda_segment.retrieval.prototypes import ClassPrototypes
from freeda_segment.segmenter import Segmenter

STRANGE = (200, 40, 230)
"""A violet, between red and blue and much like neither."""


def surely(known: Sureness | None) -> Sureness:
    assert known is not None
    return known


def segmenter_of(bank: Any = None, **changes: Any) -> Segmenter:
    settings = small_settings(**({"background": Background(BackgroundStrategy.AUTO), "alpha": 1.0} | changes))
    return Segmenter(bank or FullBank(), FakeClip(), FakeBackbone(), settings=settings)


def half_strange(height: Any = 32, width: Any = 96) -> Any:
    picture = striped_picture(["red"], height, width)
    picture[:, width // 2 :] = STRANGE
    return picture


def test_what_the_bank_does_not_know_is_unsure_and_can_be_left_out() -> None:
    plain = segmenter_of().segment(half_strange(), "red,blue")
    known = surely(plain.sureness)
    assert known.confidence[:, :40].min() > 0.9
    assert known.confidence[:, 56:].max() < GUESS
    assert known.unlike == pytest.approx(0.5, abs=0.1)
    assert (plain.labels >= 0).all()
    left_out = segmenter_of(unsure=GUESS).segment(half_strange(), "red,blue")
    assert (left_out.labels[:, :40] == 0).all()
    assert (left_out.labels[:, 56:] == -1).all()
    assert left_out.background_area == pytest.approx(0.5, abs=0.1)
    np.testing.assert_array_equal(left_out.scores, plain.scores)


def test_a_threshold_of_nothing_leaves_all_and_one_of_all_leaves_nothing() -> None:
    assert segmenter_of(unsure=0.0).segment(half_strange(), "red,blue").background_area == 0
    assert segmenter_of(unsure=1.0).segment(half_strange(), "red,blue").background_area == 1


def nouns_of(looks: Any, likeness: Any) -> Any:
    names = tuple(f"noun {number}" for number in range(len(looks)))
    keys = np.stack([word_vector(name) for name in names])
    return BankNouns(names, keys, looks, np.arange(len(looks)), likeness)


def request_of(nouns: Any, named: Any, features: Any, alpha: Any, embeddings: Any = None) -> Any:
    """One window of one row; the nouns with these indices are classes, all others compete."""
    texts = tuple(nouns.names[index] for index in named)
    starts = np.arange(len(named))
    embeddings = np.ones((len(named), 2), np.float32) if embeddings is None else embeddings
    prototypes = ClassPrototypes(
        tuple(ClassName((text,)) for text in texts),
        nouns.looks[list(named)],
        starts,
        embeddings,
        starts,
        tuple((Support(text, word_vector(text), (), np.zeros(0, np.float32), ()),) for text in texts),
    )
    competitors = competing_nouns(nouns, prototypes)
    prototypes = ClassPrototypes(**{**vars(prototypes), "competitors": competitors, "nouns": nouns})
    count = len(features)
    labels = np.arange(count, dtype=np.int32)[None].repeat(2, axis=0)
    regions = RegionFeatures(features, np.ones(count, bool))
    tokens = features[None].repeat(2, axis=0)
    window = score_window(labels, regions, tokens, np.array([0.6, 0.8], np.float32), prototypes)
    return LabelRequest(
        working=np.zeros((2, count, 3), np.uint8),
        size_hw=(2, count),
        boxes=window_boxes((2, count), count, count),
        windows=(window,),
        alpha=alpha,
        others=competitors is not None,
        nouns=nouns,
    )


@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 2, 10, 149, 150]))
def test_a_threshold_means_the_same_from_one_class_to_150(seed: int, length: Any) -> None:
    """A label that a short list and the complete one agree on is as sure in both."""
    rng = np.random.default_rng(seed)
    looks = normalised(rng.standard_normal((150, 24)).astype(np.float32))
    nouns = nouns_of(looks, Likeness(0.3, 1.69))  # only a noun itself looks like it
    features = normalised((looks[:40] + 0.2 * rng.standard_normal((40, 24))).astype(np.float32))
    named = rng.permutation(150)[:length]
    every = surely(sureness(request_of(nouns, range(150), features, 1.0)))
    some_request = request_of(nouns, named, features, 1.0)
    some = surely(sureness(some_request))
    labels = some_request.windows[0].regions.argmax(axis=1)
    agreed = [
        place
        for place, label in enumerate(labels)
        if label < length and named[label] == (features[place] @ looks.T).argmax()
    ]
    np.testing.assert_allclose(some.confidence[:, agreed], every.confidence[:, agreed], rtol=1e-4)
    np.testing.assert_allclose(some.margin[:, agreed], every.margin[:, agreed], atol=1e-5)
    np.testing.assert_allclose(some.resemblance, every.resemblance, atol=1e-6)


@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(0, 4), st.floats(0.05, 1))
def test_values_equal_the_literal_ones(seed: int, classes: int, others: int, alpha: float) -> None:
    rng = np.random.default_rng(seed)
    looks = normalised(rng.standard_normal((classes + others, 8)).astype(np.float32))
    likeness = Likeness(0.3, 1.69)
    features = normalised(rng.standard_normal((6, 8)).astype(np.float32))
    embeddings = normalised(rng.standard_normal((classes, 2)).astype(np.float32))
    found = surely(
        sureness(request_of(nouns_of(looks, likeness), range(classes), features, alpha, embeddings))
    )
    spoken = [float(embedding @ np.array([0.6, 0.8])) for embedding in embeddings]
    if others:
        spoken.append(max(spoken))
    for place, feature in enumerate(features):
        cosines = [float(feature @ look) for look in looks[:classes]]
        if others:
            cosines.append(max(float(feature @ look) for look in looks[classes:]))
        scores = [
            alpha / (1 + math.exp(-cosine)) + (1 - alpha) * word
            for cosine, word in zip(cosines, spoken, strict=True)
        ]
        best = int(np.argmax(scores))
        width = 0.15 * (likeness.same - likeness.unrelated)
        enough = likeness.unrelated + 0.3 * (likeness.same - likeness.unrelated)
        odds = 1.0
        if best < classes:
            odds += math.exp((enough - cosines[best]) / width)
        assert found.score[0, place] == pytest.approx(scores[best], abs=1e-4)
        assert found.resemblance[0, place] == pytest.approx(max(map(float, looks @ feature)), abs=1e-4)
        rest = scores[:best] + scores[best + 1 :]
        if not rest:
            assert np.isnan(found.margin[0, place])
            assert found.confidence[0, place] == pytest.approx(1 / odds, abs=1e-3)
            continue
        assert found.margin[0, place] == pytest.approx(scores[best] - max(rest), abs=1e-4)
        rival = min(max((max(rest) - (1 - alpha) * spoken[best]) / alpha, 1e-6), 1 - 1e-6)
        odds += math.exp((math.log(rival / (1 - rival)) - cosines[best]) / width)
        assert found.confidence[0, place] == pytest.approx(1 / odds, abs=1e-3)


def test_regions_of_several_windows_have_their_own_values() -> None:
    picture = striped_picture(["red", "green", "blue"], 40, 90)
    made = segmenter_of(superpixels=small_settings().superpixels).segment(picture, "red,green")
    assert len(made.request.windows) > 1
    regions = surely(made.sureness).of_regions(made.region_map, made.labels)
    numbers = np.unique(made.region_map[made.region_map >= 0])
    assert len(regions.pixels) == len(numbers)
    for place, number in enumerate(numbers):
        mask = made.region_map == number
        rows, columns = np.nonzero(mask)
        assert regions.pixels[place] == mask.sum()
        box = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        assert regions.box_xyxy[place].tolist() == box
        assert mask[tuple(regions.inside[place])]
        assert regions.confidence[place] == pytest.approx(
            surely(made.sureness).confidence[mask].mean(), abs=1e-5
        )
        if regions.resembles[place] and regions.confidence[place] > 0.9:
            name = ("other", *made.class_names)[regions.labels[place] + 1]
            assert name in (regions.resembles[place], "other")


def test_the_report_lists_regions_that_explain_finds_again() -> None:
    source = Picture(half_strange(40, 90), (40, 90), "half.png")
    made = segmenter_of().segment(source, "red,blue")
    told = json.loads(json.dumps(report(Result(made))))
    assert told["sureness"]["unlike"] == surely(made.sureness).unlike
    assert set(told["sureness"]["likeness"]) == {"unrelated", "same"}
    largest = told["regions"]["largest"]
    assert told["regions"]["total"] >= len(largest) > 1
    assert sum(each["area"] for each in largest) == pytest.approx(1, abs=0.05)
    assert [each["area"] for each in largest] == sorted((each["area"] for each in largest), reverse=True)
    sure = [each for each in largest if each["confidence"] > 0.9]
    assert {each["name"] for each in sure} == {"red"}
    assert {each["resembles"] for each in sure} == {"red"}
    for each in largest:
        x, y = each["at"]
        left, top, right, bottom = each["box_xyxy"]
        assert left <= x < right
        assert top <= y < bottom
        label = made.labels[y, x]
        assert made.region_at(x, y).label >= 0
        assert each["index"] in (-1, 0, 1)
        assert each["index"] == label or each["confidence"] < 0.9


def test_most_of_a_picture_being_unlike_is_told() -> None:
    strange = np.empty((32, 64, 3), np.uint8)
    strange[:] = STRANGE
    made = segmenter_of().segment(strange, "red,blue")
    assert surely(made.sureness).unlike == 1
    assert made.doubt.startswith("this picture resembles nothing in the bank")
    assert "100% unlike anything in the bank" in made.summary()
    assert report(Result(made))["notes"][-1] == made.doubt
    known = segmenter_of().segment(striped_picture(["red", "blue"], 32, 64), "red,blue")
    assert known.doubt == ""
    assert "(" not in known.summary()
    assert report(Result(known))["notes"] == list(known.notes)


def test_most_of_a_picture_being_guessed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(COLOURS, "crimson", (220, 30, 36))
    made = segmenter_of(FullBank(tuple(COLOURS))).segment(striped_picture(["red"], 32, 64), "red,crimson")
    assert surely(made.sureness).unlike == 0
    assert surely(made.sureness).guessed(made.labels) == 1
    assert "100% of this picture is a guess" in made.doubt
    assert "100% guessed" in made.summary()


def test_where_the_bank_gives_no_measure_nothing_is_said() -> None:
    small = FullBank(("red", "blue"))
    made = segmenter_of(small).segment(half_strange(), "red,blue")
    assert (made.sureness, made.doubt) == (None, "")
    assert "sureness" not in report(Result(made))
    unsure = segmenter_of(small, unsure=0.9).segment(half_strange(), "red,blue")
    assert unsure.background_area == 0
    assert any("unsure leaves nothing out" in note for note in unsure.notes)
    by_votes = segmenter_of(aggregation="knn", unsure=0.9).segment(half_strange(), "red,blue")
    assert (by_votes.sureness, by_votes.background_area) == (None, 0)
    assert any("knn" in note for note in by_votes.notes)
    assert segmenter_of(alpha=0.0).segment(half_strange(), "red,blue").sureness is None


@given(st.tuples(st.integers(1, 40), st.integers(1, 40)), st.tuples(st.integers(1, 40), st.integers(1, 40)))
def test_sizes_are_met_at_the_middles_of_pixels(working_hw: Any, size_hw: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    values = rng.random((4, *working_hw), dtype=np.float32)
    score, margin, confidence, resemblance = values
    known = Sureness(score, margin, confidence, resemblance, Likeness(0.2, 0.8), ())
    labels = rng.integers(-1, 3, size_hw).astype(np.int16)
    assert known.at_working_size(labels).shape == working_hw
    below = known.below(0.5, size_hw, slice(0, size_hw[0]))
    assert below.shape == size_hw
    bands = [known.below(0.5, size_hw, slice(row, row + 1)) for row in range(size_hw[0])]
    np.testing.assert_array_equal(np.concatenate(bands), below)
    if working_hw == size_hw:
        np.testing.assert_array_equal(known.at_working_size(labels), labels)
        np.testing.assert_array_equal(below, known.confidence < 0.5)
