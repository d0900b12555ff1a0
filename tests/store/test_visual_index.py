"""A large folder's index of visual vectors: what it finds, when it is written, and what damage to it does."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest
from engine_makers import SIZES, make_points
from hypothesis import given, settings
from hypothesis import strategies as st
from reader_makers import make_reader
from store_makers import VISUAL_DIM, make_generation

from freeda_store import Bank, parse_filter
from freeda_store.errors import BankDamagedError
from freeda_store.records import Direction
from freeda_store.revisions import indexing
from freeda_store.revisions.layout import FOLDER
from freeda_store.revisions.library import Library
from freeda_store.revisions.visual_index import NAME, index_bytes, open_index, write_index
from freeda_store.vectors import scan
from freeda_store.vectors.distinct import Distinct
from freeda_store.vectors.filters import PointFilter, View
from freeda_store.vectors.scan import VisualScan

QUERIES = np.random.default_rng(5).standard_normal((6, VISUAL_DIM)).astype(np.float32)


def in_cells(rows: np.ndarray, looked_into: int) -> VisualScan:
    """A scan of vectors in cells."""
    vectors = Distinct.in_cells(lambda places: rows[places], len(rows), rows.shape[1])
    return VisualScan(lambda places: rows[places], vectors, rows.shape[1], looked_into)


@given(
    count=st.integers(2, 300),
    wanted=st.sampled_from([1, 20, 10_000]),
    k=st.integers(1, 30),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=80, deadline=None)
def test_cells_give_true_neighbours_and_all_of_them_where_all_are_looked_into(
    count: int, wanted: int, k: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((count, 16)).astype(np.float16).astype(np.float32)
    queries = rng.standard_normal((5, 16)).astype(np.float32)
    places = np.flatnonzero(rng.random(count) < 0.7)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scan, "_ALL_BELOW", 0)
        patch.setattr(scan, "_PER_HIT", 1)
        found = in_cells(rows, wanted).nearest(queries, k, places)
    exact = VisualScan.of(lambda some: rows[some], count, 16).nearest(queries, len(places) + 1, places)
    for mine, truth in zip(found, exact, strict=True):
        assert len(mine.places) == min(k, len(places)), "no query comes back with less than it could have"
        true = dict(zip(truth.places.tolist(), truth.similarities.tolist(), strict=True))
        assert [true[place] for place in mine.places.tolist()] == mine.similarities.tolist()
        if wanted >= count:
            assert mine.places.tolist() == truth.places[:k].tolist()


def test_the_cells_that_are_nearest_hold_most_of_what_is_near() -> None:
    rng = np.random.default_rng(1)
    things = rng.standard_normal((60, 32))
    rows = (things[rng.integers(0, 60, 6000)] + 0.7 * rng.standard_normal((6000, 32))).astype(np.float32)
    queries = (things[:40] + 0.7 * rng.standard_normal((40, 32))).astype(np.float32)
    everywhere = np.arange(6000)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scan, "_ALL_BELOW", 0)
        patch.setattr(scan, "_PER_HIT", 1)
        found = in_cells(rows, 600).nearest(queries, 10, everywhere)
    exact = VisualScan.of(lambda some: rows[some], 6000, 32).nearest(queries, 10, everywhere)
    pairs = zip(found, exact, strict=True)
    recall = np.mean([len(set(mine.places) & set(truth.places)) / 10 for mine, truth in pairs])
    assert recall > 0.9, "of a tenth of all vectors"


def small_banks_have_an_index(patch: pytest.MonkeyPatch, *, least: int = 10) -> None:
    """Index banks of a few prototypes, and look into the cells of those."""
    patch.setattr(indexing, "INDEX_FROM", least)
    patch.setattr(scan, "_ALL_BELOW", 0)


def add(bank: Bank, numbers: range) -> None:
    with bank.write("m", f"run {numbers}") as writer:
        writer.add([make_generation(number, prototypes=4) for number in numbers])
        writer.commit()


def index_of(bank: Bank) -> Path:
    return bank.address.folder / FOLDER / NAME


Answers = list[tuple[tuple[UUID, ...], list[float]]]


def answers(bank: Bank, *where: str) -> Answers:
    found = bank.nearest(QUERIES, 7, parse_filter(list(where)), direction=Direction.REGIONS)
    return [(each.ids, each.similarities.tolist()) for each in found]


def without_index(bank: Bank, *where: str) -> Answers:
    """What a reader finds that compares all."""
    aside = index_of(bank).with_suffix(".aside")
    index_of(bank).rename(aside)
    try:
        with Bank.read(bank.address.folder) as reader:
            return answers(reader, *where)
    finally:
        aside.rename(index_of(bank))


def test_a_commit_writes_the_index_once_many_prototypes_lack_in_it(
    bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_banks_have_an_index(monkeypatch, least=32)
    add(bank, range(7))
    assert not index_of(bank).exists(), "28 prototypes are compared as fast"
    with Bank.read(bank.address.folder) as reader:
        assert len(answers(reader)[0][0]) == 7
        add(bank, range(7, 12))
        first = index_of(bank).stat()
        assert answers(reader) == without_index(bank), "a reader that was open finds the index, too"
        add(bank, range(12, 14))
        assert index_of(bank).stat().st_ino == first.st_ino, "8 of 56 came after it"
        assert answers(reader) == answers(bank) == without_index(bank), "and are found"
        add(bank, range(14, 18))
        assert index_of(bank).stat().st_ino != first.st_ino
        found = open_index(index_of(bank), VISUAL_DIM)
        assert found is not None
        assert len(found.ids) == 72
        assert found.is_whole()
        assert answers(reader) == answers(bank) == without_index(bank)
        assert index_of(bank).stat().st_size <= index_bytes(72, VISUAL_DIM)


def test_filters_revisions_and_pruning_hold_with_an_index(
    bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_banks_have_an_index(monkeypatch)
    add(bank, range(12))
    for filters in (["noun=car|boat"], ["source!=coco"], ["license=nothing"]):
        assert answers(bank, *filters) == without_index(bank, *filters)
    gone = answers(bank)[0][0][0]
    with Bank.read(bank.address.folder) as reader:
        assert gone in answers(reader)[0][0]
        before = answers(reader)
        bank.retire([gone], "wrong")
        assert gone not in answers(reader)[0][0]
        assert answers(reader) == without_index(bank)
    with Bank.read(f"{bank.address.folder}@1") as old:
        assert answers(old) == before


def test_one_region_s_prototypes_are_found_together_and_in_order(tmp_path: Path) -> None:
    points = make_points(90)
    twins = [type(p)(p.id, p.text, points[0].visual, p.payload) for p in make_points(40, seed=3)]
    reader = make_reader(tmp_path / "bank", [*points, *twins], SIZES)
    write_index(tmp_path / "bank" / FOLDER / NAME, reader._refreshed())
    index = open_index(tmp_path / "bank" / FOLDER / NAME, SIZES.visual)
    assert index is not None
    assert (len(index.ids), len(index.codes.scales)) == (130, 90)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scan, "_ALL_BELOW", 0)
        (hits,) = reader.nearest(points[0].visual[None], 30, PointFilter(), Direction.REGIONS)
    alike = sorted([points[0].id, *(p.id for p in twins)], key=lambda id_: id_.int)
    assert list(hits.ids) == alike[:30]
    assert set(hits.similarities) == {hits.similarities[0]}
    reader.close()


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_an_index_of_other_prototypes_is_right_for_those_it_has(
    seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A repair may leave an index of more prototypes than there are; a commit one of fewer."""
    rng = np.random.default_rng(seed)
    points = make_points(80)
    folder = tmp_path_factory.mktemp("index")
    reader = make_reader(folder / "bank", [p for p in points if rng.random() < 0.6], SIZES)
    other = make_reader(folder / "other", [p for p in points if rng.random() < 0.6], SIZES)
    where = PointFilter(view=View(((1, int(rng.integers(1, 5))),)))
    queries = rng.standard_normal((4, SIZES.visual)).astype(np.float32)
    exact = reader.nearest(queries, 9, where, Direction.REGIONS)
    write_index(folder / "bank" / FOLDER / NAME, other._refreshed())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scan, "_ALL_BELOW", 0)
        for mine, truth in zip(reader.nearest(queries, 9, where, Direction.REGIONS), exact, strict=True):
            assert mine.ids == truth.ids
            np.testing.assert_array_equal(mine.similarities, truth.similarities)
    reader.close()
    other.close()


