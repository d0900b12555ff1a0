from __future__ import annotations

from typing import Any

import literal
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from segment_fakes import FakeBackbone, FakeClip, small_settings

from freeda_models.unit_vectors import normalised
from freeda_segment.classes import ClassName
from freeda_segment.encoding import encode_image
from freeda_segment.errors import OptionError
from freeda_segment.images import Picture
from freeda_segment.pixels.background import Background, BackgroundStrategy
from freeda_segment.pixels.labelling import BAND_PIXELS, LabelRequest, label_pixels
from freeda_segment.pixels.refinement import Pamr
from freeda_segment.regions.similarity import WindowScores, score_window
from freeda_segment.regions.windows import window_boxes
from freeda_segment.retrieval.competitors import Competitors
from freeda_segment.retrieval.prototypes import ClassPrototypes

BY_THRESHOLD = [strategy for strategy in BackgroundStrategy if Background(strategy).by_threshold]
strategies = st.sampled_from([None, *BY_THRESHOLD])


def literal_scores(
    encoded: Any, raw: Any, embeddings: Any, alpha: Any, refinement: Any, background: Any, others: Any = None
) -> Any:
    """Scores (C [+ 1], H, W) at the original size, background or others last, all classes at once."""
    backbone = FakeBackbone()
    scores, backgrounds = [], []
    for window in encoded.windows:
        crop = encoded.working[window.box.slices]
        tokens = backbone.encode(crop[None])[0]
        local = literal.region_scores(tokens, window.labels, raw)
        clip = embeddings @ FakeClip().encode_images(crop[None])[0]
        if others is not None:
            local = torch.cat([local, literal.region_scores(tokens, window.labels, others[None])])
            clip = np.append(clip, clip.max())
        final = literal.window_scores(local, clip, alpha)
        if refinement:
            picture = crop.transpose(2, 0, 1)
            refined = literal.pamr(picture, final, refinement.iterations, refinement.dilations)
            final = torch.from_numpy(refined).float()
        scores.append(final)
        if background:
            each = literal.background_score(background.strategy, background.threshold, local, final)
            backgrounds.append(each[None])
    places = [(box.top, box.left, box.bottom, box.right) for box in encoded.boxes]
    working_hw = encoded.working.shape[:2]
    whole = literal.average(scores, places, working_hw, encoded.size_hw)
    if background:
        extra = literal.average(backgrounds, places, working_hw, encoded.size_hw)
        whole = torch.cat([whole, extra])
    return whole.numpy()


