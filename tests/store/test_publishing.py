"""What is published stays small, is read once, and can be read whatever version wrote it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from uuid import UUID, uuid4

import pytest
from hosted_makers import Team, connect
from qdrant_stub import API_KEY, QdrantStub, running_stub
from store_makers import make_generation, make_manifest

from freeda_store import Bank, RevisionInfo, parse_filter
from freeda_store.history import RevisionRecord
from freeda_store.hosted.published import PAGE_CHARS, Notes, Published, named_pages
from freeda_store.sql.counts import LISTED, Totals, shares
from freeda_store.vectors.board import Board
from freeda_store.vectors.collection import METADATA_KEY, create_collection, real_name
from freeda_store.vectors.protocol import VectorSizes

pytestmark = pytest.mark.filterwarnings("ignore:Local mode")
BANK = UUID(int=5)
SOURCES = 5_000


def record(number: int) -> RevisionRecord:
    times = ("2026-01-01T00:00:00Z", "2026-01-01T00:00:01Z")
    message = f"ingest captions-{number}.jsonl with preset sd21"
    return RevisionRecord(number, number, number - 1 or None, "run", message, *times, SOURCES, 0)


def published(revisions: int) -> Published:
    records = tuple(record(number) for number in range(1, revisions + 1))
    counts = {r.id: Totals(SOURCES * r.id, SOURCES, SOURCES * r.id, SOURCES * r.id) for r in records}
    return Published(make_manifest(), records, {"v1": 1}, 0, counts)


def test_thousands_of_sources_and_hundreds_of_revisions_stay_small() -> None:
    notes = published(500).to_notes(BANK)
    assert max(len(text) for text in notes.pages.values()) <= PAGE_CHARS + 100
    assert len(notes.head.text) < 10_000
    assert Published.from_notes(notes, "team") == replace(
        published(500), records=tuple(replace(r, run_key="") for r in published(500).records)
    )


def test_one_more_revision_costs_one_page() -> None:
    before, after = published(500).to_notes(BANK), published(501).to_notes(BANK)
    assert len(after.pages.keys() - before.pages.keys()) == 1
    assert named_pages(before.head, "team") == tuple(before.pages)


def test_a_message_without_end_is_cut() -> None:
    long = replace(published(1), records=(replace(record(1), message="m" * 10**6),))
    assert sum(map(len, long.to_notes(BANK).pages.values())) < 10_000


def test_shares_list_the_largest_and_count_the_rest() -> None:
    counted = {f"https://example.org/{index}": 1 + index % 7 for index in range(SOURCES)}
    divided = shares(counted, sum(counted.values()) + 3)
    assert len(divided.largest) == LISTED
    assert sum(divided.largest.values()) + divided.others == sum(counted.values()) + 3
    assert list(divided.largest.values()) == sorted(divided.largest.values(), reverse=True)


@pytest.fixture
def stub() -> Iterator[QdrantStub]:
    with running_stub() as running:
        yield running


def test_a_board_keeps_pages_for_readers_who_hold_the_head_before(stub: QdrantStub) -> None:
    client = connect(stub.url, API_KEY)
    create_collection(client, "team", VectorSizes(8, 12))
    board = Board(client, "team")
    assert (board.peek(), board.head(), board.pages([uuid4()])) == (None, None, {})
    notes = published(3).to_notes(BANK)
    board.put(replace(notes.head, replaced=(BANK,)), notes.pages)
    head = board.head()
    assert head is not None
    assert head.replaced == (BANK,)
    assert board.peek() == head.stamp == notes.head.stamp
    assert Published.from_notes(Notes(head, board.pages(named_pages(head, "team"))), "team").tags == {"v1": 1}
    (page,) = notes.pages
    board._upsert(page, {"text": "another"})
    assert board.pages([page]) == {}


# a bank


def ingest(bank: Bank, indices: range, *, key: str) -> RevisionInfo:
    with bank.write(f"message of {key}", key) as writer:
        writer.add([make_generation(index) for index in indices])
        info = writer.commit()
    assert info is not None
    return info


def test_readers_read_once_and_then_only_look_for_something_newer(team: Team) -> None:
    if team.stub is None:
        pytest.skip("what a real server was asked is not known")
    with Bank.open("team") as bank:
        for number in range(4):
            ingest(bank, range(3 * number, 3 * number + 3), key=str(number))
        with Bank.open("reader") as reader:
            start = len(team.stub.requests)
            reader.stats()
            reader.revisions()
            list(reader.infos(parse_filter(["noun=car"])))
            retrieved = [r.body for r in team.stub.requests[start:] if r.path.endswith("/points")]
            assert retrieved
            assert all(body["with_payload"] == ["bank", "serial"] for body in retrieved)
            ingest(bank, range(12, 15), key="more")
            assert len(reader.revisions()) == 5
            assert reader.stats().prototypes == 30


def test_a_writer_writes_one_page_a_commit_and_leaves_no_litter(team: Team) -> None:
    def notes() -> int:
        points, _ = team.client.scroll(team.collection, limit=1000)
        return sum("text" in (point.payload or {}) for point in points)

    with Bank.open("team") as bank, Bank.open("reader") as reader:
        for number in range(6):
            ingest(bank, range(number, number + 1), key=str(number))
            assert len(reader.revisions()) == number + 1
    assert notes() <= 3  # the head, its page, and the page before


def test_a_bank_of_the_first_format_is_read_and_brought_up_to_date(team: Team) -> None:
    with Bank.open("team") as bank:
        ingest(bank, range(4), key="a")
        bank.tag("v1")
        history = bank._history()
    counts = {"prototypes": 8, "nouns": 4, "captions": 4, "generations": 4}
    old = {
        "format": 1,
        "manifest": make_manifest().model_dump(),
        "revisions": [asdict(r) | {"run_key": ""} for r in history.committed_records()],
        "tags": {"v1": 1},
        "unfinished": 0,
        "counts": {"1": counts | {"by_source": {"coco": 8}, "by_license": {"cc-by": 8}}},
    }
    notes = [p.id for p in team.client.scroll(team.collection, limit=100)[0] if "text" in (p.payload or {})]
    team.client.delete(team.collection, notes)
    real = real_name(team.client, team.collection)
    team.client.update_collection(real, metadata={METADATA_KEY: json.dumps(old)})
    team.postgres.run(team.sql_url, "UPDATE manifest SET document = (document::jsonb - 'bank')::text")
    with Bank.open("reader@v1") as reader:
        assert reader.stats().prototypes == 8
        with Bank.open("team") as bank:
            ingest(bank, range(4, 6), key="b")
            assert bank.verify().ok
    with Bank.open("reader") as reader:
        assert [r.number for r in reader.revisions()] == [1, 2]
        assert reader.stats().prototypes == 12


def test_many_sources_are_counted_by_the_server(team: Team) -> None:
    with Bank.open("team") as bank:
        generations = [make_generation(index) for index in range(60)]
        varied = [
            replace(g, caption=replace(g.caption, source=f"https://example.org/{index % 40}"))
            for index, g in enumerate(generations)
        ]
        with bank.write("m", "k") as writer:
            writer.add(varied)
            writer.commit()
        with Bank.open("reader") as reader:
            assert reader.stats().by_source == bank.stats().by_source
            assert list(reader.stats().by_source)[:3] == list(bank.stats().by_source)[:3]
            assert len(reader.stats().by_source) == 40


def test_a_bank_opened_again_in_one_process_is_not_read_again(team: Team) -> None:
    if team.stub is None:
        pytest.skip("what a real server was asked is not known")
    with Bank.open("team") as bank:
        ingest(bank, range(3), key="a")
    Bank.open("reader").close()
    start = len(team.stub.requests)
    with Bank.open("reader") as reader:
        assert len(reader.revisions()) == 1
    read = [r.body for r in team.stub.requests[start:] if r.path.endswith("/points")]
    assert read
    assert all(body["with_payload"] == ["bank", "serial"] for body in read)