def truncated(data: bytes) -> bytes:
    return data[:-7]


def of_another_format(data: bytes) -> bytes:
    return data.replace(b"freeda visual index 1", b"freeda visual index 9")


def with_a_row_that_is_not_there(data: bytes) -> bytes:
    return data.replace(np.int32(3).tobytes(), np.int32(3000).tobytes())


def empty(_data: bytes) -> bytes:
    return b""


@pytest.mark.parametrize("damage", [truncated, of_another_format, with_a_row_that_is_not_there, empty])
def test_a_damaged_index_is_not_used_and_repair_makes_another(
    bank: Bank,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    damage: Callable[[bytes], bytes],
) -> None:
    small_banks_have_an_index(monkeypatch)
    add(bank, range(12))
    right = answers(bank)
    index_of(bank).write_bytes(damage(index_of(bank).read_bytes()))
    with pytest.raises(BankDamagedError, match=r"visuals\.index.* is damaged"):
        open_index(index_of(bank), VISUAL_DIM)
    with Bank.read(bank.address.folder) as reader, caplog.at_level(logging.WARNING):
        assert answers(reader) == right
    assert "searching without an index" in caplog.text
    report = bank.verify()
    assert not report.ok
    assert NAME in str(report.wrong_files)
    assert bank.verify(repair=True).mended
    assert bank.verify().ok
    assert index_of(bank).exists()
    assert answers(bank) == right


