from __future__ import annotations

from typing import Any

import literal
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from freeda_segment.errors import OptionError
from freeda_segment.pixels.pamr import PixelMixing, refine
from freeda_segment.pixels.refinement import Pamr, RandomWalk, parse_refinement


@settings(max_examples=12)
@given(
    st.integers(1, 9),
    st.integers(1, 9),
    st.integers(1, 3),
    st.lists(st.sampled_from([1, 2, 4, 8, 12, 24]), min_size=1, max_size=3, unique=True),
    st.integers(0, 1000),
)
def test_pamr_equals_the_literal_one(
    height: int, width: int, iterations: int, dilations: Any, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (3, height, width)).astype(np.float32)
    scores = rng.random((4, height, width)).astype(np.float32)
    refined = refine(torch.from_numpy(image), torch.from_numpy(scores), iterations, tuple(dilations))
    expected = literal.pamr(image, scores, iterations, dilations)
    np.testing.assert_allclose(refined.numpy(), expected, atol=1e-5)
    picture = image.transpose(1, 2, 0).astype(np.uint8)
    PixelMixing(picture, np.ones((height, width), bool), tuple(dilations)).apply(
        torch.from_numpy(scores), iterations
    )
    np.testing.assert_allclose(scores, expected, atol=1e-4)


@settings(max_examples=20)
@given(st.integers(0, 1000), st.integers(1, 4))
def test_pamr_of_some_pixels_leaves_the_others_and_reads_them(seed: int, iterations: int) -> None:
    rng = np.random.default_rng(seed)
    picture = rng.integers(0, 256, (9, 11, 3), dtype=np.uint8)
    scores = rng.random((3, 9, 11)).astype(np.float32)
    chosen = rng.random((9, 11)) < 0.3
    before = scores.copy()
    PixelMixing(picture, chosen, (1, 2)).apply(torch.from_numpy(scores), iterations)
    np.testing.assert_array_equal(scores[:, ~chosen], before[:, ~chosen])
    one_round = literal.pamr(picture.transpose(2, 0, 1), before, 1, (1, 2))
    if iterations == 1:
        np.testing.assert_allclose(scores[:, chosen], one_round[:, chosen], atol=1e-4)


def test_pamr_pulls_scores_to_the_edge_of_the_colours() -> None:
    image = torch.zeros(3, 20, 20)
    image[:, :, 10:] = 255
    scores = torch.zeros(2, 20, 20)
    scores[0, :, :8], scores[1, :, 8:] = 1, 1  # the border lies two columns too far left
    refined = refine(image, scores, 10, (1, 2, 4))
    assert (refined.argmax(0)[:, :8] == 0).all()
    assert (refined.argmax(0)[:, 10:] == 1).all()
    np.testing.assert_allclose(refined.sum(0).numpy(), 1, atol=1e-5)


def test_a_flat_picture_gives_finite_scores() -> None:
    refined = refine(torch.zeros(3, 5, 5), torch.rand(2, 5, 5), 10, (1, 2))
    assert torch.isfinite(refined).all()


@pytest.mark.parametrize("options", [{"iterations": 0}, {"dilations": ()}, {"dilations": (0,)}])
def test_bad_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match="PAMR"):
        Pamr(**options)


@pytest.mark.parametrize(
    "options",
    [{"step": 0.0}, {"likeness": -1.0}, {"sure": float("nan")}, {"tie": -0.1}, {"near": float("inf")}],
)
def test_a_walk_outside_its_range_is_refused(options: dict[str, Any]) -> None:
    (name,) = options
    with pytest.raises(OptionError, match=f"the walk's {name} is"):
        RandomWalk(**options)
    with pytest.raises(OptionError, match="PAMR"):
        RandomWalk(dilations=(0,))


def test_refinements_are_found_by_name() -> None:
    assert [parse_refinement(name) for name in ("none", "walk", "pamr")] == [None, RandomWalk(), Pamr()]
    with pytest.raises(OptionError, match="walk, pamr, none"):
        parse_refinement("brush")
