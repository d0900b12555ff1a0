from __future__ import annotations

from typing import Any

import literal
import numpy as np
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from freeda_models.unit_vectors import normalised
from freeda_segment.classes import ClassName
from freeda_segment.regions.sampling import axis_samples
from freeda_segment.regions.similarity import (
    PixelScores,
    pool_regions,
    region_weights,
    score_window,
)
from freeda_segment.retrieval.prototypes import ClassPrototypes

sides = st.integers(1, 70)
grids = st.integers(1, 12)
seeds = st.integers(0, 2**32 - 1)


def to_pixels(scores: Any, classes: slice) -> torch.Tensor:
    return PixelScores(scores).local(classes)


def make_prototypes(
    rng: np.random.Generator, classes: int, each: int, dim: int
) -> tuple[ClassPrototypes, np.ndarray]:
    raw = rng.standard_normal((classes, each, dim)).astype(np.float32)
    clip = normalised(rng.standard_normal((classes, 5)).astype(np.float32))
    starts = np.arange(classes)
    names = tuple(ClassName((f"class {index}",)) for index in range(classes))
    return (
        ClassPrototypes(names, normalised(raw.reshape(-1, dim)), starts * each, clip, starts),
        raw,
    )


def label_map(rng: np.random.Generator, height: int, width: int, regions: int) -> np.ndarray:
    """Blobs and single pixels, so that many regions touch no sampled point; numbered without gaps."""
    centres = rng.integers(0, (height, width), (regions, 2))
    distance = np.abs(np.indices((height, width)).reshape(2, -1, 1) - centres.T[:, None, :]).sum(0)
    labels = distance.argmin(1).reshape(height, width)
    specks = rng.random((height, width)) < 0.1
    labels[specks] = regions + np.arange(int(specks.sum()))
    return np.unique(labels, return_inverse=True)[1].reshape(height, width).astype(np.int32)


@given(st.integers(1, 600), st.integers(1, 40))
def test_samples_equal_torch(pixels: int, tokens: int) -> None:
    samples = axis_samples(pixels, tokens)
    dense = np.zeros((pixels, tokens), np.float32)
    columns = np.arange(tokens)
    np.add.at(dense, (samples.low, columns), np.float32(1) - samples.weight)
    np.add.at(dense, (samples.high, columns), samples.weight)
    expected = F.interpolate(
        torch.eye(pixels)[:, None, :, None], (tokens, 1), mode="bilinear", align_corners=True
    )
    resampled = expected[:, 0, :, 0].numpy()
    last_bit = pixels * 2.0**-23  # of a position; torch may fuse what numpy rounds in between
    np.testing.assert_allclose(dense, resampled, rtol=0, atol=last_bit)
    beyond = (resampled > last_bit) | (resampled == 0) & (dense > last_bit)
    assert ((dense > 0) == (resampled > 0))[beyond].all()


@given(sides, sides, grids, grids, seeds)
def test_weights_equal_resampled_masks(height: int, width: int, rows: int, columns: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = label_map(rng, height, width, int(rng.integers(1, 9)))
    masks = torch.from_numpy(labels)[None] == torch.arange(labels.max() + 1)[:, None, None]
    expected = F.interpolate(masks[:, None].float(), (rows, columns), mode="bilinear", align_corners=True)
    weights = region_weights(labels, (rows, columns))
    np.testing.assert_allclose(weights.toarray(), expected.flatten(1).numpy(), atol=1e-5)
    assert weights.nnz <= 4 * rows * columns


@given(sides, sides, grids, grids, st.integers(1, 6), st.integers(1, 3), seeds)
def test_scores_equal_the_literal_ones(
    height: int, width: int, rows: int, columns: int, classes: int, each: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    tokens = rng.standard_normal((rows, columns, 7)).astype(np.float32)
    labels = label_map(rng, height, width, int(rng.integers(1, 9)))
    prototypes, raw = make_prototypes(rng, classes, each, 7)
    embedding = normalised(rng.standard_normal(5).astype(np.float32))
    scores = score_window(labels, pool_regions(tokens, labels), normalised(tokens), embedding, prototypes)
    expected = literal.region_scores(tokens, labels, raw)
    np.testing.assert_allclose(to_pixels(scores, slice(0, classes)).numpy(), expected.numpy(), atol=1e-5)
    np.testing.assert_allclose(scores.global_score, prototypes.embeddings @ embedding, atol=1e-6)
    part = to_pixels(scores, slice(classes // 2, classes))
    np.testing.assert_allclose(part.numpy(), expected[classes // 2 :].numpy(), atol=1e-5)


def test_a_superpixel_that_touches_no_sample_keeps_the_patch_similarity() -> None:
    rng = np.random.default_rng(0)
    labels = np.zeros((9, 9), np.int32)
    labels[1, 1] = 1
    tokens = rng.standard_normal((3, 3, 4)).astype(np.float32)
    regions = pool_regions(tokens, labels)
    assert regions.covered.tolist() == [True, False]
    prototypes, _ = make_prototypes(rng, 2, 1, 4)
    pixels = to_pixels(
        score_window(labels, regions, normalised(tokens), np.ones(5, np.float32), prototypes), slice(0, 2)
    )
    patch = 1 / (1 + np.exp(-(normalised(tokens) @ prototypes.vectors.T)))
    weights = np.outer([0.75, 0.25], [0.75, 0.25])
    expected = (patch[:2, :2] * weights[:, :, None]).sum((0, 1))
    np.testing.assert_allclose(pixels[:, 1, 1].numpy(), expected, atol=1e-6)


def test_without_superpixels_every_pixel_keeps_the_patch_similarity() -> None:
    rng = np.random.default_rng(1)
    labels = np.full((10, 14), -1, np.int32)
    tokens = rng.standard_normal((4, 5, 6)).astype(np.float32)
    prototypes, raw = make_prototypes(rng, 3, 1, 6)
    scores = score_window(
        labels, pool_regions(tokens, labels), normalised(tokens), np.ones(5, np.float32), prototypes
    )
    np.testing.assert_allclose(
        to_pixels(scores, slice(0, 3)).numpy(), literal.region_scores(tokens, labels, raw).numpy(), atol=1e-5
    )


def test_a_map_with_holes_mixes_regions_and_patches() -> None:
    rng = np.random.default_rng(2)
    labels = label_map(rng, 20, 20, 3)
    labels[5:15, 5:15] = -1
    labels = np.where(labels > 2, -1, labels).astype(np.int32)
    tokens = rng.standard_normal((6, 6, 6)).astype(np.float32)
    prototypes, raw = make_prototypes(rng, 3, 2, 6)
    scores = score_window(
        labels, pool_regions(tokens, labels), normalised(tokens), np.ones(5, np.float32), prototypes
    )
    np.testing.assert_allclose(
        to_pixels(scores, slice(0, 3)).numpy(), literal.region_scores(tokens, labels, raw).numpy(), atol=1e-5
    )


def test_zero_tokens_give_no_nan() -> None:
    tokens = np.zeros((2, 2, 3), np.float32)
    labels = np.zeros((4, 4), np.int32)
    regions = pool_regions(tokens, labels)
    assert not regions.covered.any()
    assert np.isfinite(regions.vectors).all()
