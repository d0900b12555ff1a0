"""Points that no text finds, in all engines and for readers: regions that nobody named."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from engine_makers import SIZES, Holding, make_points
from test_region_search import CLIP, with_semantics

from freeda_store.records import REGION, Direction, Origin
from freeda_store.vectors.filters import PointFilter, View, parse_filter
from freeda_store.vectors.protocol import Point, VectorStore


def unlabelled(count: int, *, seed: int = 3) -> list[Point]:
    """Points with visual and semantic vectors, without text vector and noun."""
    told: dict[str, Any] = {"noun": "", "kind": REGION, "origin": Origin.UNLABELLED.value, "span": [0, 0]}
    return [
        Point(p.id, None, p.visual, {**p.payload, **told}, p.semantic)
        for p in with_semantics(make_points(count, seed=seed), every=1)
    ]


def ids_of(points: list[Point]) -> set[object]:
    return {point.id for point in points}


def test_no_text_finds_them(holding: Holding) -> None:
    named, regions = with_semantics(make_points(30)), unlabelled(40)
    held = holding([*regions[:20], *named, *regions[20:]])
    queries = np.random.default_rng(1).standard_normal((4, SIZES.text)).astype(np.float32)
    for hits in held.nearest(queries, 70, PointFilter(view=View(((1, 4),)))):
        assert not set(hits.ids) & ids_of(regions)
    for query, hits in zip(queries, held.nearest(queries, 70, PointFilter()), strict=True):
        cosines = {p.id: float(p.text @ query) for p in named if p.text is not None}
        assert list(hits.ids) == sorted(cosines, key=lambda id_: -cosines[id_])
    for hits in held.nearest(queries, 5, PointFilter(parse_filter(["origin=unlabelled"]))):
        assert hits.ids == ()
        assert hits.similarities.shape == (0,)


def test_regions_find_them_and_filters_know_them(holding: Holding) -> None:
    named, regions = with_semantics(make_points(30)), unlabelled(40)
    held = holding([*named, *regions])
    query = regions[7].visual[None]
    (hits,) = held.nearest(query, 70, PointFilter(), Direction.REGIONS)
    assert set(hits.ids) == ids_of(named) | ids_of(regions)
    assert hits.ids[0] == regions[7].id
    for expression, expected in (
        ("origin=unlabelled", regions),
        ("kind=region", regions),
        ("noun=", regions),
        ("noun!=", named),
        ("origin!=unlabelled", named),
    ):
        where = PointFilter(parse_filter([expression]))
        (hits,) = held.nearest(query, 70, where, Direction.REGIONS)
        assert set(hits.ids) == ids_of(expected)
        assert held.count(where) == len(expected)
        assert {id_ for id_, _ in held.scroll(where)} == ids_of(expected)


def test_their_vectors_come_back_with_zeros_for_the_text(holding: Holding) -> None:
    named, regions = with_semantics(make_points(6)), unlabelled(5)
    points = [*regions[:2], *named, *regions[2:]]
    held = holding(points)
    found = held.fetch([p.id for p in points], texts=True, visuals=True, semantics=True)
    assert found.ids == tuple(p.id for p in points)
    assert (found.texts.shape, found.semantics.shape) == ((11, SIZES.text), (11, CLIP))
    for point, text, visual, payload in zip(points, found.texts, found.visuals, found.payloads, strict=True):
        if point.text is None:
            assert not text.any()
            assert (payload["noun"], payload["origin"]) == ("", "unlabelled")
        else:
            np.testing.assert_allclose(text, point.text, atol=1e-6)
        np.testing.assert_allclose(visual, point.visual, rtol=1e-3)
    texts = held.fetch([regions[0].id], texts=True)
    assert texts.ids == (regions[0].id,)
    assert texts.texts.shape == (1, SIZES.text)


def test_a_store_of_them_alone_answers(holding: Holding) -> None:
    regions = unlabelled(9)
    held = holding(regions)
    query = np.ones((2, SIZES.text), dtype=np.float32)
    assert [hits.ids for hits in held.nearest(query, 3, PointFilter())] == [(), ()]
    (hits,) = held.nearest(regions[0].visual[None], 3, PointFilter(), Direction.REGIONS)
    assert hits.ids[0] == regions[0].id


def test_merging_changes_nothing(store: VectorStore) -> None:
    named, regions = with_semantics(make_points(700)), unlabelled(700)
    store.upsert([*named, *regions])
    queries = np.random.default_rng(2).standard_normal((3, SIZES.text)).astype(np.float32)
    before = store.nearest(queries, 50, PointFilter())
    store.flush()
    store.optimize()
    assert [each.ids for each in store.nearest(queries, 50, PointFilter())] == [each.ids for each in before]
    found = store.fetch([p.id for p in regions], texts=True, semantics=True)
    assert not found.texts.any()
    np.testing.assert_array_equal(found.semantics, [p.semantic for p in regions])


@pytest.mark.parametrize("first", ["named", "unlabelled"])
def test_a_point_gets_and_loses_its_text_vector(store: VectorStore, first: str) -> None:
    (named,) = with_semantics(make_points(1))
    without = Point(named.id, None, named.visual, {**named.payload, "noun": ""}, named.semantic)
    pair = [named, without] if first == "named" else [without, named]
    for point in pair:
        store.upsert([point])
        (hits,) = store.nearest(np.ones((1, SIZES.text), np.float32), 3, PointFilter())
        assert hits.ids == (() if point.text is None else (named.id,))
