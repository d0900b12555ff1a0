"""The stand-in for a server does to the real client what a server does."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from qdrant_client import QdrantClient, models
from qdrant_client.http.exceptions import UnexpectedResponse
from qdrant_stub import API_KEY, READ_ONLY_KEY, QdrantStub, make_token, running_stub

from freeda_store.vectors.collection import create_collection, give_alias, look, payload_indexes, real_name
from freeda_store.vectors.filters import PointFilter, View, parse_filter
from freeda_store.vectors.protocol import Point, VectorSizes
from freeda_store.vectors.server import ServerVectors

pytestmark = pytest.mark.filterwarnings("ignore:Api key", "ignore:Local mode")

SIZES = VectorSizes(4, 6)


@pytest.fixture
def stub() -> Iterator[QdrantStub]:
    with running_stub() as running:
        yield running


def connect(stub: QdrantStub, key: str | None = API_KEY) -> QdrantClient:
    return QdrantClient(url=stub.url, api_key=key, check_compatibility=False)


def fill(client: QdrantClient) -> ServerVectors:
    create_collection(client, "team-1", SIZES, "document")
    give_alias(client, "team-1", "team")
    store = ServerVectors.load(client, "team")
    rng = np.random.default_rng(0)
    store.upsert(
        [
            Point(
                UUID(int=1 + index),
                rng.standard_normal(4).astype(np.float32),
                rng.standard_normal(6).astype(np.float32),
                {"noun": ("car", "bus")[index % 2], "added_in": 1 + index % 2, "retired_in": []},
            )
            for index in range(10)
        ]
    )
    return store


def test_points_go_in_and_come_out(stub: QdrantStub) -> None:
    client = connect(stub)
    store = fill(client)
    assert store.sizes == SIZES
    assert store.count(PointFilter()) == 10
    assert store.count(PointFilter(view=View(((1, 1),)))) == 5
    where = PointFilter(parse_filter(["noun=bus"]))
    assert [id_.int for id_, _ in store.scroll(where)] == [2, 4, 6, 8, 10]
    (hits,) = store.nearest(np.ones((1, 4), np.float32), 3, where)
    assert len(hits.ids) == 3
    fetched = store.fetch([UUID(int=3), UUID(int=99)], texts=True, visuals=True)
    assert fetched.ids == (UUID(int=3),)
    assert np.array_equal(fetched.visuals, fetched.visuals.astype(np.float16))
    store.set_payload([UUID(int=3), UUID(int=99)], {"noun": "tram"})
    assert {**fetched.payloads[0], "noun": "tram"} == store.fetch([UUID(int=3)]).payloads[0]
    store.delete([UUID(int=3)])
    assert store.count(PointFilter()) == 9
    facets = client.facet("team", "added_in", exact=True).hits
    assert {hit.value: hit.count for hit in facets} == {1: 4, 2: 5}


def test_settings_are_kept(stub: QdrantStub) -> None:
    client = connect(stub)
    fill(client)
    info = client.get_collection("team")
    assert info.payload_schema.keys() == payload_indexes().keys()
    assert info.config.metadata == {"freeda": "document"}
    assert info.config.strict_mode_config is not None
    assert info.config.strict_mode_config.enabled
    vectors: Any = info.config.params.vectors
    assert vectors["text"].quantization_config.scalar.type == "int8"
    facts = look(client, "team")
    assert facts is not None
    assert (facts.metadata, look(client, "none")) == ("document", None)
    assert real_name(client, "team").startswith("team-")


def test_unindexed_filters_are_refused(stub: QdrantStub) -> None:
    client = connect(stub)
    store = fill(client)
    client.delete_payload_index("team", "noun")
    with pytest.raises(Exception, match=r'Index required but not found for .*"noun'):
        store.count(PointFilter(parse_filter(["noun=bus"])))
    client.create_payload_index("team", "noun", models.PayloadSchemaType.KEYWORD)
    assert store.count(PointFilter(parse_filter(["noun=bus"]))) == 5


def test_keys_and_tokens(stub: QdrantStub) -> None:
    fill(connect(stub))
    ids: list[Any] = [str(UUID(int=9))]
    may = {
        API_KEY: (True, True, True),
        READ_ONLY_KEY: (True, False, False),
        make_token("m"): (True, True, True),
        make_token("r"): (True, False, False),
        make_token([{"collection": "team", "access": "rw"}]): (True, True, False),
        make_token([{"collection": "team", "access": "r"}]): (True, False, False),
        make_token([{"collection": "other", "access": "rw"}]): (False, False, False),
        make_token("m", exp=int(time.time()) - 10): (False, False, False),
        make_token("m", key="another"): (False, False, False),
    }
    for key, expected in may.items():
        client = connect(stub, key)
        calls: tuple[Callable[[], object], ...] = (
            partial(client.count, "team"),
            partial(client.delete, "team", ids),
            partial(client.update_collection, "team", metadata={"a": 1}),
        )
        for call, allowed in zip(calls, expected, strict=True):
            if allowed:
                call()
            else:
                with pytest.raises(UnexpectedResponse, match=r"40[13]"):
                    call()
    with pytest.raises(UnexpectedResponse, match="401"):
        connect(stub, None).count("team")


def test_large_requests_are_refused_and_a_restart_keeps_all(stub: QdrantStub) -> None:
    client = connect(stub)
    store = fill(client)
    stub.max_bytes = 1000
    with pytest.raises(UnexpectedResponse, match="larger than allowed"):
        client.update_collection("team", metadata={"a": "b" * 2000})
    before, stub.max_bytes = stub.snapshot("team"), 10**6
    store.delete([UUID(int=1)])
    stub.stop()
    with pytest.raises(Exception, match=r"refused|disconnected|reset"):
        store.count(PointFilter())
    stub.start()
    assert store.count(PointFilter()) == 9
    stub.restore("team", before)
    assert store.count(PointFilter()) == 10
    assert stub.asked()["POST /collections/team/points/count"] >= 2
