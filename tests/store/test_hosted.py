"""What only a hosted bank does: several writers, readers without SQL, stores that must belong together."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hosted_makers import Team
from store_makers import NOUNS, make_generation, make_manifest, text_key

from freeda_store import Bank, ModelRecord, RevisionInfo, parse_filter
from freeda_store.errors import (
    BankDamagedError,
    BankError,
    BankInUseError,
    BankMissingError,
    ManifestMismatchError,
    NewerSchemaError,
    ReadOnlyBankError,
    StorageError,
    TagError,
    ThumbnailMissingError,
)
from freeda_store.hosted import opening as hosted
from freeda_store.profiles.finding import hides_profile
from freeda_store.vectors.board import _HEAD as NOTE_HEAD
from freeda_store.vectors.board import Board
from freeda_store.vectors.collection import look, payload_indexes, real_name

pytestmark = pytest.mark.filterwarnings("ignore:Local mode")

QUERIES = np.stack([text_key(noun) for noun in NOUNS])


def ingest(bank: Bank, indices: range, *, key: str = "run") -> RevisionInfo:
    with bank.write(f"message of {key}", key) as writer:
        writer.add([make_generation(index) for index in indices])
        info = writer.commit()
    assert info is not None
    return info


def test_a_reader_sees_what_the_writer_sees(team: Team) -> None:
    with Bank.open("team") as bank, Bank.open("reader") as reader:
        assert reader.revision is None
        assert reader.stats().prototypes == 0
        ingest(bank, range(6), key="a")
        bank.retire(parse_filter(["noun=boat"]), "no boats")
        bank.tag("v1", 1)
        ingest(bank, range(6, 9), key="b")
        writer = bank.write("open", "open")
        writer.add([make_generation(20)])
        assert reader.revisions() == bank.revisions()
        assert reader.manifest == bank.manifest
        assert list(reader.infos()) == list(bank.infos())
        assert reader.diff(1, 2) == bank.diff(1, 2)
        assert reader.tally("noun") == bank.tally("noun")
        assert reader.tally("origin") == bank.tally("origin")
        for mine, theirs in zip(bank.nearest(QUERIES, 5), reader.nearest(QUERIES, 5), strict=True):
            assert mine.ids == theirs.ids
            assert mine.infos == theirs.infos
        sizes: dict[str, Any] = {"bytes_sql": 0, "bytes_vectors": 0, "unfinished_runs": 0}
        sizes["without_semantic"] = None  # readers without SQL do not know
        assert replace(reader.stats(), **sizes) == replace(bank.stats(), **sizes)
        key = next(reader.infos()).picture_key
        assert reader.thumbnail(key).size == (16, 16)
        assert (bank.stats().bytes_sql or 0) > 0
    with Bank.open("reader@v1") as old, Bank.open("team@1") as same:
        assert list(old.infos()) == list(same.infos())
        assert old.stats().prototypes == 12
        assert str(old.address) == "reader@v1"


def test_a_name_is_not_taken_from_another_process(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    refusals: list[str] = []
    with Bank.open("team") as one, Bank.open("team") as two:
        ingest(one, range(1), key="a")
        ingest(one, range(1, 2), key="b")

        def tag_too() -> None:
            try:
                two.tag("v1", 2)
            except TagError as error:
                refusals.append(str(error))

        other, set_tag = threading.Thread(target=tag_too), one._stores.catalog.set_tag

        def slowly(name: str, revision: int) -> None:
            other.start()
            other.join(1)
            set_tag(name, revision)

        monkeypatch.setattr(one._stores.catalog, "set_tag", slowly)
        one.tag("v1", 1)
        other.join()
        assert [line[:26] for line in refusals] == ["tag 'v1' names revision 1 "]
        assert two.tag("v1", 1).tags == ("v1",)


def test_a_reader_is_refused_in_one_clear_sentence(team: Team) -> None:
    with Bank.open("team") as bank:
        ingest(bank, range(2))
    with Bank.open("reader") as reader:
        actions: list[Callable[[], object]] = [
            lambda: reader.write("m", "k"),
            lambda: reader.retire(parse_filter(["noun=car"]), "m"),
            lambda: reader.tag("v1"),
            lambda: reader.verify(),
            lambda: reader.rollback(1),
        ]
        for action in actions:
            with pytest.raises(ReadOnlyBankError, match=r"'reader' names no sql_url.*add sql_url"):
                action()
    team.add("blind", collection="team")
    with Bank.open("blind") as blind, pytest.raises(ThumbnailMissingError, match="names no thumbnails"):
        blind.thumbnail("a" * 64)


def test_a_run_is_written_by_one_process(team: Team) -> None:
    with Bank.open("team") as one, Bank.open("team") as two:
        first = one.write("m", "run")
        first.add([make_generation(1)])
        with pytest.raises(BankInUseError, match="'run' is being written by another process"):
            two.write("m", "run")
        with pytest.raises(BankInUseError, match="a writer is at work"):
            two.verify(repair=True)
        assert two.verify().ok
        first.close()
        with two.write("m", "run") as second:
            assert second.resumed
            assert second.commit() is not None
    with Bank.open("team") as three:
        three.write("left open", "left")
        assert len(three._stores.writing) == 1
    with Bank.open("team") as four:
        assert len(four._stores.writing) == 0
        four.write("again", "left").close()


def test_commits_of_two_writers_wait_for_each_other(team: Team) -> None:
    with Bank.open("team") as one, Bank.open("team") as two:
        first, second = one.write("a", "a"), two.write("b", "b")
        first.add([make_generation(i) for i in range(4)])
        second.add([make_generation(i) for i in range(2, 6)])
        done: list[RevisionInfo | None] = []
        with one._stores.commit_lock:
            other = threading.Thread(target=lambda: done.append(second.commit()))
            other.start()
            waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
            while team.postgres.run(team.sql_url, waiting) == [(0,)]:
                assert other.is_alive(), "the second writer did not wait"
                time.sleep(0.02)
            info = first.commit()
            assert not done
        other.join()
        assert info is not None
        assert done[0] is not None
        assert (info.number, done[0].number, done[0].parent) == (1, 2, 1)
        assert sorted(found.seed for found in one.infos()) == sorted([*range(6)] * 2)
        assert one.verify().ok


def test_captions_of_two_writers_at_once(team: Team) -> None:
    """The same captions are inserted by many at once; none of them may fail."""
    from freeda_store.ids import generation_key
    from freeda_store.sql.catalog import Catalog
    from freeda_store.sql.postgres import open_postgres
    from freeda_store.sql.rows import StoredGeneration

    engine = open_postgres(team.sql_url, "pw-7f3a91c2")
    catalog = Catalog(engine)
    start, failed = threading.Barrier(4), []

    def write(number: int) -> None:
        revision = catalog.open_revision(f"run {number}", "m")
        start.wait()
        for index in range(25):
            generations = [make_generation(i) for i in range(index, index + 4)]
            keys = [generation_key(g.caption, g.seed + 1000 * index) for g in generations]
            stored = [
                StoredGeneration(key, g.caption, g.seed, "a" * 64, (), ())
                for key, g in zip(keys, generations, strict=True)
            ]
            try:
                catalog.insert_generations(revision, stored, {}, [])
            except StorageError as error:
                failed.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert team.postgres.run(team.sql_url, "SELECT count(*) FROM caption") == [(28,)]
    catalog.close()


def test_what_a_killed_writer_did_not_publish_is_published_later(
    team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Bank.open("team") as bank:
        ingest(bank, range(2), key="a")
        with monkeypatch.context() as patch:
            patch.setattr(bank._stores, "publish", lambda: None)
            ingest(bank, range(2, 4), key="b")
    with Bank.open("reader") as reader:
        assert [info.number for info in reader.revisions()] == [1]
        assert {info.seed for info in reader.infos()} == {0, 1}
        Bank.open("team").close()
        assert [info.number for info in reader.revisions()] == [1, 2]
        assert reader.stats().prototypes == 8


def test_counts_are_right_after_a_repair(team: Team) -> None:
    with Bank.open("team") as bank, Bank.open("reader") as reader:
        ingest(bank, range(3))
        bank._stores.vectors.delete([next(bank.infos()).id])
        bank.verify(repair=True)
        assert reader.stats().prototypes == bank.stats().prototypes == 5


def test_banks_that_are_not_there(team: Team) -> None:
    team.add("new", sql_url=team.postgres.new_database(), thumbnails="t")
    team.add("nothing")
    with pytest.raises(BankMissingError, match=r"no bank in collection 'new-.*freeda ingest --bank new"):
        Bank.open("new")
    with pytest.raises(BankMissingError, match=r"no bank in collection 'nothing-.*names its sql_url"):
        Bank.open("nothing", create=make_manifest())
    with pytest.raises(BankMissingError, match=r"folder typo.*no profile of that name in .*settings\.toml"):
        Bank.open("typo")
    with Bank.open("new", create=make_manifest()) as bank:
        assert bank.address.profile == "new"
        assert real_name(team.client, team.named("new")).startswith(f"{team.named('new')}-")


def test_a_collection_is_whole_before_it_gets_its_name(team: Team) -> None:
    if team.stub is None:
        pytest.skip("what a real server was asked is not known")
    paths = [request.path for request in team.stub.requests if request.method != "GET"]
    made, *then = [path.rpartition("/")[2] for path in paths[: paths.index("/collections/aliases")]]
    assert made.startswith(f"{team.collection}-")
    assert [step for step in then if step != "points"] == ["index"] * len(payload_indexes())
    assert then[-1] == "points"


def test_a_folder_without_a_bank_does_not_hide_a_profile(team: Team, tmp_path: Path) -> None:
    (tmp_path / "team").mkdir()
    (tmp_path / "team" / "photo.jpg").touch()
    assert not hides_profile(Path("team"))
    with Bank.open("team") as bank:
        assert bank.address.profile == "team"
    with pytest.raises(BankMissingError, match=r"no bank in the folder .*/team; make a bank"):
        Bank.open(tmp_path / "team")


def test_a_folder_of_the_same_name_wins(team: Team, empty_bank: Path, tmp_path: Path) -> None:
    (tmp_path / "team").symlink_to(empty_bank)
    assert hides_profile(Path("team"))
    assert not hides_profile(Path("other"))
    with Bank.open("team") as bank:
        assert bank.address.profile is None


def test_other_models_are_refused(team: Team) -> None:
    other = make_manifest(clip=ModelRecord(id="clip-b", sha256="zz", dim=8))
    for address in ("team", "reader"):
        with pytest.raises(ManifestMismatchError, match=r"clip.*clip-a.*clip-b"):
            Bank.open(address, create=other)


def test_a_creation_cut_short_is_finished(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    team.add("new", sql_url=team.postgres.new_database(), thumbnails="t")
    with monkeypatch.context() as patch:
        patch.setattr(hosted, "give_alias", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            Bank.open("new", create=make_manifest())
    with pytest.raises(BankMissingError, match="freeda ingest"):
        Bank.open("new")
    with Bank.open("new", create=make_manifest()) as bank:
        assert ingest(bank, range(1)).number == 1


def test_stores_that_do_not_belong_together_are_refused(team: Team) -> None:
    with Bank.open("team") as bank:
        ingest(bank, range(2))
    with Bank.open(team.new_bank()) as bank:
        ingest(bank, range(3), key="another")
    other_sql = next(p["sql_url"] for n, p in team.profiles.items() if n.startswith("bank"))
    team.add("crossed", collection="team", sql_url=team.postgres.new_database(), thumbnails="t")
    with pytest.raises(BankDamagedError, match="whose database is empty"):
        Bank.open("crossed", create=make_manifest())
    team.add("crossed", collection="gone", sql_url=other_sql, thumbnails="t")
    with pytest.raises(BankDamagedError, match="do not belong together"):
        Bank.open("crossed", create=make_manifest())
    team.add("crossed", collection="team", sql_url=other_sql, thumbnails="t")
    with pytest.raises(BankDamagedError, match="belongs to another database"):
        Bank.open("crossed")
    team.postgres.run(team.sql_url, "UPDATE revision SET committed_at = '2001-01-01T00:00:00Z'")
    with pytest.raises(BankDamagedError, match="revisions that the database does not"):
        Bank.open("team")


def _break_head(team: Team, **fields: str) -> None:
    """Change what the head note says, as another tool might."""
    board = Board(team.client, team.collection)
    head = board.head()
    assert head is not None
    told = {"bank": head.stamp.bank, "serial": "changed", "text": head.text, "replaced": ""} | fields
    board._upsert(NOTE_HEAD, told)


@pytest.mark.parametrize(
    ("document", "error", "match"),
    [
        ('{"format": 99}', NewerSchemaError, "newer freeda"),
        ("no json", BankDamagedError, "metadata of collection 'team-.* is damaged"),
        ('{"format": 2}', BankDamagedError, "metadata of collection 'team-.* is damaged"),
    ],
)
def test_notes_of_other_kinds(team: Team, document: str, error: type[Exception], match: str) -> None:
    _break_head(team, text=document)
    with pytest.raises(error, match=match):
        Bank.open("reader")


def test_damaged_notes_are_published_anew(team: Team) -> None:
    with Bank.open("team") as bank:
        ingest(bank, range(2))
    _break_head(team, text="no json")
    Bank.open("team").close()
    with Bank.open("reader") as reader:
        assert reader.stats().prototypes == 4


def test_a_collection_of_something_else(team: Team) -> None:
    team.client.create_collection(team.named("photos"), vectors_config={})
    team.add("photos")
    with pytest.raises(BankError, match=r"'photos-.* holds no bank of freeda"):
        Bank.open("photos")
    team.add("photos", sql_url=team.postgres.new_database(), thumbnails="t")
    with pytest.raises(BankError, match=r"'photos-.* holds no bank of freeda"):
        Bank.open("photos", create=make_manifest())


def test_run_keys_are_not_published(team: Team) -> None:
    with Bank.open("team") as bank:
        ingest(bank, range(1), key="/home/ann/captions.jsonl")
    told = f"{team.client.scroll(team.collection, limit=100)} {look(team.client, team.collection)}"
    assert "/home/ann" not in told.replace("message of /home/ann", "")
