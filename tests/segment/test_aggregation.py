from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.cluster.vq import kmeans2
from segment_fakes import (
    FakeBackbone,
    FakeBank,
    FakeClip,
    fake_manifest,
    small_settings,
    striped_picture,
    unit,
)

from freeda_segment.classes import parse_classes
from freeda_segment.errors import OptionError
from freeda_segment.retrieval.aggregation import AGGREGATIONS, cluster_directions, pool_max, pool_mean, vote
from freeda_segment.retrieval.lookup import TextLookup
from freeda_segment.retrieval.prototypes import build_prototypes
from freeda_segment.segmenter import Segmenter


def build(classes: Any, bank: Any = None, **changes: Any) -> Any:
    clip = FakeClip()
    lookup = TextLookup(bank or FakeBank(), clip, clip, "none", small_settings(**changes))
    return build_prototypes(parse_classes(classes).classes, lookup)


@pytest.mark.parametrize("name", list(AGGREGATIONS))
def test_every_aggregation_finds_the_colours(name: str) -> None:
    settings = small_settings(aggregation=name, k=3, prototypes=2, neighbours=3)
    segmenter = Segmenter(FakeBank(), FakeClip(), FakeBackbone(), settings=settings)
    made = segmenter.segment(striped_picture(["red", "blue"], 40, 60), "blue|yellow,red,green")
    assert (made.labels[:, :27] == 1).mean() > 0.95
    assert (made.labels[:, 33:] == 0).mean() > 0.95


def test_kmeans_separates_what_a_mean_mixes_and_is_deterministic() -> None:
    rng = np.random.default_rng(2)
    centres = np.array([[5, 0, 0], [0, 5, 0], [0, 0, 5]], np.float32)
    visuals = (np.repeat(centres, 20, 0) + rng.normal(0, 0.1, (60, 3))).astype(np.float32)
    gather = AGGREGATIONS["kmeans_max"].gather
    found = gather(visuals, np.ones(60, np.float32), 3)
    cosines = unit(found) @ unit(centres).T
    assert sorted(cosines.argmax(1)) == [0, 1, 2]
    assert cosines.max(1).min() > 0.99
    np.testing.assert_array_equal(found, gather(visuals, np.ones(60, np.float32), 3))


def inertia(directions: Any, owner: Any) -> Any:
    parts = [directions[owner == index] for index in np.unique(owner)]
    return sum(float(((part - part.mean(0)) ** 2).sum()) for part in parts)


def crowded_directions(seed: Any) -> Any:
    """More heaps of directions than clusters, of unequal sizes, and the number of clusters."""
    rng = np.random.default_rng(seed)
    clusters = int(rng.integers(3, 8))
    centres = rng.standard_normal((clusters + int(rng.integers(0, clusters)), 16))
    owner = rng.choice(len(centres), 120, p=rng.dirichlet(np.ones(len(centres))))
    visuals = centres[owner] + rng.normal(0, 0.3, (120, 16))
    return unit(visuals.astype(np.float32)), clusters


def test_kmeans_is_as_good_as_the_best_of_ten_starts() -> None:
    ratios = []
    for visuals, clusters in map(crowded_directions, range(12)):
        owner = cluster_directions(visuals, clusters)
        assert sorted(np.unique(owner)) == list(range(clusters))
        ten = [
            kmeans2(visuals.astype(np.float64), clusters, iter=50, minit="++", rng=start)[1]
            for start in range(10)
        ]
        ratios.append(inertia(visuals, owner) / min(inertia(visuals, each) for each in ten))
    assert np.mean(ratios) <= 1.005
    assert np.quantile(ratios, 0.9) <= 1.02  # another ten starts are luckier now and then
    assert max(ratios) <= 1.06


def test_kmeans_of_vectors_that_differ_by_rounding_is_one_prototype_and_quiet(
    recwarn: pytest.WarningsRecorder,
) -> None:
    rng = np.random.default_rng(0)
    visuals = (np.ones((30, 8)) * (1 + rng.normal(0, 1e-7, (30, 8)))).astype(np.float32)
    gathered = AGGREGATIONS["kmeans_max"].gather(visuals, np.ones(30, np.float32), 4)
    assert 1 <= len(gathered) <= 4
    np.testing.assert_allclose(gathered, 1, atol=1e-5)
    assert not list(recwarn)


