"""Stores of different times or banks: restored, crossed, renamed, robbed of their metadata."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from hosted_makers import READ_ONLY_KEY, Team
from store_makers import make_generation, make_manifest

from freeda_store import Bank, RevisionInfo, parse_filter
from freeda_store.errors import BankDamagedError, BankInUseError, ReadOnlyBankError
from freeda_store.hosted import opening as hosted
from freeda_store.salvage import open_to_verify
from freeda_store.vectors.board import _HEAD, Board
from freeda_store.vectors.collection import METADATA_KEY, look, real_name

pytestmark = pytest.mark.filterwarnings("ignore:Local mode")


def ingest(bank: Bank, indices: range, *, key: str) -> RevisionInfo:
    with bank.write(f"message of {key}", key) as writer:
        writer.add([make_generation(index) for index in indices])
        info = writer.commit()
    assert info is not None
    return info


class Snapshot:
    """All points of a collection with what they carry, as a snapshot keeps them."""

    def __init__(self, team: Team) -> None:
        self._team = team
        self._points, _ = team.client.scroll(team.collection, limit=10_000, with_vectors=True)

    def restore(self) -> None:
        """Make the collection hold exactly these points again."""
        from qdrant_client import models

        client, name = self._team.client, self._team.collection
        client.delete(name, [point.id for point in client.scroll(name, limit=10_000)[0]])
        points = [models.PointStruct(id=p.id, vector=p.vector or {}, payload=p.payload) for p in self._points]
        client.upsert(name, points)


def test_points_restored_from_an_older_snapshot_are_not_passed_off_as_newer(team: Team) -> None:
    with Bank.open("team") as bank:
        ingest(bank, range(10), key="a")
        snapshot = Snapshot(team)
        ingest(bank, range(10, 20), key="b")
    snapshot.restore()
    refusal = r"holds 0 of the 20 points that the database lists for revision 2.*verify --repair"
    for _ in range(2):
        with pytest.raises(BankDamagedError, match=refusal):
            Bank.open("team")
    with Bank.open("reader") as reader:
        assert (reader.stats().prototypes, len(reader.revisions())) == (20, 1)
    with open_to_verify("team") as bank:
        assert len(bank.verify().rows_without_point) == 20
    with Bank.open("reader") as reader:
        assert len(reader.revisions()) == 1
    with open_to_verify("team") as bank:
        bank.verify(repair=True)
    with Bank.open("team") as bank, Bank.open("reader") as reader:
        assert reader.stats().prototypes == bank.stats().prototypes == 20
        assert ingest(bank, range(10, 20), key="b again").number == 3
        assert reader.stats().prototypes == bank.stats().prototypes == 40
        assert bank.verify().ok


def test_retirements_that_a_snapshot_does_not_know_are_missed(team: Team) -> None:
    with Bank.open("team") as bank:
        ingest(bank, range(10), key="a")
        snapshot = Snapshot(team)
        bank.retire(parse_filter(["noun=car"]), "no cars")
        shown = {info.id for info in bank.infos()}
    snapshot.restore()
    with pytest.raises(BankDamagedError, match="of the 5 retirements that the database lists for revision 2"):
        Bank.open("team")
    with open_to_verify("team") as bank:
        assert len(bank.verify(repair=True).wrong_payloads) == 5
    with Bank.open("team") as bank, Bank.open("reader") as reader:
        assert {info.id for info in reader.infos()} == {info.id for info in bank.infos()} == shown


def test_a_reader_is_told_of_points_that_are_gone(team: Team) -> None:
    with Bank.open("team") as bank:
        ingest(bank, range(3), key="a")
        gone = next(bank.infos()).id
        bank._stores.vectors.delete([gone])
    with pytest.raises(BankDamagedError, match="holds 5 of the 6 prototypes that its revision 1 shows"):
        Bank.open("reader")


@pytest.mark.parametrize("what", ["metadata", "notes", "both"])
def test_what_another_tool_removed_is_published_anew(team: Team, what: str) -> None:
    with Bank.open("team") as bank:
        ingest(bank, range(3), key="a")
        bank.tag("v1")
    if what != "metadata":
        team.client.delete(team.collection, [str(_HEAD)])
    if what != "notes":
        real = real_name(team.client, team.collection)
        team.client.update_collection(real, metadata={METADATA_KEY: None})
    Bank.open("team").close()
    with Bank.open("reader@v1") as reader:
        assert reader.stats().prototypes == 6
    facts = look(team.client, team.collection)
    assert facts is not None
    assert facts.metadata is not None


def test_two_banks_made_at_once_under_one_name(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both look, and see no collection; the second to come to the alias gives way."""
    profiles: list[str] = []
    for name in ("one", "two"):
        team.add(name, collection="same", sql_url=team.postgres.new_database(), thumbnails=name)
        profiles.append(name)
    both, give_alias = threading.Barrier(2), hosted.give_alias

    def together(*given: Any) -> None:
        both.wait(10)
        give_alias(*given)

    monkeypatch.setattr(hosted, "give_alias", together)
    outcomes: dict[str, object] = {}

    def make(name: str) -> None:
        try:
            with Bank.open(name, create=make_manifest()) as bank:
                outcomes[name] = ingest(bank, range(4), key=name).number
        except BankDamagedError as error:
            outcomes[name] = str(error)

    threads = [threading.Thread(target=make, args=(name,)) for name in profiles]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    losers = [name for name, outcome in outcomes.items() if outcome != 1]
    assert len(losers) == 1
    assert "another database" in str(outcomes[losers[0]])
    (winner,) = set(profiles) - set(losers)
    with Bank.open(winner) as bank:
        assert bank.stats().prototypes == 8
        assert bank.verify().ok
    with pytest.raises(BankDamagedError, match="belongs to another database"):
        Bank.open(losers[0])


