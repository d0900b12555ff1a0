"""One contract for all vector engines, and for what reads a folder's revisions without one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from uuid import UUID, uuid4

import numpy as np
import pytest
from engine_makers import SIZES, Holding, make_points, open_edge, shown
from presence import present

from freeda_store.errors import BankDamagedError, BankInUseError, StorageError
from freeda_store.vectors.filters import PointFilter, Revisions, View, parse_filter
from freeda_store.vectors.protocol import Point, VectorStore
from freeda_store.vectors.ties import RawHits, nearest_with_fixed_ties


def brute_force(points: list[Point], query: np.ndarray, k: int) -> list[UUID]:
    scores = {p.id: float(present(p.text) @ query) for p in points}
    return sorted(scores, key=lambda id_: (-scores[id_], id_.int))[:k]


def test_nearest_is_exact_inside_a_view(holding: Holding) -> None:
    points = make_points(600)
    store = holding(points)
    queries = np.random.default_rng(1).standard_normal((5, SIZES.text)).astype(np.float32)
    for view in (View(((1, 2),)), View(((1, 1), (3, 4))), View(((2, 4),))):
        visible = [point for point in points if shown(point, view)]
        for query, hits in zip(queries, store.nearest(queries, 150, PointFilter(view=view)), strict=True):
            assert list(hits.ids) == brute_force(visible, query, 150)
            assert hits.similarities.dtype == np.float32
            assert (np.diff(hits.similarities) <= 0).all()
            best = next(point for point in points if point.id == hits.ids[0])
            cosine = float(present(best.text) @ query / np.linalg.norm(query))
            assert hits.similarities[0] == pytest.approx(cosine, abs=1e-5)


def test_optimizing_changes_no_answer(store: VectorStore) -> None:
    store.upsert(make_points(900))
    queries = np.random.default_rng(1).standard_normal((4, SIZES.text)).astype(np.float32)
    before = store.nearest(queries, 350, PointFilter(view=View(((1, 3),))))
    store.flush()
    store.optimize()
    after = store.nearest(queries, 350, PointFilter(view=View(((1, 3),))))
    assert [hits.ids for hits in before] == [hits.ids for hits in after]


def test_fewer_points_than_k(holding: Holding) -> None:
    store = holding(make_points(3))
    (hits,) = store.nearest(np.ones((1, SIZES.text), np.float32), 10, PointFilter())
    assert len(hits.ids) == len(hits.similarities) == 3


def test_ties_between_revisions_are_in_the_order_of_ids(holding: Holding) -> None:
    """Equal keys lie in several files of a reader, among others of any number."""
    template = make_points(300)
    query = present(template[0].text)
    same = [Point(p.id, query, p.visual, p.payload) for p in template]
    store = holding([*same, *make_points(211, seed=5)])
    expected = sorted((p.id for p in same), key=lambda id_: id_.int)
    for k in (20, 299):
        (hits,) = store.nearest(query[None], k, PointFilter())
        assert list(hits.ids) == expected[:k]
        assert set(hits.similarities) == {hits.similarities[0]}
    (hits,) = store.nearest(query[None], 40, PointFilter(parse_filter(["noun=bus"])))
    buses = [p.id for p in same if p.payload["noun"] == "bus"]
    assert list(hits.ids) == sorted(buses, key=lambda id_: id_.int)[:40]


def test_ties_across_the_border_are_in_the_order_of_ids(store: VectorStore) -> None:
    template = make_points(300)
    same = [Point(p.id, template[0].text, p.visual, p.payload) for p in template]
    store.upsert(same)
    expected = sorted((p.id for p in same), key=lambda id_: id_.int)[:20]
    for _ in range(2):
        (hits,) = store.nearest(present(template[0].text)[None], 20, PointFilter())
        assert list(hits.ids) == expected
        store.upsert([Point(p.id, -present(p.text), p.visual, p.payload) for p in make_points(200, seed=5)])
        store.optimize()


@pytest.mark.parametrize(
    ("expression", "keep"),
    [
        ("source=coco", lambda p: p["source"] == "coco"),
        ("license!=nc", lambda p: p["license"] != "nc"),
        ("noun=car|bus", lambda p: p["noun"] in ("car", "bus")),
        ("noun!=car|bus", lambda p: p["noun"] == "tree"),
        ("contrast>=1.5", lambda p: p["contrast"] >= 1.5),
        ("contrast<1.5,contrast>0", lambda p: 0 < p["contrast"] < 1.5),
        ("contrast<=1", lambda p: p["contrast"] <= 1),
        ("contrast=0.5|3", lambda p: p["contrast"] in (0.5, 3)),
        ("contrast!=0.5|3", lambda p: p["contrast"] not in (0.5, 3)),
        (f"seed={2**62 + 4}", lambda p: p["seed"] == 2**62 + 4),
        ("noun=car,source=coco", lambda p: p["noun"] == "car" and p["source"] == "coco"),
        ("noun=nothing", lambda p: False),
        ("caption=caption 3|caption 5", lambda p: p["caption"] in ("caption 3", "caption 5")),
        (
            "source!=coco,contrast>1,noun!=tree",
            lambda p: p["source"] == "flickr" and p["contrast"] > 1 and p["noun"] != "tree",
        ),
        ("area=0.25,outlier_distance<=0.125,clip_agreement>0.4", lambda p: True),
        ("kind!=noun", lambda p: False),
        ("origin=generated", lambda p: "origin" not in p),
        ("origin!=generated", lambda p: "origin" in p),
        ("origin=learned", lambda p: p.get("origin") == "learned"),
        ("origin!=learned|generated", lambda p: p.get("origin") == "imported"),
        ("origin=unlabelled", lambda p: False),
        ("part=0", lambda p: "part" not in p),
        (
            "part=0|2,origin=generated|learned",
            lambda p: p.get("part", 0) in (0, 2) and p.get("origin") != "imported",
        ),
        ("part!=0", lambda p: "part" in p),
    ],
)
def test_filters(sixty: VectorStore, expression: str, keep: Callable[[dict[str, object]], bool]) -> None:
    points, store = make_points(60), sixty
    where = PointFilter(parse_filter([expression]))
    expected = {point.id for point in points if keep(dict(point.payload))}
    assert {id_ for id_, _ in store.scroll(where)} == expected
    assert store.count(where) == len(expected)
    (hits,) = store.nearest(np.ones((1, SIZES.text), np.float32), 60, where)
    assert set(hits.ids) == expected


def test_fetch_keeps_order_and_leaves_unknown_out(holding: Holding) -> None:
    points = make_points(40)
    store = holding(points)
    wanted = [points[7].id, uuid4(), points[3].id]
    fetched = store.fetch(wanted, texts=True, visuals=True)
    assert fetched.ids == (points[7].id, points[3].id)
    np.testing.assert_allclose(fetched.texts, [present(points[7].text), present(points[3].text)], atol=1e-6)
    np.testing.assert_allclose(fetched.visuals, [points[7].visual, points[3].visual], rtol=1e-3, atol=1e-2)
    assert fetched.visuals.dtype == np.float32
    assert dict(fetched.payloads[0]) == dict(points[7].payload)
    bare = store.fetch(wanted)
    assert bare.texts.shape == (0, SIZES.text)
    assert bare.visuals.shape == (0, SIZES.visual)


def test_upsert_replaces(store: VectorStore) -> None:
    first, second = make_points(1)[0], make_points(1, seed=9)[0]
    store.upsert([first])
    store.upsert([Point(first.id, second.text, second.visual, {"added_in": 2})])
    fetched = store.fetch([first.id], texts=True)
    assert dict(fetched.payloads[0]) == {"added_in": 2}
    np.testing.assert_allclose(fetched.texts[0], present(second.text), atol=1e-6)
    assert store.count(PointFilter()) == 1


def test_set_payload_keeps_other_fields(store: VectorStore) -> None:
    points = make_points(3)
    store.upsert(points)
    store.set_payload([points[0].id, points[1].id], {"retired_in": [2, 9]})
    fetched = store.fetch([point.id for point in points])
    assert [payload["retired_in"] for payload in fetched.payloads] == [[2, 9], [2, 9], []]
    assert fetched.payloads[0]["noun"] == "car"
    view = PointFilter(view=View(((1, 9),)))
    assert [id_ for id_, _ in store.scroll(view)] == [points[2].id]


def test_delete(store: VectorStore) -> None:
    points = make_points(5)
    store.upsert(points)
    store.delete([points[0].id, uuid4()])
    store.delete([])
    assert {id_ for id_, _ in store.scroll(PointFilter())} == {point.id for point in points[1:]}


def test_scroll_walks_everything_in_the_order_of_ids(holding: Holding) -> None:
    points = make_points(2200)
    store = holding(points)
    told = {id_: dict(payload) for id_, payload in store.scroll(PointFilter())}
    assert told == {point.id: dict(point.payload) for point in points}
    walked = [id_ for id_, _ in store.scroll(PointFilter(), payloads=False)]
    assert walked == sorted(point.id for point in points)
    third = [id_ for id_, _ in store.scroll(PointFilter(added_in=3), payloads=False)]
    assert len(third) == store.count(PointFilter(added_in=3)) == 550


def test_points_are_found_by_the_revision_that_hides_them(holding: Holding) -> None:
    points = make_points(40)
    store = holding(points)
    hidden = {id_ for id_, _ in store.scroll(PointFilter(retired_in=3))}
    assert hidden == {point.id for point in points if point.payload["retired_in"]}
    assert len(hidden) == 4
    assert store.count(PointFilter(retired_in=2)) == 0
    assert store.count(PointFilter(within=Revisions("retired_in", 2, 4))) == 4
    assert store.count(PointFilter(within=Revisions("added_in", 2, 3))) == 20


def test_edge_opens_again_with_everything(on_disk: Path) -> None:
    from freeda_store.vectors.edge import EdgeVectors

    points = make_points(50)
    store = open_edge(on_disk)
    store.upsert(points)
    store.close()
    store.close()
    with pytest.raises(StorageError, match="closed"):
        store.count(PointFilter())
    again = EdgeVectors.load(on_disk / "vectors")
    assert again.sizes == SIZES
    assert again.count(PointFilter()) == 50
    assert 0 < again.size_bytes() < 50_000_000
    again.close()


def test_edge_second_opener(tmp_path: Path) -> None:
    from freeda_store.vectors.edge import EdgeVectors

    store = open_edge(tmp_path)
    with pytest.raises(BankInUseError, match="in use by this very process"):
        EdgeVectors.load(tmp_path / "vectors")
    store.close()


@pytest.mark.parametrize("damage", ["no_config", "config", "segment"])
def test_edge_damage_is_named(tmp_path: Path, damage: str) -> None:
    from freeda_store.vectors.edge import EdgeVectors

    store = open_edge(tmp_path)
    store.upsert(make_points(2000))
    store.flush()
    store.close()
    folder = tmp_path / "vectors"
    if damage == "no_config":
        (folder / "edge_config.json").unlink()
    elif damage == "config":
        (folder / "edge_config.json").write_text('{"vectors": {"te')
    else:
        for path in folder.glob("segments/*/segment.json"):
            path.write_bytes(path.read_bytes()[:10])
    with pytest.raises(BankDamagedError, match="restore the bank from a copy"):
        EdgeVectors.load(folder)


def test_memory_refusals_are_named(tmp_path: Path) -> None:
    from qdrant_client import QdrantClient

    from freeda_store.vectors.server import ServerVectors

    client = QdrantClient(":memory:")
    with pytest.raises(StorageError, match="'bank' refused"):
        ServerVectors.load(client, "bank")
    ServerVectors.create(client, "bank", SIZES)
    assert ServerVectors.load(client, "bank").sizes == SIZES


def test_noise_in_the_last_digits_breaks_no_tie() -> None:
    ids = sorted((uuid4() for _ in range(8)), key=lambda id_: id_.int)
    for seed in range(5):
        rng = np.random.default_rng(seed)
        noisy = [(id_, 0.5 + float(rng.uniform(-1e-7, 1e-7))) for id_ in ids]
        hits = sorted([*noisy, (UUID(int=1), 0.9), (UUID(int=2), 0.1)], key=lambda hit: -hit[1])

        def search(indices: Sequence[int], limit: int, hits: RawHits = hits) -> list[RawHits]:
            return [hits[:limit]]

        (found,) = nearest_with_fixed_ties(search, 1, 4, tolerance=1e-6)
        assert found.ids == (UUID(int=1), *ids[:3])
        assert (np.diff(found.similarities) <= 0).all()
