"""Semantic vectors of a whole bank: kept, carried along, filled in later, proved and repaired."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest
from store_makers import TEXT_DIM, VISUAL_DIM, WITHOUT_SEMANTICS, make_generation, make_manifest, text_key

from freeda_store import Bank, copy_bank, export_bank, import_bank
from freeda_store.errors import InvalidGenerationError
from freeda_store.records import Direction
from freeda_store.revisions.layout import FOLDER
from freeda_store.vectors.filters import parse_filter


def make_bank(folder: Path, count: int = 8, *, semantic: bool = True) -> Path:
    """A bank of two revisions; without semantic vectors it is as an earlier version wrote it."""
    from dataclasses import replace

    with Bank.open(folder, create=make_manifest()) as bank:
        for run in range(2):
            with bank.write(f"run {run}", f"run {run}") as writer:
                made = [make_generation(index) for index in range(run * count, (run + 1) * count)]
                if not semantic:
                    bare = [[replace(p, semantic=None) for p in each.prototypes] for each in made]
                    made = [replace(g, prototypes=tuple(ps)) for g, ps in zip(made, bare, strict=True)]
                writer.add(made)
                writer.commit()
    if not semantic:
        with sqlite3.connect(folder / "bank.sqlite") as connection:
            for statement in WITHOUT_SEMANTICS:
                connection.execute(statement)
        connection.close()
    return folder


def semantics(address: Path | str, *, read: bool = True) -> dict[UUID, np.ndarray]:
    with Bank.read(address) if read else Bank.open(address) as bank:
        ids = [info.id for info in bank.infos()]
        return dict(zip(ids, bank.vectors(ids).semantics, strict=True))


def seen(index: int) -> np.ndarray:
    half: np.ndarray = text_key(f"{index} seen").astype(np.float16).astype(np.float32)
    return half


@pytest.mark.parametrize("read", [True, False])
def test_what_was_written_comes_back_to_readers_and_writers(tmp_path: Path, read: bool) -> None:
    folder = make_bank(tmp_path / "bank")
    with Bank.read(folder) as bank:
        infos = list(bank.infos())
        assert bank.stats().without_semantic == 16
    found = semantics(folder, read=read)
    for info in infos:
        expected = seen(info.seed) if info.span[0] == 0 else np.zeros(TEXT_DIM)
        np.testing.assert_array_equal(found[info.id], expected)


def test_copies_carry_them(tmp_path: Path) -> None:
    folder = make_bank(tmp_path / "bank")
    export_bank(folder, tmp_path / "bank.zip")
    import_bank(tmp_path / "bank.zip", tmp_path / "imported")
    copy_bank(folder, tmp_path / "pushed")
    wanted = semantics(folder)
    assert any(row.any() for row in wanted.values())
    for copy in (tmp_path / "imported", tmp_path / "pushed"):
        found = semantics(copy)
        assert found.keys() == wanted.keys()
        for id_, row in wanted.items():
            np.testing.assert_array_equal(found[id_], row)
        with Bank.open(copy) as bank:
            assert bank.verify().ok


def test_an_earlier_bank_opens_says_what_it_lacks_and_is_completed_in_place(tmp_path: Path) -> None:
    folder = make_bank(tmp_path / "bank", semantic=False)
    query = np.ones((3, VISUAL_DIM), np.float32) * [[1], [-1], [2]]
    with Bank.open(folder) as bank:
        assert bank.stats().without_semantic == 32
        assert bank.neighbours(query.astype(np.float32), 4).semantics.shape[1] == 0
        before = [info.id for info in bank.infos()]
        with bank.complete() as completion:
            lacking = [info for page in completion.lacking() for info in page]
            assert [info.id for info in lacking] == sorted(before)
            first = lacking[:20]
            completion.add([info.id for info in first], np.stack([text_key(str(i.id)) for i in first]))
        assert bank.stats().without_semantic == 12
    with Bank.open(folder) as bank, bank.complete() as completion:
        rest = [info.id for page in completion.lacking() for info in page]
        assert len(rest) == 12
        completion.add(rest, np.stack([text_key(str(id_)) for id_ in rest]))
    found = semantics(folder)
    assert list(found) == before
    for id_, row in found.items():
        np.testing.assert_array_equal(row, text_key(str(id_)).astype(np.float16))
    with Bank.open(folder) as bank:
        assert [r.number for r in bank.revisions()] == [1, 2]
        assert bank.verify().ok
        near = bank.neighbours(query.astype(np.float32), 4)
        for id_, row in zip(near.ids, near.semantics, strict=True):
            np.testing.assert_array_equal(row, found[id_])


def test_a_completion_killed_before_its_end_is_ended_by_the_next(tmp_path: Path) -> None:
    folder = make_bank(tmp_path / "bank", semantic=False)
    with Bank.open(folder) as bank:
        completion = bank.complete()
        page = next(completion.lacking())
        completion.add([info.id for info in page], np.stack([text_key("x")] * len(page)))
        # as a kill leaves it: the files of revisions are not written
    assert not any(row.any() for row in semantics(folder).values())
    with Bank.open(folder) as bank:
        report = bank.verify()
        assert len(report.wrong_files) == 2
        with bank.complete() as completion:
            assert list(completion.lacking()) == []
        assert bank.verify().ok
    assert all(row.any() for row in semantics(folder).values())


def test_wrong_vectors_are_refused(tmp_path: Path) -> None:
    from dataclasses import replace

    folder = make_bank(tmp_path / "bank", 2)
    with Bank.open(folder) as bank:
        with bank.complete() as completion:
            (page,) = completion.lacking()
            with pytest.raises(ValueError, match="expected 4 rows of length 1"):
                completion.add([info.id for info in page], np.ones((len(page), TEXT_DIM), np.float32))
        generation = make_generation(50)
        for wrong in (np.ones(TEXT_DIM), np.full(TEXT_DIM, np.nan), np.eye(TEXT_DIM + 1)[0]):
            bad = replace(generation.prototypes[0], semantic=wrong.astype(np.float32))
            with bank.write("bad", "bad") as writer, pytest.raises(InvalidGenerationError, match="semantic"):
                writer.add([replace(generation, prototypes=(bad,))])


def test_a_semantic_vector_that_changed_is_found_and_taken_from_the_files(tmp_path: Path) -> None:
    folder = make_bank(tmp_path / "bank")
    before = semantics(folder)
    victim = next(id_ for id_, row in before.items() if row.any())
    with Bank.open(folder) as bank:
        bank._stores.vectors.set_semantics([victim], np.eye(TEXT_DIM, dtype=np.float32)[:1])
        report = bank.verify()
        assert (report.wrong_semantics, report.ok) == ((victim,), False)
        report = bank.verify(repair=True)
        assert report.mended
        assert report.lost == ()
        assert bank.verify().ok
        np.testing.assert_array_equal(bank.vectors([victim]).semantics[0], before[victim])


def test_one_that_nothing_can_bring_back_is_left_to_be_completed(tmp_path: Path) -> None:
    folder = make_bank(tmp_path / "bank")
    victim = next(id_ for id_, row in semantics(folder).items() if row.any())
    for path in (folder / FOLDER).iterdir():
        path.unlink()
    with Bank.open(folder) as bank:
        bank._stores.vectors.set_semantics([victim], np.eye(TEXT_DIM, dtype=np.float32)[:1])
        for path in (folder / FOLDER).iterdir():
            path.unlink()
        assert bank.verify(repair=True).wrong_semantics == (victim,)
        assert not bank.vectors([victim]).semantics.any()
        assert bank.stats().without_semantic == 17
        assert bank.verify().ok


def test_vectors_built_anew_keep_them(tmp_path: Path) -> None:
    """A repair of something else takes semantic vectors along."""
    folder = make_bank(tmp_path / "bank")
    before = semantics(folder)
    victim = next(iter(before))
    with Bank.open(folder) as bank:
        bank._stores.vectors.delete([victim])
        report = bank.verify(repair=True)
        assert (report.regained, report.mended) == ((victim,), True)
        assert bank.verify().ok
    found = semantics(folder, read=False)
    for id_, row in before.items():
        np.testing.assert_array_equal(found[id_], row)


def test_neighbours_of_regions_hold_filters_and_revisions(tmp_path: Path) -> None:
    folder = make_bank(tmp_path / "bank")
    with Bank.read(folder) as bank:
        infos = {info.id: info for info in bank.infos()}
        ids = list(infos)
        query = bank.vectors(ids).visuals[:3] * 3
        near = bank.neighbours(query, 5)
        assert near.rows.shape == near.similarities.shape == (3, 5)
        assert [near.ids[row] for row in near.rows[:, 0]] == ids[:3]
        np.testing.assert_allclose(near.similarities[:, 0], 1, atol=1e-3)
        assert len(set(near.ids)) == len(near.ids)
        assert [info.id for info in near.infos] == list(near.ids)
        listed = bank.nearest(query, 5, direction=Direction.REGIONS)
        for row, one in zip(near.rows, listed, strict=True):
            assert tuple(near.ids[place] for place in row) == one.ids
        boats = bank.neighbours(query, 50, parse_filter(["noun=boat"]))
        assert {info.noun for info in boats.infos} == {"boat"}
        assert (boats.rows >= 0).all(axis=1).all()
        assert bank.neighbours(query[:0], 5).rows.shape == (0, 0)
        nothing = bank.neighbours(query, 5, parse_filter(["noun=nothing"]))
        assert (nothing.rows.shape, nothing.ids) == ((3, 0), ())
        with pytest.raises(ValueError, match="expected"):
            bank.neighbours(query[:, :3], 5)
    with Bank.read(f"{folder}@1") as bank:
        assert {info.revision for info in bank.neighbours(query, 50).infos} == {1}
