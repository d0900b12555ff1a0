"""Examples beside drawings: the nearest counts, unless what was beside it is nearer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from freeda_segment.retrieval.bank_nouns import Likeness
from freeda_segment.retrieval.learned_classes import LearnedClasses

AXES = np.eye(4, dtype=np.float32)
LEARNED = LearnedClasses(
    looks=AXES[[0, 1, 2]],
    owners=np.array([0, 0, 2]),
    whole=np.array([True, True, True]),
    rest=AXES[[3]],
    rest_owners=np.array([0]),
    undrawn=np.array([False, False, True]),
)


def test_the_nearest_example_of_each_class_counts() -> None:
    feature = np.array([[0.6, 0.8, 0, 0]], dtype=np.float32)
    assert np.allclose(LEARNED.cosines(feature), np.array([[0.8, -1, 0]]), atol=1e-6)


def test_what_resembles_the_rest_more_is_not_it() -> None:
    feature = np.array([[0.6, 0, 0.1, 0.7]], dtype=np.float32)
    assert np.allclose(LEARNED.cosines(feature), np.array([[-1, -1, 0.1]]), atol=1e-6)


def test_several_examples_are_discounted_and_one_is_not() -> None:
    found = LEARNED.discounted(Likeness(unrelated=0.4, same=0.8))
    assert np.allclose(np.asarray(found.discounts), np.array([0.1, 0, 0]), atol=1e-6)
    feature = np.array([[0.6, 0.8, 0, 0], [0, 0, 1, 0], [-1, -1, 0, 0]], dtype=np.float32)
    expected = np.array([[0.7, -1, 0], [-0.1, -1, 1], [-1, -1, 0]])
    assert np.allclose(found.cosines(feature), expected, atol=1e-6)
    assert LEARNED.discounted(None) is LEARNED


@pytest.mark.parametrize("rest", [0, 1])
def test_nothing_beside_an_example_takes_nothing_away(rest: int) -> None:
    alone = replace(LEARNED, rest=LEARNED.rest[:rest], rest_owners=LEARNED.rest_owners[:rest])
    expected = -1 if rest else 0
    assert alone.cosines(AXES[[3]])[0, 0] == expected