def test_a_flipped_bit_of_an_index_is_told_and_mended(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    small_banks_have_an_index(monkeypatch)
    add(bank, range(12))
    data = bytearray(index_of(bank).read_bytes())
    data[-300] ^= 1
    index_of(bank).write_bytes(data)
    assert bank.verify().wrong_files == (f"{FOLDER}/{NAME} holds other bytes than were written",)
    report = bank.verify(repair=True)
    assert report.mended
    assert (Path(report.kept_in) / FOLDER / NAME).read_bytes() == data
    assert bank.verify().ok


def test_a_full_disk_leaves_the_bank_without_an_index_and_says_so(
    bank: Bank, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    small_banks_have_an_index(monkeypatch)
    monkeypatch.setattr(indexing, "free_bytes", lambda _: 2**20)
    with caplog.at_level(logging.WARNING):
        add(bank, range(12))
    assert "index of visual vectors was left as it was" in caplog.text
    assert not index_of(bank).exists()
    assert len(answers(bank)[0][0]) == 7
    monkeypatch.undo()
    small_banks_have_an_index(monkeypatch)
    with bank.complete():
        pass
    assert index_of(bank).exists()


def test_an_index_that_was_not_finished_is_none(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    small_banks_have_an_index(monkeypatch)

    def dying(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("freeda_store.revisions.visual_index._header", dying)
        with pytest.raises(KeyboardInterrupt):
            add(bank, range(12))
    assert not index_of(bank).exists()
    assert len(bank.revisions()) == 1, "the commit was before"
    assert bank.verify().ok
    add(bank, range(12, 13))
    assert index_of(bank).exists()


def test_an_empty_library_has_no_index(tmp_path: Path) -> None:
    assert not indexing.is_due(tmp_path, Library.of([], SIZES))
    assert open_index(tmp_path / NAME, SIZES.visual) is None
