"""Copies that are cut short, and runs and copies that go on in the same bank."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sharing_makers import (
    StoppingSource,
    assert_copied,
    assert_same,
    at,
    copy_open,
    ingest,
    points_of,
    shown,
    sink_of,
    source_of,
)
from store_makers import make_generation, make_manifest

from freeda_store import Bank
from freeda_store.errors import (
    BankInUseError,
    DivergedError,
    UnfinishedRunError,
)
from freeda_store.sharing.copy import copy
from freeda_store.writing.stores import show_retirements

pytestmark = pytest.mark.usefixtures("small_parts")


@pytest.mark.parametrize("parts", range(6))
def test_an_interrupted_copy_goes_on(source: Bank, sink: Bank, parts: int) -> None:
    with pytest.raises(KeyboardInterrupt):
        copy(StoppingSource(source, parts), sink_of(sink))
    sink._stores.writing.clear()
    whole = 0 if parts < 3 else 1 if parts < 5 else 4
    assert len(sink.revisions()) == whole, "what is half there is not seen"
    assert sink.stats().unfinished_runs == 1
    assert sink.verify().ok
    report = copy_open(source, sink)
    assert report.resumed_parts == (parts if parts < 3 else parts - 3 if parts < 5 else 0)
    assert sink.stats().unfinished_runs == 0
    assert_copied(source, sink)


STEPS: dict[str, Callable[[Bank], tuple[Any, str]]] = {
    "thumbnails": lambda bank: (bank._stores.thumbnails, "put"),
    "points": lambda bank: (bank._stores.vectors, "upsert"),
    "retired points": lambda bank: (bank._stores.vectors, "set_payload"),
    "flush": lambda bank: (bank._stores.vectors, "flush"),
    "tags": lambda bank: (bank._stores.catalog, "set_tag"),
    "tidying": lambda bank: (bank._stores.vectors, "optimize"),
    "rows": lambda bank: (bank._stores.catalog, "transaction"),
}


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("step", STEPS)
def test_a_copy_that_fails_anywhere_goes_on(source: Bank, sink: Bank, step: str, after: bool) -> None:
    owner, name = STEPS[step](sink)
    original = getattr(owner, name)
    failures = 0
    for passes in range(1, 60, 4 if step in ("rows", "thumbnails") else 1):
        calls = 0

        def failing(*given: Any, passes: int = passes) -> Any:
            nonlocal calls
            calls += 1
            result = original(*given) if after and name != "transaction" else None
            if calls == passes:
                raise KeyboardInterrupt
            return result if after and name != "transaction" else original(*given)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(owner, name, failing)
            try:
                copy_open(source, sink)
                break
            except KeyboardInterrupt:
                failures += 1
        sink._stores.writing.clear()
        for revision in sink.revisions():
            of_source = source.revisions()[revision.number - 1]
            assert replace(revision, tags=()) == replace(of_source, tags=())
    else:
        pytest.fail("the copy never ended")
    assert failures >= 1
    assert_copied(source, sink)


def test_a_local_run_does_not_go_on_with_what_arrives(source: Bank, sink: Bank) -> None:
    with pytest.raises(KeyboardInterrupt):
        copy(StoppingSource(source, 2), sink_of(sink))
    sink._stores.writing.clear()
    with sink.write("mine", "one") as writer:  # the run key of the revision that arrives
        assert not writer.resumed


def test_lost_points_of_what_arrived_arrive_anew(source: Bank, sink: Bank) -> None:
    with pytest.raises(KeyboardInterrupt):
        copy(StoppingSource(source, 2), sink_of(sink))
    sink._stores.writing.clear()
    sink._stores.vectors.delete(points_of(sink, 1)[:1])
    assert copy_open(source, sink).resumed_parts == 0
    assert_copied(source, sink)


def test_repairing_what_arrived_does_not_hide_a_loss(source: Bank, sink: Bank) -> None:
    with pytest.raises(KeyboardInterrupt):
        copy(StoppingSource(source, 2), sink_of(sink))
    sink._stores.writing.clear()
    sink._stores.vectors.delete(points_of(sink, 1)[:1])
    sink.verify(repair=True)
    assert copy_open(source, sink).resumed_parts == 0
    assert_copied(source, sink)


def test_another_copy_removes_what_a_dead_one_left(tmp_path: Path, source: Bank, sink: Bank) -> None:
    with pytest.raises(KeyboardInterrupt):
        copy(StoppingSource(source, 2), sink_of(sink))
    sink._stores.writing.clear()
    with Bank.open(tmp_path / "other", create=make_manifest()) as other:
        ingest(other, [30, 31, 32], "other")
        copy_open(other, sink)
        assert_copied(other, sink)
    assert sink.stats().unfinished_runs == 0
    assert len(list(sink._stores.thumbnails.keys())) == 3 + 6


def test_one_copy_at_a_time(source: Bank, sink: Bank) -> None:
    first, second = sink_of(sink), sink_of(sink)
    first.expect(source_of(source).records())
    with pytest.raises(BankInUseError, match="another copy into sink is going on"):
        second.expect(source_of(source).records())
    first.end({})
    second.expect(source_of(source).records())
    second.end({})


def test_somebody_commits_while_a_revision_arrives(source: Bank, sink: Bank) -> None:
    arriving, reading_ = sink_of(sink), source_of(source)
    first = reading_.records()[0]
    arriving.expect([first])
    arriving.begin(first)
    for part in reading_.parts(first.id):
        arriving.add(part)
    ingest(sink, [40], "meanwhile")
    with pytest.raises(
        DivergedError, match="revision 1 cannot follow revision 1 of sink: somebody committed"
    ):
        arriving.finish(reading_.retirements(first.id))
    assert [revision.message for revision in sink.revisions()] == ["message of meanwhile"]


def test_adding_before_a_revision_was_begun(source: Bank, sink: Bank) -> None:
    (part, *_) = source_of(source).parts(1)
    with pytest.raises(ValueError, match="call begin first"):
        sink_of(sink).add(part)


# ids and open revisions


def test_open_revisions_are_left_out(source: Bank, sink: Bank) -> None:
    writer = source.write("open", "open")
    writer.add([make_generation(50)])
    copy_open(source, sink)
    assert_copied(source, sink)
    assert len(list(sink.infos())) == 14
    writer.commit()
    assert copy_open(source, sink).revisions == (6,)
    assert_copied(source, sink)


def test_writing_goes_on_after_a_copy(source: Bank, sink: Bank) -> None:
    copy_open(source, sink)
    before = shown(at(sink, 5))
    with sink.write("mine", "mine") as writer:
        writer.add([make_generation(seed) for seed in (0, 60)])  # the first is shown already
        made = writer.commit()
    assert made is not None
    assert (made.number, made.prototypes_added) == (6, 2)
    records = sink._history().committed_records()
    assert records[-1].id == records[-2].id + 1
    assert_same(shown(at(sink, 5)), before)
    back = copy_open(sink, source)
    assert back.revisions == (6,)
    assert_copied(sink, source)


def test_ids_that_arrived_are_never_given_again(source: Bank, sink: Bank) -> None:
    with source.write("nothing", "nothing") as writer:
        writer.add([make_generation(70)])
    source.rollback(1)
    last = source._history().committed_records()[-1].id
    assert last == 7, "one id is that of an open run"
    copy_open(source, sink)
    assert sink._stores.catalog.open_revision("mine", "mine") == last + 1


def test_ids_are_kept_free_while_a_copy_is_cut_short(source: Bank, sink: Bank) -> None:
    with pytest.raises(KeyboardInterrupt):
        copy(StoppingSource(source, 1), sink_of(sink))
    sink._stores.writing.clear()
    writer = sink.write("mine", "mine")
    writer.add([make_generation(0)])
    copy_open(source, sink)
    assert_copied(source, sink)
    assert writer.commit() is None, "the copy brought the same caption"


def test_an_unfinished_run_in_the_way(source: Bank, sink: Bank) -> None:
    writer = sink.write("my captions", "mine")
    writer.add([make_generation(seed) for seed in (0, 80)])
    with pytest.raises(UnfinishedRunError, match=r"'my captions'.*id 1.*--discard-unfinished"):
        copy_open(source, sink)
    assert writer.missing([]) == set()
    assert sink.revisions() == []
    with pytest.raises(BankInUseError, match="run 'mine' is being written"):
        copy(source_of(source), sink_of(sink, discard_unfinished=True))
    writer.close()
    copy(source_of(source), sink_of(sink, discard_unfinished=True))
    assert_copied(source, sink)
    assert len(sink._stores.catalog.thumbnail_keys()) == len(list(sink._stores.thumbnails.keys()))
    with sink.write("my captions", "mine") as again:
        assert not again.resumed
        again.add([make_generation(seed) for seed in (0, 80)])
        assert again.commit() is not None


def test_no_id_that_arrives_is_given_away_while_room_is_made(
    source: Bank, sink: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    copying = sink_of(sink)
    look = copying._replica.open_revisions

    def another_writer_begins_next() -> list[tuple[int, str, str]]:
        seen = look()
        sink._stores.catalog.open_revision("mine", "mine")
        return seen

    monkeypatch.setattr(copying._replica, "open_revisions", another_writer_begins_next)
    assert len(copy(source_of(source), copying).revisions) == 5
    assert_copied(source, sink)


def test_an_unfinished_run_out_of_the_way_goes_on(source: Bank, sink: Bank) -> None:
    copy(source_of(source), sink_of(sink))
    writer = sink.write("mine", "mine")
    writer.add([make_generation(90)])  # takes the id 6
    with source.write("nothing", "nothing") as other:
        other.add([make_generation(91)])  # takes the id 6 over there, and stays open
    source.rollback(2)
    copy_open(source, sink)
    assert_copied(source, sink)
    made = writer.commit()
    assert made is not None
    assert made.number == 7
    assert sink.verify().ok


def test_what_points_tell_of_a_dropped_run_is_swept(source: Bank, sink: Bank) -> None:
    copy_open(source, sink)
    catalog = sink._stores.catalog
    ids = [info.id for info in sink.infos()][:2]
    dropped = catalog.open_revision("dropped", "dropped")
    catalog.retire(dropped, ids)
    show_retirements(sink._stores, ids)
    catalog.drop_revision(dropped)
    ingest(source, [92], "the same id")
    assert source._history().committed_records()[-1].id == dropped
    copy_open(source, sink)
    assert {info.id for info in sink.infos()} >= set(ids)
    assert_copied(source, sink)