def test_an_alias_that_moves_away_under_a_writer(team: Team) -> None:
    with Bank.open("team") as bank:
        ingest(bank, range(2), key="a")
        other = team.new_bank()
        with bank.write("m", "b") as writer:
            writer.add([make_generation(5)])
            before = real_name(team.client, team.collection)
            hosted.give_alias(team.client, real_name(team.client, team.named(other)), team.collection)
            with pytest.raises(BankDamagedError, match="belongs to another database"):
                writer.add([make_generation(6)])
            with pytest.raises(BankDamagedError, match="belongs to another database"):
                writer.commit()
            with pytest.raises(BankDamagedError, match="belongs to another database"):
                bank.tag("v1")
        hosted.give_alias(team.client, before, team.collection)
    with Bank.open(other) as bank:
        assert bank.verify().ok
    with Bank.open("team") as bank, bank.write("m", "b") as writer:
        assert writer.resumed
        writer.add([make_generation(6)])
        assert writer.commit() is not None


def test_alias_and_real_name_are_one_bank(team: Team) -> None:
    real = real_name(team.client, team.collection)
    with Bank.open("team") as bank:
        ingest(bank, range(2), key="a")
        values = {"thumbnails": team.profiles["team"]["thumbnails"]}
        team.add("real", sql_url=team.sql_url, **values)
        team.profiles["real"]["collection"] = real
        team.add("stranger", sql_url=team.postgres.new_database(), **values)
        team.profiles["stranger"]["collection"] = real
        team.write_settings()
        with pytest.raises(BankDamagedError, match="whose database is empty"):
            Bank.open("stranger", create=make_manifest())
        with Bank.open("real") as same, bank.write("m", "run"):
            with pytest.raises(BankInUseError):
                same.write("m", "run")
            ingest(same, range(2, 4), key="b")
        assert bank.stats().prototypes == 8


def test_the_database_was_copied_and_both_go_on(team: Team) -> None:
    """A copy of the database has the same identity; its history parts from what is published."""
    with Bank.open("team") as bank:
        ingest(bank, range(2), key="a")
    name = team.sql_url.split("@/")[1].split("?")[0]
    team.postgres.run("postgres", f'CREATE DATABASE "{name}_copy" TEMPLATE "{name}"')
    team.add("copy", collection="team", sql_url=team.sql_url.replace(name, f"{name}_copy"), thumbnails="c")
    with Bank.open("copy") as copied:
        with Bank.open("team") as bank:
            ingest(bank, range(2, 4), key="b")
        with pytest.raises(BankDamagedError, match="revisions that the database does not"):
            copied.write("m", "c")
    with pytest.raises(BankDamagedError, match="revisions that the database does not"):
        Bank.open("copy")
    assert Board(team.client, team.collection).peek() is not None


def test_reading_only_refuses_before_anything_is_done(team: Team) -> None:
    with Bank.open("team") as bank:
        ingest(bank, range(2), key="a")
    team.add(
        "weak",
        collection="team",
        sql_url=team.sql_url,
        thumbnails=team.profiles["team"]["thumbnails"],
        qdrant_api_key_env="FREEDA_READER_API_KEY",
    )
    if not READ_ONLY_KEY:
        pytest.skip("FREEDA_TEST_QDRANT_READ_ONLY_API_KEY is not set")
    with Bank.open("weak") as bank:
        assert bank.stats().prototypes == 4
        for action in (
            lambda: bank.write("m", "k"),
            lambda: bank.tag("v1"),
            lambda: bank.retire(parse_filter(["noun=car"]), "m"),
            lambda: bank.verify(repair=True),
        ):
            with pytest.raises(ReadOnlyBankError, match=r"FREEDA_READER_API_KEY may read .* but not write"):
                action()
        assert bank.revisions()[-1].tags == ()