def test_one_kmeans_prototype_is_the_mean_and_equal_vectors_are_no_trouble() -> None:
    np.testing.assert_allclose(
        build("red,blue", aggregation="kmeans_max", prototypes=1).vectors,
        build("red,blue").vectors,
        atol=1e-6,
    )
    same = np.ones((5, 3), np.float32)
    assert len(AGGREGATIONS["kmeans_mean"].gather(same, np.ones(5, np.float32), 4)) == 1


def test_the_mean_is_over_a_text_and_the_nearest_text_counts() -> None:
    made = build("red|blue,green", aggregation="kmeans_mean", k=3, prototypes=3)
    assert len(made.text_starts) == 3
    feature = unit(np.array([[0.2, 0.5, 0.7]], np.float32))
    cosines = feature @ made.vectors.T
    of_text = [part.mean() for part in np.split(cosines[0], made.text_starts[1:])]
    expected = [max(of_text[:2]), of_text[2]]
    np.testing.assert_allclose(made.local_cosines(feature)[0], expected, atol=1e-6)


@given(st.integers(0, 500), st.integers(1, 4), st.integers(1, 12))
def test_votes_equal_literal_ones(seed: int, classes: int, voters: int) -> None:
    rng = np.random.default_rng(seed)
    counts = rng.integers(1, 4, classes)
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    vectors = unit(rng.standard_normal((counts.sum(), 3)))
    features = unit(rng.standard_normal((5, 3)))
    expected = np.zeros((5, classes))
    for row, feature in enumerate(features):
        cosines = vectors @ feature
        nearest = np.argsort(-cosines)[:voters]
        for index in nearest:
            owner = np.searchsorted(starts, index, side="right") - 1
            expected[row, owner] += max(cosines[index], 0) / len(nearest)
    np.testing.assert_allclose(vote(features, vectors, starts, voters), expected, atol=1e-5)


def test_pools() -> None:
    cosines = np.array([[0.1, 0.5, 0.3]], np.float32)
    starts = np.array([0, 2])
    np.testing.assert_allclose(pool_max(cosines, starts), [[0.5, 0.3]])
    np.testing.assert_allclose(pool_mean(cosines, starts), [[0.3, 0.3]], atol=1e-7)


def test_templates_are_a_setting_and_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeBank, "manifest", property(lambda self: fake_manifest(templates="none")))
    plain = Segmenter(FakeBank(), FakeClip(), FakeBackbone(), settings=small_settings())
    chosen = plain.with_settings(templates="single")
    assert plain.provenance.settings["templates"] == "none"
    assert chosen.provenance.settings["templates"] == "single"
    expected = FakeClip().encode_texts(["a photo of a red."])
    np.testing.assert_allclose(chosen.prepare("red").embeddings, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"aggregation": "median"}, "choose one of mean, weighted_mean, kmeans_max, kmeans_mean, knn"),
        ({"templates": "mine"}, "unknown set of prompt templates 'mine'"),
        ({"prototypes": 0}, "prototypes is 0"),
        ({"neighbours": 0}, "neighbours is 0"),
    ],
)
def test_bad_choices_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        small_settings(**changes)


def test_other_prompts_than_the_banks_are_not_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeBank, "manifest", property(lambda self: fake_manifest(templates="openai_subset")))
    plain = Segmenter(FakeBank(), FakeClip(), FakeBackbone(), settings=small_settings())
    assert plain.prepare("red").notes == ()
    (note,) = plain.with_settings(templates="openai_subset_raw").prepare("red").notes
    assert "'openai_subset_raw', this bank's keys with 'openai_subset'" in note


def test_other_prompts_are_no_news_where_keys_were_made_without_prompts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    manifest = fake_manifest(templates="openai_subset", key_strategy="span_in_caption")
    monkeypatch.setattr(FakeBank, "manifest", property(lambda self: manifest))
    segmenter = Segmenter(FakeBank(), FakeClip(), FakeBackbone(), settings=small_settings(templates="single"))
    assert segmenter.prepare("red").notes == ()


def test_heaps_are_found_by_their_principal_components_too() -> None:
    rng = np.random.default_rng(4)
    heap = np.repeat(np.arange(5), [70, 40, 60, 30, 50])
    visuals = (4 * rng.standard_normal((5, 400))[heap] + rng.standard_normal((250, 400))).astype(np.float32)
    owner = cluster_directions(visuals, 5, 3, components=16)
    pairs = set(zip(heap.tolist(), owner.tolist(), strict=True))
    assert len(pairs) == len(set(owner.tolist())) == 5
    np.testing.assert_array_equal(owner, cluster_directions(visuals, 5, 3, components=16))
