"""What a hosted bank sent is remembered by revision, and nothing else is taken for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from uuid import UUID, uuid4

import numpy as np
import pytest
from postgres_server import PASSWORD, PostgresServer
from qdrant_stub import API_KEY, QdrantStub, running_stub
from store_makers import NOUNS, make_generation, make_manifest, text_key

from freeda_segment.retrieval.bank_nouns import bank_nouns
from freeda_store import Bank, Filter, parse_filter
from freeda_store.history import History, RevisionRecord
from freeda_store.hosted.disk_cache import DiskCache, cache_folder
from freeda_store.hosted.disk_recall import DiskRecall, open_recall
from freeda_store.profiles.settings import Profile
from freeda_store.recall import NoRecall
from freeda_store.records import FloatArray
from freeda_store.vectors.filters import PointFilter, View
from freeda_store.vectors.protocol import Fetched, Hits, Payload

pytestmark = pytest.mark.filterwarnings("ignore:Local mode")

QUERIES = np.stack([text_key(noun) for noun in NOUNS])


def open_cache(folder: Path) -> DiskCache:
    return DiskCache(folder / "cache", 10**6)


HITS = Hits((UUID(int=5), UUID(int=9)), np.array([0.9, 0.1], np.float32))


def record(id_: int, committed_at: str | None = "2026-01-01T00:00:00Z", **changes: object) -> RevisionRecord:
    parent = id_ - 1 if id_ > 1 else None
    values: dict[str, object] = {
        "id": id_,
        "number": id_ if committed_at else None,
        "parent_id": parent if committed_at else None,
        "run_key": "",
        "message": "m",
        "created_at": "2025-12-31T00:00:00Z",
        "committed_at": committed_at,
        "prototypes_added": 3,
        "prototypes_retired": 0,
    }
    return RevisionRecord(**(values | changes))  # type: ignore[arg-type]


def history(*records: RevisionRecord) -> History:
    return History(list(records) or [record(1)], {})


class Asked:
    """Counts what the server is asked."""

    def __init__(self) -> None:
        self.queries: list[int] = []
        self.ids: list[UUID] = []

    def search(self, queries: FloatArray) -> list[Hits]:
        self.queries.append(len(queries))
        return [HITS] * len(queries)

    def fetch(self, ids: object) -> Fetched:
        wanted = list(ids)  # type: ignore[call-overload]
        self.ids += wanted
        visuals = np.array([[id_.int % 97 + 0.5, 1, 2] for id_ in wanted], np.float32).reshape(-1, 3)
        payloads: tuple[Payload, ...] = tuple(
            {"added_in": 1, "retired_in": [7], "caption": "ä\ud800"[:1]} for _ in wanted
        )
        return Fetched(tuple(wanted), payloads, np.zeros((0, 2), np.float32), visuals)


@pytest.fixture
def recall(tmp_path: Path) -> DiskRecall:
    return DiskRecall(open_cache(tmp_path), "a bank")


def test_an_answer_is_asked_for_once(recall: DiskRecall) -> None:
    asked, where = Asked(), PointFilter(parse_filter(["noun=car"]), View(((1, 1),)))
    first = recall.hits(QUERIES, 2, where, history(), asked.search)
    again = recall.hits(QUERIES[::-1], 2, where, history(), asked.search)
    assert asked.queries == [4]
    assert [hits.ids for hits in first + again] == [HITS.ids] * 8
    np.testing.assert_array_equal(again[0].similarities, HITS.similarities)
    recall.hits(np.concatenate([QUERIES, QUERIES[:1] + 1]), 2, where, history(), asked.search)
    assert asked.queries == [4, 1]


@pytest.mark.parametrize(
    ("k", "where", "told"),
    [
        (3, PointFilter(Filter(), View(((1, 1),))), history()),
        (2, PointFilter(parse_filter(["noun=car"]), View(((1, 1),))), history()),
        (2, PointFilter(Filter(), View(((1, 2),))), history(record(1), record(2))),
        (2, PointFilter(Filter(), View(((1, 1),))), history(record(1, "2026-01-01T00:00:01Z"))),
        (2, PointFilter(Filter(), View(((1, 1),))), history(record(1, prototypes_added=4))),
        (2, PointFilter(Filter(), View(((1, 1),))), history(record(1, created_at="2025-12-31T00:00:01Z"))),
    ],
    ids=["k", "filter", "revision", "committed", "count", "created"],
)
def test_another_question_is_asked_anew(
    recall: DiskRecall, k: int, where: PointFilter, told: History
) -> None:
    asked, plain = Asked(), PointFilter(Filter(), View(((1, 1),)))
    recall.hits(QUERIES, 2, plain, history(), asked.search)
    recall.hits(QUERIES, k, where, told, asked.search)
    assert asked.queries == [4, 4]
    recall.hits(QUERIES, 2, plain, history(record(1), record(2)), asked.search)
    assert asked.queries == [4, 4], "a newer revision changes nothing about an older one"


def test_what_is_open_is_never_remembered(recall: DiskRecall) -> None:
    asked = Asked()
    told = history(record(1), record(2, None))
    for where in (PointFilter(view=View(((1, 2),))), PointFilter(added_in=2), PointFilter()):
        for _ in range(2):
            recall.hits(QUERIES, 2, where, told, asked.search)
    assert asked.queries == [4] * 6
    ids = [uuid4()]
    for _ in range(2):
        recall.prototypes(ids, history(record(2, None)), asked.fetch)
    assert asked.ids == ids * 2


def test_a_prototype_is_fetched_once(recall: DiskRecall, tmp_path: Path) -> None:
    asked, ids = Asked(), [uuid4() for _ in range(5)]
    recall.prototypes(ids[:3], history(), asked.fetch)
    again = DiskRecall(open_cache(tmp_path), "a bank").prototypes(ids[::-1], history(), asked.fetch)
    assert asked.ids == [*ids[:3], ids[4], ids[3]]
    direct = Asked().fetch(ids[::-1])
    assert again.ids == direct.ids
    np.testing.assert_array_equal(again.visuals, direct.visuals)
    assert [payload["caption"] for payload in again.payloads] == ["ä"] * 5
    DiskRecall(open_cache(tmp_path), "another bank").prototypes(ids, history(), asked.fetch)
    assert len(asked.ids) == 10
    restored = history(record(1, "2026-02-02T00:00:00Z"))
    recall.prototypes(ids, restored, asked.fetch)
    assert len(asked.ids) == 15


def test_vectors_beyond_float16_come_back_to_the_last_bit(recall: DiskRecall) -> None:
    ids = [uuid4(), uuid4(), uuid4()]
    rows = np.array([[1.00001, -3e-9], [70_000.5, 1], [0, 0]], np.float32)
    payloads = ({"added_in": 1},) * 3
    given = Fetched(tuple(ids), payloads, np.zeros((0, 2), np.float32), rows)
    for expected in (ids, ids[2:]):
        asked: list[UUID] = []

        def fetch(wanted: Sequence[UUID], asked: list[UUID] = asked) -> Fetched:
            asked += wanted
            index = [ids.index(id_) for id_ in asked]
            return Fetched(tuple(asked), payloads[: len(index)], given.texts, rows[index])

        np.testing.assert_array_equal(recall.prototypes(ids, history(), fetch).visuals, rows)
        assert asked == expected, "a vector of zeros is damage more often than not, and is asked for again"


def test_where_it_lies(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "freeda"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path.home() / ".cache" / "freeda"
    assert cache_folder("~/x") == Path.home() / "x"
    monkeypatch.setenv("FREEDA_CACHE_MB", "0")
    profile = Profile(name="p", qdrant_url="http://localhost")
    assert isinstance(open_recall(profile, make_manifest(), ""), NoRecall)
    monkeypatch.setenv("FREEDA_CACHE_MB", "5")
    monkeypatch.setenv("FREEDA_CACHE_DIR", str(tmp_path / "here"))
    recall = open_recall(profile, make_manifest(), "")
    recall.hits(
        QUERIES, 2, PointFilter(view=View(((1, 1),))), history(), lambda queries: [HITS] * len(queries)
    )
    assert list((tmp_path / "here").iterdir())


def test_what_follows_from_a_view_is_made_once(recall: DiskRecall, tmp_path: Path) -> None:
    made: list[bytes] = []
    old, new = View(((1, 1),)), View(((1, 2),))
    told = history(record(1), record(2))

    def derived(recall: DiskRecall, name: bytes, where: PointFilter, told: History = told) -> bytes:
        def make() -> bytes:
            made.append(name)
            return b"made %d" % len(made)

        return recall.derived(name, where, told, make)

    assert [derived(recall, b"means", PointFilter(view=old)) for _ in range(2)] == [b"made 1"] * 2
    other = DiskRecall(open_cache(tmp_path), "a bank")
    assert derived(other, b"means", PointFilter(view=old)) == b"made 1", "by another process"
    assert derived(recall, b"means", PointFilter(view=new)) == b"made 2"
    assert derived(recall, b"means", PointFilter(parse_filter(["noun=car"]), old)) == b"made 3"
    assert derived(recall, b"others", PointFilter(view=old)) == b"made 4"
    assert derived(DiskRecall(open_cache(tmp_path), "b"), b"means", PointFilter(view=old)) == b"made 5"
    unfinished = history(record(1), record(2, None))
    assert derived(recall, b"means", PointFilter(view=new), unfinished) == b"made 6"
    assert derived(recall, b"means", PointFilter(view=new), unfinished) == b"made 7"
    assert NoRecall().derived(b"means", PointFilter(view=old), told, lambda: b"x") == b"x"


# a whole bank


@pytest.fixture
def stub(tmp_path: Path, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[QdrantStub]:
    """A server with a bank of one revision, and profiles ``team`` and ``reader``."""
    with running_stub() as server:
        settings = tmp_path / "settings.toml"
        place = f'qdrant_url = "{server.url}"\ncollection = "team"\nthumbnails = "{tmp_path}/thumbnails"\n'
        sql = f'sql_url = "{postgres.new_database()}"\n'
        settings.write_text(f"[profiles.team]\n{place}{sql}\n[profiles.reader]\n{place}")
        monkeypatch.setenv("FREEDA_SETTINGS", str(settings))
        monkeypatch.setenv("FREEDA_QDRANT_API_KEY", API_KEY)
        monkeypatch.setenv("FREEDA_SQL_PASSWORD", PASSWORD)
        monkeypatch.setenv("FREEDA_CACHE_DIR", str(tmp_path / "cache"))
        monkeypatch.chdir(tmp_path)
        with Bank.open("team", create=make_manifest()) as bank:
            ingest(bank, range(6))
        yield server


def ingest(bank: Bank, indices: range) -> None:
    with bank.write("message", f"run {indices}") as writer:
        writer.add([make_generation(index) for index in indices])
        writer.commit()


def asked(stub: QdrantStub) -> tuple[int, int]:
    """How many searches and fetches of vectors there were since the last look."""
    paths = [request for request in stub.requests if request.method == "POST"]
    stub.requests.clear()
    searches = sum(request.path.endswith("/points/query/batch") for request in paths)
    fetches = sum(
        request.path.endswith("/points") and bool((request.body or {}).get("with_vector"))
        for request in paths
    )
    return searches, fetches


def test_the_second_reader_asks_for_no_vector_and_no_search(stub: QdrantStub, tmp_path: Path) -> None:
    with Bank.open("reader") as bank:
        first = bank.nearest(QUERIES, 5)
        assert asked(stub) != (0, 0)
        bank.nearest(QUERIES, 5)
        assert asked(stub) == (0, 0)
    for name in ("reader", "team"):
        with Bank.open(name) as bank:
            again = bank.nearest(QUERIES, 5)
        assert name == "team" or asked(stub) == (0, 0)
        for one, other in zip(first, again, strict=True):
            assert one.ids == other.ids
            assert one.infos == other.infos
            np.testing.assert_array_equal(one.visuals, other.visuals)
            np.testing.assert_array_equal(one.similarities, other.similarities)
    kept = (tmp_path / "cache" / "retrieval-1.sqlite").read_bytes()
    for secret in (API_KEY, PASSWORD):
        assert secret.encode() not in kept


def test_a_new_revision_moves_only_what_is_new(stub: QdrantStub) -> None:
    with Bank.open("reader") as reader, Bank.open("team") as bank:
        reader.nearest(QUERIES, 50)
        ingest(bank, range(6, 8))
        asked(stub)
        found = reader.nearest(QUERIES, 50)
        fetched = [
            request.body["ids"] for request in stub.requests if (request.body or {}).get("with_vector")
        ]
        assert sum(map(len, fetched)) == 4
        assert {len(each.ids) for each in found} == {16}
        retired = found[0].ids[0]
        bank.retire([retired], "wrong")
        assert all(retired not in each.ids for each in reader.nearest(QUERIES, 50))


def test_other_content_under_the_same_name_is_asked_for(
    stub: QdrantStub, postgres: PostgresServer, tmp_path: Path
) -> None:
    with Bank.open("reader") as reader:
        old = reader.nearest(QUERIES, 50)
    settings = tmp_path / "settings.toml"
    with running_stub() as other:
        text = settings.read_text().replace(stub.url, other.url)
        settings.write_text(text.replace('sql_url = "', 'sql_url = "' + postgres.new_database() + '" # '))
        with Bank.open("team", create=make_manifest()) as bank:
            ingest(bank, range(3))
        moved = other.snapshot("team")
    settings.write_text(settings.read_text().replace(other.url, stub.url))
    stub.restore("team", moved)
    with Bank.open("reader") as reader:
        new = reader.nearest(QUERIES, 50)
    assert {len(each.ids) for each in old} == {12}
    assert {len(each.ids) for each in new} == {6}


def test_readers_and_writers_share_what_follows_from_a_revision(stub: QdrantStub) -> None:
    made: list[str] = []

    def make() -> bytes:
        made.append("made")
        return b"%d" % len(made)

    with Bank.open("team") as bank, Bank.open("reader") as reader:
        assert [each.derived("means", make) for each in (bank, reader, bank)] == [b"1"] * 3
        ingest(bank, range(6, 8))
        assert [each.derived("means", make) for each in (reader, bank)] == [b"2"] * 2
        assert reader.derived("means", make, parse_filter(["noun=car"])) == b"3"


def test_a_reader_without_sql_gathers_the_nouns_of_a_revision_once(stub: QdrantStub) -> None:
    where = parse_filter(["area>=0.1"])
    with Bank.open("team") as bank:
        ingest(bank, range(6, 8))
    with Bank.open("reader") as reader:
        found = bank_nouns(reader, where)
        assert asked(stub)[1] > 0
        again = bank_nouns(reader, where)
        assert asked(stub) == (0, 0)
        for name, looks in zip(found.names, found.looks, strict=True):
            own = reader.vectors([info.id for info in reader.infos() if info.noun == name]).visuals.mean(0)
            np.testing.assert_allclose(looks, own / np.linalg.norm(own), atol=1e-5)
    assert sorted(found.names) == sorted(NOUNS)
    np.testing.assert_array_equal(found.looks, again.looks)
    with Bank.open("team") as bank:
        bank.retire(parse_filter(["noun=tree"]), "no trees")
    with Bank.open("reader") as reader:
        assert sorted(bank_nouns(reader, where).names) == ["boat", "car", "red car"]
        assert bank_nouns(reader, parse_filter(["noun=car"])).names == ("car",)


def test_a_cache_that_is_lost_costs_only_time(stub: QdrantStub, tmp_path: Path) -> None:
    with Bank.open("reader") as reader:
        first = reader.nearest(QUERIES, 5)
    (tmp_path / "cache" / "retrieval-1.sqlite").write_bytes(b"damage " * 3000)
    with Bank.open("reader") as reader:
        again = reader.nearest(QUERIES, 5)
    assert [each.ids for each in first] == [each.ids for each in again]
