"""Points on their way: what a request looks like, how large it may be, and what comes back exactly."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import pairwise
from uuid import UUID, uuid5

import numpy as np
import pytest
from http_stubs import Answer, stub_server
from hypothesis import given
from hypothesis import strategies as st
from presence import present
from qdrant_stub import API_KEY, QdrantStub, running_stub

from freeda_store.errors import StorageError
from freeda_store.profiles.settings import Profile
from freeda_store.vectors.client import connect_qdrant
from freeda_store.vectors.filters import PointFilter, View
from freeda_store.vectors.protocol import Payload, Point, VectorSizes
from freeda_store.vectors.server import ServerVectors
from freeda_store.vectors.wire import batches

pytestmark = pytest.mark.filterwarnings("ignore:Local mode")

SIZES = VectorSizes(8, 12)
SPACE = UUID(int=7)
PAYLOAD: Payload = {"added_in": 1, "retired_in": [], "noun": "car", "caption": "a car"}


def point(index: int, caption: str = "a car") -> Point:
    rng = np.random.default_rng(index)
    text = rng.standard_normal(SIZES.text).astype(np.float32)
    visual = rng.standard_normal(SIZES.visual).astype(np.float16).astype(np.float32)
    return Point(
        uuid5(SPACE, str(index)), text / np.linalg.norm(text), visual, {**PAYLOAD, "caption": caption}
    )


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> Iterator[QdrantStub]:
    monkeypatch.setenv("FREEDA_QDRANT_API_KEY", API_KEY)
    with running_stub() as server:
        yield server


def store_on(stub: QdrantStub, request_bytes: int) -> ServerVectors:
    profile = Profile(name="p", collection="team", qdrant_url=stub.url, retry_seconds=0)
    client = connect_qdrant(profile)
    ServerVectors.create(client, "team", SIZES).close()
    return ServerVectors.load(connect_qdrant(profile), "team", request_bytes)


def sizes(stub: QdrantStub, path: str) -> list[int]:
    return [request.size for request in stub.requests if request.path == path]


def test_requests_are_cut_by_bytes(stub: QdrantStub) -> None:
    store = store_on(stub, 10_000)
    points = [point(index, "long " * (index % 7) * 40) for index in range(120)]
    store.upsert(points)
    upserts = sizes(stub, "/collections/team/points")
    assert len(upserts) > 5
    assert max(upserts) <= 10_000
    ids = [each.id for each in points] * 5
    stub.requests.clear()
    store.set_payload(ids, {"retired_in": list(range(300))})
    changes = sizes(stub, "/collections/team/points/payload")
    assert len(changes) > 1
    assert max(changes) <= 10_000
    stub.requests.clear()
    hits = store.nearest(
        np.stack([present(each.text) for each in points]), 3, PointFilter(view=View(((1, 1),)))
    )
    assert [hit.ids for hit in hits] == [()] * 120
    searches = sizes(stub, "/collections/team/points/query/batch")
    assert len(searches) > 1
    assert max(searches) <= 10_000
    stub.requests.clear()
    store.delete(ids)
    assert max(sizes(stub, "/collections/team/points/delete")) <= 10_000
    assert store.count(PointFilter()) == 0


def test_a_point_larger_than_a_request_goes_alone_and_is_named_when_refused(stub: QdrantStub) -> None:
    store = store_on(stub, 10_000)
    giant = point(3, "gigantic " * 3000)
    store.upsert([point(1), giant, point(2)])
    assert len(sizes(stub, "/collections/team/points")) == 3
    assert store.fetch([giant.id]).payloads[0]["caption"] == "gigantic " * 3000
    stub.max_bytes = 20_000
    with pytest.raises(StorageError, match=rf"prototype {giant.id} .*'gigantic .*2\d,\d\d\d bytes by itself"):
        store.upsert([point(1), giant, point(2)])


@pytest.mark.parametrize("kind", ["text/html", "application/json"])
def test_a_gateway_that_refuses_a_giant(kind: str) -> None:
    with stub_server(Answer(413, b"<h1>413</h1>", {"content-type": kind})) as server:
        client = connect_qdrant(Profile(name="p", qdrant_url=server.url, retry_seconds=0))
        store = ServerVectors(client, "team", SIZES, 10_000)
        giant = point(3, "gigantic " * 3000)
        with pytest.raises(StorageError, match=f"prototype {giant.id}"):
            store.upsert([giant])
        with pytest.raises(StorageError, match="request_bytes"):
            store.upsert([point(1)])


def test_vectors_come_back_to_the_last_bit(stub: QdrantStub) -> None:
    store = store_on(stub, 900_000)
    points = [point(index) for index in range(700)]
    store.upsert(points)
    fetched = store.fetch([each.id for each in points] + [UUID(int=1)], visuals=True)
    assert fetched.ids == tuple(each.id for each in points)
    np.testing.assert_array_equal(fetched.visuals, np.stack([each.visual for each in points]))
    sent = json.loads(json.dumps(PAYLOAD))
    assert fetched.payloads[0] == sent
    assert store.fetch([], visuals=True).visuals.shape == (0, SIZES.visual)


def test_a_point_without_a_vector_counts_as_missing(stub: QdrantStub) -> None:
    store = store_on(stub, 900_000)
    store.upsert([point(1), point(2)])
    stub.local.delete_vectors("team", ["visual"], [str(point(1).id)])
    assert store.fetch([point(1).id, point(2).id], visuals=True).ids == (point(2).id,)
    assert store.fetch([point(1).id], texts=True).ids == (point(1).id,)


def test_long_captions_are_read_in_short_pages(stub: QdrantStub, monkeypatch: pytest.MonkeyPatch) -> None:
    from freeda_store.vectors import server

    monkeypatch.setattr(server, "_SCROLL_LETTERS", 2000)
    monkeypatch.setattr(server, "_SCROLL_BATCH", 8)
    store = store_on(stub, 900_000)
    points = [point(index, "x" * 1000) for index in range(30)]
    store.upsert(points)
    assert [id_ for id_, _ in store.scroll(PointFilter())] == sorted(each.id for each in points)
    limits = [r.body["limit"] for r in stub.requests if r.path.endswith("/scroll")]
    assert limits[0] == 8
    assert set(limits[1:]) <= {1, 2}


@given(st.lists(st.integers(1, 50)), st.integers(1, 100), st.integers(1, 9))
def test_batches_hold_everything_in_order_within_their_limits(
    lengths: list[int], limit: int, most: int
) -> None:
    items = [b"x" * length for length in lengths]
    made = list(batches(items, limit, len, most))
    assert [item for batch in made for item in batch] == items
    for batch in made:
        assert 1 <= len(batch) <= most
        assert len(batch) == 1 or sum(len(item) + 1 for item in batch) <= limit
    for one, two in pairwise(made):
        assert len(one) == most or sum(len(item) + 1 for item in [*one, two[0]]) > limit


def test_float32_survives_json() -> None:
    import orjson

    rng = np.random.default_rng(0)
    bits = rng.integers(0, 2**32, 200_000, dtype=np.uint32).view(np.float32)
    values = bits[np.isfinite(bits)]
    text = orjson.dumps(values, option=orjson.OPT_SERIALIZE_NUMPY)
    np.testing.assert_array_equal(np.asarray(orjson.loads(text), dtype=np.float32), values)
    assert not re.search(rb"[^0-9eE.,+\-\[\]]", text)
