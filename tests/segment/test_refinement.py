from __future__ import annotations

from typing import Any

import literal
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from freeda_segment.errors import OptionError
from freeda_segment.pixels.refinement import Refinement, refine


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
    options = Refinement(iterations, tuple(dilations))
    refined = refine(torch.from_numpy(image), torch.from_numpy(scores), options)
    np.testing.assert_allclose(refined.numpy(), literal.pamr(image, scores, iterations, dilations), atol=1e-5)


def test_pamr_pulls_scores_to_the_edge_of_the_colours() -> None:
    image = torch.zeros(3, 20, 20)
    image[:, :, 10:] = 255
    scores = torch.zeros(2, 20, 20)
    scores[0, :, :8], scores[1, :, 8:] = 1, 1  # the border lies two columns too far left
    refined = refine(image, scores, Refinement(dilations=(1, 2, 4)))
    assert (refined.argmax(0)[:, :8] == 0).all()
    assert (refined.argmax(0)[:, 10:] == 1).all()
    np.testing.assert_allclose(refined.sum(0).numpy(), 1, atol=1e-5)


def test_a_flat_picture_gives_finite_scores() -> None:
    refined = refine(torch.zeros(3, 5, 5), torch.rand(2, 5, 5), Refinement())
    assert torch.isfinite(refined).all()


@pytest.mark.parametrize("options", [{"iterations": 0}, {"dilations": ()}, {"dilations": (0,)}])
def test_bad_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match="PAMR"):
        Refinement(**options)
