"""The random walk over superpixels: against a literal one, and what must hold of any."""

from __future__ import annotations

import dataclasses
from random import Random

import literal
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from skimage.color import rgb2lab

from freeda_models.protocols import ImageArray
from freeda_segment.pixels.labelling import LabelRequest, label_pixels
from freeda_segment.pixels.random_walk import walk
from freeda_segment.pixels.refinement import RandomWalk, Refinement
from freeda_segment.regions.similarity import WindowScores, region_weights
from freeda_segment.regions.windows import window_boxes

WALK = RandomWalk()


def random_window(
    seed: int,
    size_hw: tuple[int, int] = (13, 17),
    grid_hw: tuple[int, int] = (3, 4),
    count: int = 9,
    classes: int = 3,
    holes: bool = False,
) -> tuple[WindowScores, ImageArray]:
    """Superpixels around random seeds, colours that some of them share, and random scores."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[: size_hw[0], : size_hw[1]]
    places = rng.random((count, 2)) * size_hw
    distance = (rows[..., None] - places[:, 0]) ** 2 + (columns[..., None] - places[:, 1]) ** 2
    _, places_of = np.unique(distance.argmin(-1), return_inverse=True)
    labels: NDArray[np.int32] = places_of.reshape(size_hw).astype(np.int32)
    found = labels.max() + 1
    palette = rng.integers(0, 256, (4, 3))
    colours = palette[rng.integers(0, 4, found)] + rng.integers(-2, 3, (found, 3))
    picture = np.clip(colours[labels], 0, 255).astype(np.uint8)
    covered = np.asarray(region_weights(labels, grid_hw).sum(axis=1)).ravel() > 0
    if holes:
        labels[labels == found - 1] = -1
        found, covered = found - 1, covered[:-1]
    window = WindowScores(
        labels,
        covered,
        rng.uniform(0.3, 0.7, (found, classes)).astype(np.float32),
        rng.uniform(0.3, 0.7, (*grid_hw, classes)).astype(np.float32),
        rng.uniform(0, 0.3, classes).astype(np.float32),
    )
    return window, picture


@settings(max_examples=15)
@given(st.integers(0, 10_000), st.integers(1, 4), st.integers(0, 2), st.booleans())
def test_it_equals_the_literal_one(seed: int, classes: int, reach: int, holes: bool) -> None:
    window, picture = random_window(seed, classes=classes, holes=holes)
    options = RandomWalk(reach=reach, step=20.0, likeness=10.0)
    lab = rgb2lab(picture.astype(np.float32) / np.float32(255))
    expected = literal.walk(window.labels, window.regions, window.covered, window.tokens, lab, options)
    walked = walk(window, picture, options)
    assert walked.covered.all()
    np.testing.assert_allclose(walked.regions, expected, atol=1e-4)


@settings(max_examples=25)
@given(st.integers(0, 10_000))
def test_scores_stay_within_those_of_the_class(seed: int) -> None:
    window, picture = random_window(seed)
    walked = walk(window, picture, WALK)
    lowest = np.minimum(window.regions.min(axis=0), window.tokens.min(axis=(0, 1)))
    highest = np.maximum(window.regions.max(axis=0), window.tokens.max(axis=(0, 1)))
    assert (walked.regions >= lowest - 1e-5).all()
    assert (walked.regions <= highest + 1e-5).all()


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.permutations(range(3)))
def test_the_order_of_the_classes_does_not_matter(seed: int, order: list[int]) -> None:
    window, picture = random_window(seed)
    turned = dataclasses.replace(
        window,
        regions=window.regions[:, order],
        tokens=window.tokens[:, :, order],
        global_score=window.global_score[list(order)],
    )
    np.testing.assert_allclose(
        walk(turned, picture, WALK).regions, walk(window, picture, WALK).regions[:, order], atol=1e-5
    )


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.randoms(use_true_random=False))
def test_the_numbers_of_the_superpixels_do_not_matter(seed: int, random: Random) -> None:
    window, picture = random_window(seed)
    new = list(range(len(window.covered)))
    random.shuffle(new)
    old = np.argsort(new)
    renumbered = dataclasses.replace(
        window,
        labels=np.array(new, np.int32)[window.labels],
        covered=window.covered[old],
        regions=window.regions[old],
    )
    np.testing.assert_allclose(
        walk(renumbered, picture, WALK).regions, walk(window, picture, WALK).regions[old], atol=1e-4
    )


def test_a_picture_of_one_superpixel_or_none_keeps_its_scores() -> None:
    window, picture = random_window(1, count=1)
    assert walk(window, picture, WALK) is window
    bare = dataclasses.replace(
        window,
        labels=np.full_like(window.labels, -1),
        covered=np.zeros(0, bool),
        regions=np.zeros((0, 3), np.float32),
    )
    assert walk(bare, picture, WALK) is bare


def test_superpixels_that_agree_keep_their_scores() -> None:
    window, picture = random_window(3)
    same = dataclasses.replace(
        window,
        regions=np.broadcast_to(window.regions[0], window.regions.shape),
        tokens=np.broadcast_to(window.regions[0], window.tokens.shape),
    )
    np.testing.assert_allclose(walk(same, picture, WALK).regions, same.regions, atol=1e-5)


def two_halves_with_a_sliver(sliver_rgb: tuple[int, int, int]) -> tuple[WindowScores, ImageArray]:
    """Sky over grass, and between them a superpixel of two rows that says nothing clearly."""
    labels = np.zeros((32, 32), np.int32)
    labels[15:17], labels[17:] = 1, 2
    picture = np.empty((32, 32, 3), np.uint8)
    picture[:15], picture[15:17], picture[17:] = (120, 180, 240), sliver_rgb, (105, 170, 60)
    regions = np.array([[0.7, 0.4], [0.56, 0.55], [0.4, 0.7]], np.float32)
    tokens = np.full((4, 4, 2), 0.5, np.float32)
    return WindowScores(labels, np.ones(3, bool), regions, tokens, np.zeros(2, np.float32)), picture


@pytest.mark.parametrize(("sliver_rgb", "winner"), [((118, 178, 238), 0), ((108, 172, 64), 1)])
def test_a_sliver_goes_with_what_has_its_colour(sliver_rgb: tuple[int, int, int], winner: int) -> None:
    window, picture = two_halves_with_a_sliver(sliver_rgb)
    walked = walk(window, picture, WALK)
    assert walked.regions.argmax(axis=1).tolist() == [0, winner, 1]


def request(window: WindowScores, picture: ImageArray, refinement: Refinement | None) -> LabelRequest:
    size_hw = (picture.shape[0], picture.shape[1])
    return LabelRequest(
        picture, size_hw, window_boxes(size_hw, max(size_hw), max(size_hw)), (window,), 0.9, None, refinement
    )


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.sampled_from([(1,), (1, 2), (2, 4)]))
def test_pixels_change_only_near_borders_and_to_what_is_shown(seed: int, dilations: tuple[int, ...]) -> None:
    window, picture = random_window(seed, size_hw=(30, 34), count=6)
    rough = label_pixels(request(window, picture, RandomWalk(iterations=0))).labels
    fine = label_pixels(request(window, picture, RandomWalk(dilations=dilations))).labels
    assert set(np.unique(fine)) <= set(np.unique(rough))
    rows, columns = np.nonzero(fine != rough)
    for y, x in zip(rows, columns, strict=True):
        reach = max(dilations)
        around = rough[max(y - reach, 0) : y + reach + 1, max(x - reach, 0) : x + reach + 1]
        assert len(np.unique(around)) > 1


@settings(max_examples=15)
@given(st.integers(0, 10_000), st.sampled_from([1, 2000, 10**6]), st.sampled_from([40, 10**6]))
def test_blocks_and_bands_do_not_matter(seed: int, chunk_bytes: int, band_pixels: int) -> None:
    window, picture = random_window(seed, classes=5)
    whole = label_pixels(request(window, picture, WALK))
    parted = label_pixels(request(window, picture, WALK), chunk_bytes, band_pixels)
    np.testing.assert_array_equal(parted.labels, whole.labels)
    np.testing.assert_allclose(parted.scores, whole.scores, atol=1e-6)


def test_what_is_not_kept_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    window, picture = random_window(4, classes=5)
    whole = label_pixels(request(window, picture, WALK))
    monkeypatch.setattr("freeda_segment.pixels.labelling._KEPT_REFINED_BYTES", 0)
    parted = label_pixels(request(window, picture, WALK), 1, 40)
    np.testing.assert_array_equal(parted.labels, whole.labels)
