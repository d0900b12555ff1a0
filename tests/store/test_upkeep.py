"""Settings of a collection that were changed behind freeda's back: found by verify, set again by repair."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hosted_makers import Team, connect
from qdrant_client import models
from qdrant_stub import API_KEY, QdrantStub, running_stub

from freeda_store.vectors.collection import create_collection, payload_indexes
from freeda_store.vectors.protocol import VectorSizes
from freeda_store.vectors.upkeep import CollectionUpkeep

pytestmark = pytest.mark.filterwarnings("ignore:Local mode")
SIZES = VectorSizes(8, 12)


@pytest.fixture
def stub() -> Iterator[QdrantStub]:
    with running_stub() as running:
        create_collection(connect(running.url, API_KEY), "team", SIZES)
        yield running


def upkeep(stub: QdrantStub) -> CollectionUpkeep:
    return CollectionUpkeep(connect(stub.url, API_KEY), "team", SIZES)


def test_a_new_collection_is_set_up_right(stub: QdrantStub) -> None:
    assert upkeep(stub).faults() == ()
    assert upkeep(stub).mend() == ()


def change(stub: QdrantStub, what: str) -> None:
    collection = stub.collections["team"]
    text, visual = (collection.params["vectors"][name] for name in ("text", "visual"))
    if what == "index":
        del collection.indexes["noun"]
    elif what == "type":
        collection.indexes["area"] = "keyword"
    elif what == "strict":
        collection.strict = {"enabled": False}
    elif what == "unindexed":
        collection.strict = (collection.strict or {}) | {"unindexed_filtering_retrieve": True}
    elif what == "limit":
        collection.strict = (collection.strict or {}) | {"max_query_limit": 100}
    elif what == "quantised":
        del text["quantization_config"]
    elif what == "memory":
        visual["on_disk"] = False
    elif what == "graph":
        visual["hnsw_config"]["m"] = 16


@pytest.mark.parametrize(
    ("what", "told"),
    [
        ("index", "the payload index of 'noun' is missing"),
        ("type", "the payload index of 'area' is of type keyword, not float"),
        ("strict", "strict mode is off"),
        ("unindexed", "strict mode allows filters without an index"),
        ("limit", "strict mode allows 100 results, a bank may need 1,000,000"),
        ("quantised", "vector 'text' is not quantised to one byte"),
        ("memory", "vector 'visual' is kept in memory, not on disk"),
        ("graph", "vector 'visual' has a graph, which nothing searches"),
    ],
)
def test_each_change_is_found_and_undone(stub: QdrantStub, what: str, told: str) -> None:
    change(stub, what)
    assert upkeep(stub).faults() == (told,)
    assert upkeep(stub).mend() == ()
    assert upkeep(stub).faults() == ()
    assert stub.collections["team"].indexes.keys() == payload_indexes().keys()


def test_what_cannot_be_changed_is_said(stub: QdrantStub) -> None:
    visual: dict[str, Any] = stub.collections["team"].params["vectors"]["visual"]
    visual["datatype"] = "float32"
    assert upkeep(stub).mend() == ("vector 'visual' is not kept as float16",)


def test_an_administrators_own_limits_are_left_alone(stub: QdrantStub) -> None:
    strict = stub.collections["team"].strict
    assert strict is not None
    strict |= {"max_query_limit": 10_000_000, "read_rate_limit": 100, "max_timeout": 30}
    assert upkeep(stub).faults() == ()


def test_verify_of_a_bank_finds_and_repair_mends(team: Team) -> None:
    from freeda_store import Bank

    team.client.delete_payload_index(team.collection, "noun")
    with Bank.open("team") as bank:
        report = bank.verify()
        assert report.wrong_settings == ("the payload index of 'noun' is missing",)
        assert not report.ok
        assert bank.verify(repair=True).repaired
        assert bank.verify().ok
    team.client.create_payload_index(team.collection, "extra", models.PayloadSchemaType.BOOL)
    with Bank.open("team") as bank:
        assert bank.verify().ok


def test_points_with_other_vectors_or_without_are_findings(team: Team) -> None:
    from store_makers import VISUAL_DIM, make_generation

    from freeda_store import Bank
    from freeda_store.errors import BankError

    with Bank.open("team") as bank:
        with bank.write("m", "k") as writer:
            writer.add([make_generation(index) for index in range(4)])
            writer.commit()
        first, second, *_ = [info.id for info in bank.infos()]
        key = bank.vectors([second]).text_keys[0].tolist()
        zeros = models.PointVectors(id=str(first), vector={"visual": [0.0] * VISUAL_DIM})
        team.client.update_vectors(team.collection, [zeros])
        (held,) = team.client.retrieve(team.collection, [str(second)])
        without = models.PointStruct(id=str(second), vector={"text": key}, payload=held.payload)
        team.client.upsert(team.collection, [without])
        report = bank.verify()
        assert {first, second} <= {*report.wrong_vectors, *report.rows_without_point}
        assert not report.ok
        with pytest.raises(BankError, match=r"verify --repair|no prototype"):
            bank.vectors([second])
        with pytest.raises(BankError, match="verify --repair"):
            bank.nearest(np.asarray([key], dtype=np.float32), 20)
        assert second in bank.verify(repair=True).lost
        assert bank.verify().wrong_vectors == (first,)
        assert len(bank.nearest(np.asarray([key], dtype=np.float32), 20)[0].ids) == 7
    with Bank.open("team") as bank, bank.write("m", "again") as writer:
        writer.add([make_generation(index) for index in range(4)])
        assert writer.commit() is not None
        assert bank.stats().prototypes == 8


def test_a_missing_alias_is_named_and_set_again(team: Team) -> None:
    from store_makers import make_generation

    from freeda_store import Bank
    from freeda_store.errors import BankDamagedError
    from freeda_store.salvage import salvage
    from freeda_store.vectors.collection import real_name

    with Bank.open("team") as bank, bank.write("m", "k") as writer:
        writer.add([make_generation(1)])
        writer.commit()
    real = real_name(team.client, team.collection)
    assert salvage("team") == []
    drop = models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name=team.collection))
    team.client.update_collection_aliases([drop])
    with pytest.raises(BankDamagedError, match=rf"alias .* is missing; the bank is in collection '{real}'"):
        Bank.open("team")
    assert salvage("team") == [f"the alias '{team.collection}' stands for collection '{real}' again"]
    with Bank.open("team") as bank:
        assert bank.verify().ok
