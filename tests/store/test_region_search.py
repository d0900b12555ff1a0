"""Visual vectors searched and semantic vectors kept, by all engines and by readers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from engine_makers import SIZES, Holding, make_points, shown
from presence import present

from freeda_store.errors import StorageError
from freeda_store.records import Direction
from freeda_store.vectors.filters import PointFilter, View, parse_filter
from freeda_store.vectors.protocol import Point, VectorSizes, VectorStore
from freeda_store.vectors.scan import VisualScan

CLIP = 12


def directions(points: list[Point]) -> np.ndarray:
    rows = np.stack([p.visual for p in points]).astype(np.float16).astype(np.float64)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def with_semantics(points: list[Point], *, every: int = 2) -> list[Point]:
    """Points of which each ``every``-th has a semantic vector."""
    rng = np.random.default_rng(3)
    made = []
    for index, p in enumerate(points):
        row = rng.standard_normal(CLIP)
        half = (row / np.linalg.norm(row)).astype(np.float16).astype(np.float32)
        made.append(Point(p.id, p.text, p.visual, p.payload, half if index % every == 0 else None))
    return made


def test_regions_are_found_by_the_angle_between_visual_vectors(holding: Holding) -> None:
    """Long vectors would win by their dot products: these differ in length by a factor of 100."""
    points = [
        Point(p.id, p.text, p.visual * (0.05 if index % 3 else 5), p.payload)
        for index, p in enumerate(make_points(400))
    ]
    held = holding(points)
    queries = 7 * np.random.default_rng(1).standard_normal((6, SIZES.visual)).astype(np.float32)
    view = View(((1, 2),))
    visible = [point for point in points if shown(point, view)]
    cosines = queries / np.linalg.norm(queries, axis=1, keepdims=True) @ directions(visible).T
    answers = held.nearest(queries, 20, PointFilter(view=view), Direction.REGIONS)
    assert len(answers) == len(queries)
    for row, hits in zip(cosines, answers, strict=True):
        best = np.argsort(-row)[:20]
        place_of = {point.id: place for place, point in enumerate(visible)}
        found = [place_of[id_] for id_ in hits.ids]
        assert hits.similarities.dtype == np.float32
        np.testing.assert_allclose(hits.similarities, row[best], atol=2e-3)
        np.testing.assert_allclose(row[found], row[best], atol=2e-3)


def test_filters_hold_for_regions_and_fewer_points_than_k(holding: Holding) -> None:
    points = make_points(60)
    held = holding(points)
    query = np.ones((1, SIZES.visual), np.float32)
    (hits,) = held.nearest(query, 100, PointFilter(parse_filter(["noun=bus"])), Direction.REGIONS)
    assert set(hits.ids) == {p.id for p in points if p.payload["noun"] == "bus"}
    (none,) = held.nearest(query, 5, PointFilter(parse_filter(["noun=nothing"])), Direction.REGIONS)
    assert none.ids == ()


def test_regions_with_one_visual_vector_are_in_the_order_of_ids(holding: Holding) -> None:
    template = make_points(120)
    same = [Point(p.id, p.text, template[0].visual, p.payload) for p in template]
    held = holding([*same, *make_points(90, seed=5)])
    (hits,) = held.nearest(template[0].visual[None], 30, PointFilter(), Direction.REGIONS)
    assert list(hits.ids) == sorted((p.id for p in same), key=lambda id_: id_.int)[:30]
    assert set(hits.similarities) == {hits.similarities[0]}


def test_semantic_vectors_come_back_bit_for_bit_and_may_be_missing(holding: Holding) -> None:
    points = with_semantics(make_points(30))
    held = holding(points)
    fetched = held.fetch([p.id for p in points], semantics=True)
    assert fetched.semantics.shape == (30, CLIP)
    assert fetched.texts.shape[0] == fetched.visuals.shape[0] == 0
    for point, row in zip(points, fetched.semantics, strict=True):
        if point.semantic is None:
            assert not row.any()
        else:
            np.testing.assert_array_equal(row, point.semantic)


def test_points_without_any_semantic_vector_have_no_columns_for_it(holding: Holding) -> None:
    points = make_points(4)
    fetched = holding(points).fetch([p.id for p in points], semantics=True)
    assert fetched.semantics.shape == (4, 0)


def test_semantic_vectors_can_be_given_later_and_replaced(store: VectorStore) -> None:
    points = make_points(5)
    store.upsert(points)
    rows = np.eye(CLIP, dtype=np.float32)[:3]
    store.set_semantics([p.id for p in points[:3]], rows)
    store.set_semantics([points[0].id], rows[2:])
    found = store.fetch([p.id for p in points], texts=True, semantics=True)
    np.testing.assert_array_equal(found.semantics[:4], [*rows[[2, 1, 2]], np.zeros(CLIP)])
    np.testing.assert_allclose(found.texts, [present(p.text) for p in points], atol=1e-6)
    store.upsert(with_semantics(make_points(2, seed=8), every=1))
    assert store.fetch([points[1].id], semantics=True).semantics[0].tolist() == rows[1].tolist()


def test_an_edge_store_of_an_earlier_version_takes_semantic_vectors_and_opens_again(tmp_path: Path) -> None:
    from freeda_store.vectors.edge import EdgeVectors

    old = EdgeVectors.create(tmp_path / "vectors", SIZES)
    points = make_points(600)
    old.upsert(points)
    assert old.sizes.semantic == 0
    new = with_semantics(make_points(3, seed=4), every=1)
    old.upsert(new)
    old.flush()
    old.optimize()
    old.close()
    again = EdgeVectors.load(tmp_path / "vectors")
    assert (again.sizes, again.sizes.semantic) == (SIZES, CLIP)
    assert again.count(PointFilter()) == 603
    found = again.fetch([points[0].id, new[1].id], semantics=True).semantics
    assert not found[0].any()
    np.testing.assert_array_equal(found[1], new[1].semantic)
    again.close()


def test_a_collection_of_an_earlier_version_asks_to_be_completed() -> None:
    from qdrant_client import QdrantClient

    from freeda_store.vectors.collection import DIRECTION, vectors_settings
    from freeda_store.vectors.server import ServerVectors

    client = QdrantClient(":memory:")
    vectors = {name: config for name, config in vectors_settings(SIZES).items() if name != DIRECTION}
    client.create_collection("old", vectors)
    held = ServerVectors.load(client, "old")
    points = make_points(300)
    held.upsert(points)
    query = points[5].visual[None]
    with pytest.raises(StorageError, match="bank complete"):
        held.nearest(query, 3, PointFilter(), Direction.REGIONS)
    assert held.complete_directions() == 300
    assert held.complete_directions() == 0
    (hits,) = held.nearest(query, 3, PointFilter(), Direction.REGIONS)
    assert hits.ids[0] == points[5].id
    assert hits.similarities[0] == pytest.approx(1, abs=1e-3)
    assert ServerVectors.load(client, "old").nearest(query, 1, PointFilter(), Direction.REGIONS)[0].ids


@pytest.mark.parametrize("kept", [2**27, 0])
def test_a_scan_gives_the_same_whether_directions_are_kept_or_read_anew(
    monkeypatch: pytest.MonkeyPatch, kept: int
) -> None:
    from freeda_store.vectors import distinct, scan

    monkeypatch.setattr(distinct, "_KEPT_NUMBERS", kept)
    monkeypatch.setattr(scan, "_FIRST_SIMILARITIES", 4096)
    rng = np.random.default_rng(2)
    rows = rng.standard_normal((3000, 16)).astype(np.float16).astype(np.float32)
    rows[1000:1010] = rows[5]
    made = VisualScan.of(lambda places: rows[places], len(rows), 16)
    places = np.flatnonzero(np.arange(3000) % 3 != 1)
    queries = rng.standard_normal((5, 16)).astype(np.float32)
    queries[0] = rows[5]
    units = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    cosines = queries / np.linalg.norm(queries, axis=1, keepdims=True) @ units[places].T
    for found, row in zip(made.nearest(queries, 25, places), cosines, strict=True):
        best = np.lexsort((places, -row.round(6)))[:25]
        assert found.places.tolist() == places[best].tolist()
        np.testing.assert_allclose(found.similarities, row[best], atol=1e-6)
    assert (
        VisualScan.of(lambda places: rows[places], 0, 16).nearest(queries, 3, places[:0])[0].places.size == 0
    )


def test_sizes_are_compared_without_the_optional_vector() -> None:
    assert VectorSizes(3, 4) == VectorSizes(3, 4, 5)