def check(
    seed: Any,
    size_hw: Any,
    classes: Any,
    alpha: Any,
    background: Any,
    chunk_bytes: Any,
    refinement: Any = None,
    band_pixels: Any = BAND_PIXELS,
    others: Any = 0,
) -> Any:
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (3, 4, 3), dtype=np.uint8)
    image = np.kron(coarse, np.ones((size_hw[0] // 3 + 1, size_hw[1] // 4 + 1, 1), np.uint8))
    image = image[: size_hw[0], : size_hw[1]]
    options = small_settings(shorter_side=16, longest_side=40, window=16, stride=8)
    encoded = encode_image(Picture(np.ascontiguousarray(image), size_hw), FakeClip(), FakeBackbone(), options)
    raw = rng.standard_normal((classes, 2, 3)).astype(np.float32)
    embeddings = normalised(rng.standard_normal((classes, 16)).astype(np.float32))
    starts = np.arange(classes)
    names = tuple(ClassName((f"c{index}",)) for index in range(classes))
    competing = rng.standard_normal((others, 3)).astype(np.float32) if others else None
    competitors = Competitors(("",) * others, normalised(competing)) if competing is not None else None
    vectors = normalised(raw.reshape(-1, 3))
    prototypes = ClassPrototypes(names, vectors, starts * 2, embeddings, starts, competitors=competitors)
    windows = tuple(
        score_window(each.labels, each.regions, each.tokens, each.embedding, prototypes)
        for each in encoded.windows
    )
    request = LabelRequest(
        encoded.working, encoded.size_hw, encoded.boxes, windows, alpha, background, refinement, others > 0
    )
    result = label_pixels(request, chunk_bytes, band_pixels)
    expected = literal_scores(encoded, raw, embeddings, alpha, refinement, background, competing)
    best = expected[:classes].max(0)
    np.testing.assert_allclose(result.scores, best, atol=1e-5)
    winner = np.take_along_axis(expected, result.labels[None] % len(expected), 0)[0]  # -1 is the last
    np.testing.assert_allclose(winner, expected.max(0), atol=1e-5)
    assert result.labels.shape == image.shape[:2]
    return result


@settings(max_examples=40)
@given(
    st.integers(0, 10_000),
    st.tuples(st.integers(1, 60), st.integers(1, 60)),
    st.integers(1, 5),
    st.floats(0, 1),
    strategies,
    st.floats(0.3, 0.7),
    st.sampled_from([1, 3000, 10**6]),
)
def test_labels_equal_the_literal_ones(
    seed: int,
    size_hw: tuple[int, int],
    classes: int,
    alpha: float,
    strategy: BackgroundStrategy | None,
    threshold: float,
    chunk_bytes: int,
) -> None:
    background = Background(strategy, threshold) if strategy else None
    check(seed, size_hw, classes, alpha, background, chunk_bytes)


@settings(max_examples=20)
@given(
    st.integers(0, 10_000),
    st.tuples(st.integers(1, 60), st.integers(1, 60)),
    st.integers(1, 4),
    st.integers(1, 5),
    st.floats(0, 1),
    st.sampled_from([1, 3000, 10**6]),
)
def test_what_competes_is_one_more_class_and_means_none(
    seed: int, size_hw: tuple[int, int], classes: int, others: int, alpha: float, chunk_bytes: int
) -> None:
    check(seed, size_hw, classes, alpha, None, chunk_bytes, others=others)


def test_what_competes_is_refined_with_the_classes_and_kept_for_every_band(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    check(5, (20, 33), 2, 0.8, None, 3000, Pamr(2, (1, 3)), others=3)
    monkeypatch.setattr("freeda_segment.pixels.labelling._KEPT_BYTES", 0)
    result = check(5, (31, 33), 2, 0.8, None, 3000, band_pixels=100, others=3)
    assert set(np.unique(result.labels)) == {-1, 0, 1}


@pytest.mark.parametrize("kept_bytes", [0, 10**6])
@pytest.mark.parametrize("strategy", [None, *BY_THRESHOLD])
def test_labels_in_bands_equal_the_literal_ones(
    strategy: BackgroundStrategy | None, kept_bytes: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("freeda_segment.pixels.labelling._KEPT_BYTES", kept_bytes)
    background = Background(strategy, 0.5) if strategy else None
    check(5, (31, 33), 3, 0.8, background, 3000, band_pixels=100)
    check(5, (31, 33), 3, 0.8, background, 10**6, band_pixels=1)


@pytest.mark.parametrize("strategy", [None, *BY_THRESHOLD])
def test_labels_equal_the_literal_ones_with_refinement(strategy: BackgroundStrategy | None) -> None:
    background = Background(strategy, 0.5) if strategy else None
    check(5, (20, 33), 3, 0.8, background, 3000, Pamr(2, (1, 3)))


def test_background_takes_what_resembles_no_class() -> None:
    result = check(11, (40, 40), 2, 1.0, Background(BackgroundStrategy.LOCAL, 0.6), 10**6)
    assert set(np.unique(result.labels)) > {-1}


def test_of_equal_scores_the_first_class_wins_and_background_over_all() -> None:
    labels = np.zeros((6, 6), np.int32)
    window = WindowScores(
        labels,
        np.array([True]),
        np.array([[0.2, 0.6, 0.6]], np.float32),
        np.full((2, 2, 3), 0.5, np.float32),
        np.zeros(3, np.float32),
    )
    box = window_boxes((6, 6), 6, 6)
    picture = np.zeros((6, 6, 3), np.uint8)
    for chunk_bytes in (1, 10**6):
        result = label_pixels(LabelRequest(picture, (9, 9), box, (window,), 1.0), chunk_bytes)
        assert (result.labels == 1).all()
    tied = Background(BackgroundStrategy.CONSTANT, float(np.float32(0.6)))
    result = label_pixels(LabelRequest(picture, (6, 6), box, (window,), 1.0, tied))
    assert (result.labels == -1).all()


@pytest.mark.parametrize("threshold", [-0.1, 1.5, float("nan")])
def test_a_threshold_outside_its_range_is_refused(threshold: float) -> None:
    with pytest.raises(OptionError, match="threshold"):
        Background(threshold=threshold)


def test_an_unknown_strategy_is_refused() -> None:
    with pytest.raises(OptionError, match="auto, bank, constant, local, winner"):
        Background("sky")  # type: ignore[arg-type]
