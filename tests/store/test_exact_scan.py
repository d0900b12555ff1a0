"""The scan of visual vectors misses nothing, whatever they are, and its bounds hold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from freeda_store.vectors import candidates, codes, distinct, scan
from freeda_store.vectors.codes import Codes, directions, encode, rounding, slack
from freeda_store.vectors.scan import VisualScan

WIDTHS = (1, 3, 16, 64)
KINDS = ("spread", "clusters", "few values", "one spike", "nearly alike", "zeros among them")


def vectors_of(kind: str, count: int, width: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Vectors as float16 holds them, of different lengths."""
    rows = rng.standard_normal((count, width))
    if kind == "clusters":
        rows = rng.standard_normal((4, width))[rng.integers(0, 4, count)] + 0.1 * rows
    elif kind == "few values":
        rows = rng.integers(-1, 2, size=(count, width)).astype(np.float64)
    elif kind == "one spike":
        rows[:, 0] += 100 * rng.integers(0, 2, count)
    elif kind == "nearly alike":
        rows = rng.standard_normal(width) + 1e-3 * rows
    elif kind == "zeros among them":
        rows[rng.random(count) < 0.3] = 0
    same = rng.random(count) < 0.3
    rows[same] = rows[rng.integers(0, count, int(same.sum()))]
    return (rows * rng.uniform(0.1, 50, (count, 1))).astype(np.float16).astype(np.float32)


def by_hand(rows: NDArray[np.float32], queries: NDArray[np.float32]) -> NDArray[np.float64]:
    """All cosines by the plain product, float64 (Q, N); 0 with a vector of length 0."""
    units = []
    for each in (directions(queries).astype(np.float64), rows.astype(np.float64)):
        lengths = np.linalg.norm(each, axis=1, keepdims=True)
        units.append(each / np.where(lengths > 0, lengths, 1))
    return np.asarray(units[0] @ units[1].T)


@given(
    kind=st.sampled_from(KINDS),
    width=st.sampled_from(WIDTHS),
    count=st.integers(1, 400),
    k=st.integers(1, 60),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=150, deadline=None)
def test_what_is_found_is_what_the_plain_product_finds(
    kind: str, width: int, count: int, k: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    rows = vectors_of(kind, count, width, rng)
    queries = np.concatenate([rows[:2], rng.standard_normal((3, width)).astype(np.float32)])
    places = np.flatnonzero(rng.random(count) < 0.8)
    made = VisualScan.of(lambda chosen: rows[chosen], count, width)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scan, "_FIRST_SIMILARITIES", 200)
        patch.setattr(scan, "_SIMILARITIES", 300)
        patch.setattr(candidates, "_PATIENCE", 1)
        answers = made.nearest(queries, k, places)
    for cosines, found in zip(by_hand(rows, queries)[:, places], answers, strict=True):
        assert len(found.places) == min(k, len(places))
        assert set(found.places) <= set(places)
        mine = cosines[np.searchsorted(places, found.places)]
        np.testing.assert_allclose(found.similarities, mine, atol=1e-6)
        np.testing.assert_allclose(np.sort(mine)[::-1], np.sort(cosines)[::-1][: len(mine)], atol=1e-6)
        assert (np.diff(found.similarities) <= 0).all()
        ties = np.diff(found.similarities) == 0
        assert (np.diff(found.places)[ties] > 0).all()
        cut = found.similarities[-1:]
        alike = [p for p in places if len(cut) and (rows[p] == rows[found.places[-1]]).all()]
        assert alike[: np.isin(alike, found.places).sum()] == sorted(set(alike) & set(found.places.tolist()))


@pytest.mark.parametrize("kept", [2**32, 0])
def test_answers_do_not_hang_on_what_is_kept_or_asked_beside(
    monkeypatch: pytest.MonkeyPatch, kept: int
) -> None:
    monkeypatch.setattr(distinct, "_KEPT_NUMBERS", kept)
    rng = np.random.default_rng(4)
    rows = vectors_of("clusters", 3000, 32, rng)
    queries = rng.standard_normal((7, 32)).astype(np.float32)
    made, everywhere = VisualScan.of(lambda chosen: rows[chosen], 3000, 32), np.arange(3000)
    together = made.nearest(queries, 20, everywhere)
    for query, found in zip(queries, together, strict=True):
        (alone,) = made.nearest(query[None], 20, everywhere)
        assert alone.places.tolist() == found.places.tolist()
        assert alone.similarities.tolist() == found.similarities.tolist()


@given(kind=st.sampled_from(KINDS), width=st.sampled_from(WIDTHS), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=80, deadline=None)
def test_products_of_8_bits_are_within_their_bound(kind: str, width: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows, queries = vectors_of(kind, 60, width, rng), rng.standard_normal((9, width)).astype(np.float32)
    kept, asked = encode(directions(rows)), encode(directions(queries))
    products = codes.by_floats(kept, asked) * asked.scales
    off = slack(asked, float(kept.errors.max()), width)
    assert (np.abs(products.T - by_hand(rows, queries)) <= off[:, None] + 1e-7).all()
    np.testing.assert_array_equal(codes.by_whole_numbers(kept, asked), codes.by_floats(kept, asked))


def test_extreme_whole_numbers_are_multiplied_without_overflow() -> None:
    ones = np.ones(3, dtype=np.float32)
    signs = np.array([[1], [-1], [1]], dtype=np.int8)
    made = Codes(np.repeat(127 * signs, 1024, axis=1), ones, ones)
    expected = (signs.astype(np.float32) @ signs.T.astype(np.float32)) * (127 * 127 * 1024)
    np.testing.assert_array_equal(codes.fastest_product()(made, made), expected)


def test_a_value_that_is_not_finite_is_refused() -> None:
    rows = np.ones((5, 4), dtype=np.float32)
    rows[3, 2] = np.inf
    with pytest.raises(ValueError, match="not finite"):
        VisualScan.of(lambda chosen: rows[chosen], 5, 4).nearest(rows[:1], 2, np.arange(5))


def test_the_bound_of_rounding_grows_with_the_width() -> None:
    assert 0 < rounding(16) < rounding(1024) < 1e-3
