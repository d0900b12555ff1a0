"""What each role's key or token must allow, and that too little is said before anything is drawn."""

from __future__ import annotations

from typing import Any

import pytest
from hosted_makers import API_KEY, READ_ONLY_KEY, TOKENS, Team
from qdrant_stub import make_token
from store_makers import make_generation, make_manifest

from freeda_store import Bank, parse_filter
from freeda_store.errors import NotPublishedError, ReadOnlyBankError, StorageError
from freeda_store.vectors.collection import METADATA_KEY, real_name

pytestmark = [
    pytest.mark.filterwarnings("ignore:Local mode"),
    pytest.mark.skipif(not TOKENS, reason="FREEDA_TEST_QDRANT_TOKENS is not set: the server may take none"),
]


def as_role(team: Team, name: str, token: str, patch: pytest.MonkeyPatch, *, writes: bool = True) -> str:
    """A profile of the bank ``team`` with a key of its own."""
    variable = f"FREEDA_{name.upper()}_KEY"
    patch.setenv(variable, token)
    values: dict[str, Any] = {"thumbnails": team.profiles["team"]["thumbnails"]}
    if writes:
        values["sql_url"] = team.sql_url
    return team.add(name, collection="team", qdrant_api_key_env=variable, **values)


def limited(team: Team, access: str) -> str:
    """A token for the one collection, by the alias that the profile names."""
    return make_token([{"collection": team.collection, "access": access}], key=API_KEY)


def fill(address: str, *indices: int) -> None:
    with Bank.open(address) as bank, bank.write("m", str(indices)) as writer:
        writer.add([make_generation(index) for index in indices])
        writer.commit()


def test_a_reader_needs_to_read_one_collection(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    fill("team", 1, 2)
    name = as_role(team, "limited", limited(team, "r"), monkeypatch, writes=False)
    with Bank.open(name) as reader, Bank.open("reader") as whole:
        assert reader.stats() == whole.stats()
        assert list(reader.infos(parse_filter(["noun=car"]))) == list(whole.infos(parse_filter(["noun=car"])))


def test_a_writer_needs_to_write_one_collection(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    name = as_role(team, "limited", limited(team, "rw"), monkeypatch)
    real = real_name(team.client, team.collection)
    team.client.update_collection(real, metadata={METADATA_KEY: None})  # a marker that it may not write
    fill(name, 1, 2)
    with Bank.open(name) as bank, Bank.open("reader") as reader:
        bank.tag("v1")
        bank.retire(parse_filter(["noun=car"]), "no cars")
        bank.rollback("v1")
        assert reader.revisions() == bank.revisions()
        assert bank.verify(repair=True).ok


def test_only_making_a_bank_needs_the_whole_server(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    access = [{"collection": team.named("new"), "access": "rw"}]
    monkeypatch.setenv("FREEDA_NEW_KEY", make_token(access, key=API_KEY))
    url = team.postgres.new_database()
    team.add("new", sql_url=url, thumbnails="t", qdrant_api_key_env="FREEDA_NEW_KEY")
    with pytest.raises(StorageError, match=r"FREEDA_NEW_KEY|API key"):
        Bank.open("new", create=make_manifest())
    team.add("new", sql_url=url, thumbnails="t")
    Bank.open("new", create=make_manifest()).close()
    team.add("new", sql_url=url, thumbnails="t", qdrant_api_key_env="FREEDA_NEW_KEY")
    fill("new", 1)


@pytest.mark.parametrize("kind", ["read-only key", "token that reads"])
def test_too_little_is_said_before_a_revision_is_opened(
    team: Team, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    fill("team", 1)
    key = READ_ONLY_KEY if kind == "read-only key" else limited(team, "r")
    name = as_role(team, "weak", key, monkeypatch)
    with Bank.open(name) as bank:
        assert bank.stats().prototypes == 2
        with pytest.raises(ReadOnlyBankError, match=r"FREEDA_WEAK_KEY may read .* but not write it; nothing"):
            bank.write("m", "k")
        with pytest.raises(ReadOnlyBankError, match="nothing was done"):
            bank.tag("v1")
        with pytest.raises(ReadOnlyBankError, match="nothing was done"):
            bank.retire(parse_filter(["noun=tree"]), "no trees")
        assert bank.stats().unfinished_runs == 0
        assert bank.revisions()[0].tags == ()


def test_what_cannot_be_told_to_readers_is_said_with_what_was_done(
    team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key that is taken away between the question and the publication."""
    fill("team", 1)
    name = as_role(team, "limited", limited(team, "rw"), monkeypatch)
    if team.stub is None:
        pytest.skip("a real server's key cannot be taken away")
    with Bank.open(name) as bank:
        bank._stores.before_writing()
        set_tag, stub = bank._stores.catalog.set_tag, team.stub

        def then_refuse(tag: str, revision: int) -> None:
            set_tag(tag, revision)
            stub.api_key = "changed"

        monkeypatch.setattr(bank._stores.catalog, "set_tag", then_refuse)
        with pytest.raises(NotPublishedError, match="kept in the database, but readers"):
            bank.tag("v1")
        stub.api_key = "key-5d0b7e44"
        assert bank.revisions()[0].tags == ("v1",)
    with Bank.open("reader") as reader:
        assert reader.revisions()[0].tags == ()
        Bank.open("team").close()
        assert reader.revisions()[0].tags == ("v1",)
