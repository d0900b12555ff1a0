"""What a server is really asked, through the real client and a stand-in for the network."""

from __future__ import annotations

import json
from typing import Any

import httpx
import numpy as np
import pytest

from freeda_store.profiles.settings import Profile
from freeda_store.vectors import server
from freeda_store.vectors.client import connect_qdrant
from freeda_store.vectors.collection import create_collection, give_alias, payload_indexes, write_metadata
from freeda_store.vectors.filters import PointFilter, View, parse_filter
from freeda_store.vectors.protocol import VectorSizes

SIZES = VectorSizes(4, 6)


class Server:
    """Says yes to everything, and remembers it."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, Any]] = []
        self.answers: dict[str, Any] = {"/aliases": {"aliases": []}}
        profile = Profile(name="p", collection="team", qdrant_url="https://qdrant.example.org")
        self.client = connect_qdrant(profile)
        http = self.client._client.openapi_client.client._client  # type: ignore[attr-defined]
        http._transport, http._mounts = httpx.MockTransport(self.answer), {}

    def answer(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content) if request.content else None
        self.asked.append((request.method, request.url.path, body))
        indexed = {"operation_id": 1, "status": "completed"}
        default = indexed if request.url.path.endswith("/index") else True
        result = self.answers.get(request.url.path, default)
        return httpx.Response(200, json={"result": result, "status": "ok", "time": 0.0}, request=request)


def test_a_collection_is_made_with_all_its_indexes() -> None:
    stand_in = Server()
    create_collection(stand_in.client, "team-1", SIZES, "document")
    give_alias(stand_in.client, "team-1", "team")
    (method, path, made), *indexes, (last_method, last_path, aliases) = stand_in.asked
    assert (method, path) == ("PUT", "/collections/team-1")
    assert made["metadata"] == {"freeda": "document"}
    assert made["strict_mode_config"]["enabled"]
    assert made["vectors"]["visual"]["hnsw_config"]["m"] == 0
    assert made["vectors"]["text"]["quantization_config"]["scalar"]["type"] == "int8"
    assert {body["field_name"] for _, _, body in indexes} == payload_indexes().keys()
    assert (last_method, last_path) == ("POST", "/collections/aliases")
    assert aliases["actions"] == [{"create_alias": {"collection_name": "team-1", "alias_name": "team"}}]


def test_metadata_goes_to_the_collection_behind_the_alias() -> None:
    stand_in = Server()
    stand_in.answers["/aliases"] = {"aliases": [{"alias_name": "team", "collection_name": "team-1"}]}
    write_metadata(stand_in.client, "team", "document")
    method, path, body = stand_in.asked[-1]
    assert (method, path) == ("PATCH", "/collections/team-1")
    assert body["metadata"] == {"freeda": "document"}


@pytest.mark.parametrize("points", [1000, server.EXACT_UP_TO + 1])
def test_all_classes_are_asked_in_one_request(points: int) -> None:
    stand_in = Server()
    stand_in.answers["/collections/team/points/count"] = {"count": points}
    stand_in.answers["/collections/team/points/query/batch"] = [{"points": []}] * 3
    store = server.ServerVectors(stand_in.client, "team", SIZES)
    where = PointFilter(parse_filter(["contrast>=1.5"]), View(((1, 4),)))
    assert len(store.nearest(np.ones((3, 4), np.float32), 350, where)) == 3
    (_, _, body) = stand_in.asked[-1]
    assert [path for _, path, _ in stand_in.asked].count("/collections/team/points/query/batch") == 1
    search = body["searches"][0]
    assert search["using"] == "text"
    if points > server.EXACT_UP_TO:
        assert search["params"]["hnsw_ef"] >= 350
        assert search["params"]["quantization"] == {"rescore": True, "oversampling": 2.0}
    else:
        assert search["params"]["exact"]
