"""Regions that nobody named in whole banks: no list of nouns and no text knows them, all else does."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hosted_makers import Team
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sharing_makers import QUERIES, assert_copied
from store_makers import TEXT_DIM, VISUAL_DIM, make_generation, text_key

from freeda_store import (
    Bank,
    Caption,
    NewGeneration,
    NewPrototype,
    Origin,
    Scores,
    copy_bank,
    export_bank,
    import_bank,
    parse_filter,
)
from freeda_store.errors import InvalidGenerationError
from freeda_store.records import REGION
from freeda_store.vectors.edge import EdgeVectors
from freeda_store.vectors.filters import PointFilter
from freeda_store.views.separation import measure_separation
from freeda_store.views.table_export import export_table

SOME = [0, 3, 5]


def make_regions(index: int, count: int = 3) -> NewGeneration:
    """The regions of one picture."""
    rng = np.random.default_rng(1000 + index)
    prototypes = tuple(
        NewPrototype(
            noun="",
            kind=REGION,
            span=(0, 0),
            text_key=None,
            visual=rng.standard_normal(VISUAL_DIM).astype(np.float32),
            scores=Scores(100.0, 0.1, 0.0, 0.0),
            attribution_hw=rng.integers(0, 256, (4, 4), dtype=np.uint8),
            part=part,
            semantic=text_key(f"region {index} {part}"),
        )
        for part in range(1, count + 1)
    )
    image = rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)
    caption = Caption(f"regions of {index}.jpg", source="yard")
    return NewGeneration(caption, index, image, prototypes, origin=Origin.UNLABELLED)


def add(folder: Path | str, generations: list[NewGeneration], key: str) -> None:
    with Bank.open(folder) as bank, bank.write(key, key) as writer:
        writer.add(generations)
        assert writer.commit() is not None


@pytest.fixture
def mixed(folder: Path) -> Path:
    add(folder, [make_generation(index) for index in range(8)], "drawn")
    add(folder, [make_regions(index) for index in SOME], "regions")
    return folder


def by_text(bank: Bank) -> Any:
    return [(found.ids, found.similarities.tolist()) for found in bank.nearest(QUERIES, k=50)]


def all_of_them(bank: Bank) -> list[Any]:
    return list(bank.infos(parse_filter(["origin=unlabelled"])))


def test_counts_and_lists_leave_them_out_and_say_how_many_there_are(mixed: Path) -> None:
    with Bank.read(mixed) as bank, Bank.read(f"{mixed}@1") as before:
        stats, old = bank.stats(), before.stats()
        assert (stats.unlabelled, old.unlabelled) == (9, 0)
        assert stats.nouns == old.nouns == 4
        assert stats.prototypes == old.prototypes + 9
        diff = bank.diff(1, 2)
        assert (len(diff.prototypes_gained), diff.nouns_gained, diff.nouns_lost) == (9, (), ())
        assert {info.noun for info in all_of_them(bank)} == {""}
        assert {info.scores.outlier_distance for info in all_of_them(bank)} == {0.0}
        named = measure_separation(bank, ["car"])
        assert named == measure_separation(before, ["car"])
        assert bank.verify().ok


def test_writers_and_readers_search_alike(mixed: Path) -> None:
    with Bank.read(mixed) as reader, Bank.read(f"{mixed}@1") as before:
        read, old = by_text(reader), by_text(before)
        (info, *_) = all_of_them(reader)
        look = reader.vectors([info.id]).visuals
        alike = reader.neighbours(look, 4)
    with Bank.open(mixed) as writer:
        np.testing.assert_equal([ids for ids, _ in by_text(writer)], [ids for ids, _ in read])
        theirs = writer.neighbours(look, 4)
    assert read == old
    assert alike.ids == theirs.ids
    assert info.id in alike.ids
    place = alike.ids.index(info.id)
    assert not alike.text_keys[place].any()
    assert alike.semantics[place].any()


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    named=st.lists(st.integers(0, 30), min_size=1, max_size=5, unique=True),
    regions=st.lists(st.integers(0, 30), max_size=5, unique=True),
    k=st.integers(1, 40),
)
def test_no_text_finds_another_thing_because_of_them(
    empty_bank: Path,
    tmp_path_factory: pytest.TempPathFactory,
    named: list[int],
    regions: list[int],
    k: int,
) -> None:
    import shutil

    folder = tmp_path_factory.mktemp("both") / "bank"
    shutil.copytree(empty_bank, folder)
    add(folder, [make_generation(index) for index in named], "drawn")
    queries = np.random.default_rng(k).standard_normal((3, TEXT_DIM)).astype(np.float32)
    answers: list[Any] = []
    for added in ([], regions):
        if added:
            add(folder, [make_regions(index) for index in added], "regions")
        for opened in (Bank.open(folder), Bank.read(folder)):
            with opened as bank:
                found = bank.nearest(queries, k) + bank.nearest(queries, k, parse_filter(["area>0.01"]))
                answers.append([(each.ids, each.similarities.tolist(), each.infos) for each in found])
                answers.append([bank.stats().nouns])
    assert answers[4:] == answers[:4]


def test_archives_carry_them(mixed: Path, tmp_path: Path) -> None:
    export_bank(mixed, tmp_path / "bank.zip")
    import_bank(tmp_path / "bank.zip", tmp_path / "copy")
    with Bank.open(mixed) as mine, Bank.open(tmp_path / "copy") as theirs:
        assert_copied(mine, theirs)
        assert len(all_of_them(theirs)) == 9


@pytest.mark.filterwarnings("ignore:Local mode")
def test_hosted_banks_carry_them(mixed: Path, team: Team, tmp_path: Path) -> None:
    copy_bank(mixed, "team")
    with Bank.open(mixed) as mine, Bank.open("team") as hosted:
        assert_copied(mine, hosted, atol=1e-6)
        assert hosted.stats().unlabelled == 9
        theirs = hosted.neighbours(mine.vectors([all_of_them(mine)[0].id]).visuals, 5)
        assert "" in {info.noun for info in theirs.infos}
        read, written = by_text(mine), by_text(hosted)
        assert [ids for ids, _ in read] == [ids for ids, _ in written]
    with Bank.open("reader") as reader:
        assert (reader.stats().unlabelled, reader.stats().nouns) == (9, 4)
        assert reader.diff(1, 2).nouns_gained == ()
        assert [ids for ids, _ in by_text(reader)] == [ids for ids, _ in read]
    copy_bank("team", tmp_path / "back")
    with Bank.open(tmp_path / "back") as back:
        assert len(all_of_them(back)) == 9
        assert back.verify().ok


def test_tables_have_a_row_each(mixed: Path, tmp_path: Path) -> None:
    with Bank.read(mixed) as bank:
        export_table(bank, tmp_path / "table.csv", parse_filter(["origin=unlabelled"]))
    rows = list(csv.DictReader((tmp_path / "table.csv").open(encoding="utf-8")))
    assert len(rows) == 9
    assert {(row["noun"], row["kind"], row["origin"]) for row in rows} == {("", "region", "unlabelled")}


def test_they_are_pruned_and_come_back(mixed: Path) -> None:
    with Bank.open(mixed) as bank:
        before = by_text(bank)
        bank.retire(parse_filter(["origin=unlabelled"]), "only words")
        assert bank.stats().unlabelled == 0
        bank.rollback(2)
        assert (bank.stats().unlabelled, by_text(bank)) == (9, before)


@pytest.mark.parametrize("lost", ["points", "text", "vectors"])
def test_a_repair_brings_them_back(mixed: Path, lost: str) -> None:
    with Bank.read(mixed) as bank:
        before = [*bank.infos()]
        texts = bank.vectors([info.id for info in before]).text_keys
    if lost == "vectors":
        (mixed / "vectors" / "edge_config.json").write_text("{}")
    else:
        vectors = EdgeVectors.load(mixed / "vectors")
        found = [(id_, told) for id_, told in vectors.scroll(PointFilter()) if told["noun"] == ""]
        if lost == "points":
            vectors.delete([id_ for id_, _ in found[:4]])
        else:  # one that nobody named got a text, another lost all but its payload
            whole = vectors.fetch([found[0][0]], visuals=True, semantics=True)
            from freeda_store.vectors.protocol import Point

            vectors.upsert(
                [Point(found[0][0], text_key("car"), whole.visuals[0], found[0][1], whole.semantics[0])]
            )
        vectors.flush()
        vectors.close()
    from freeda_store.salvage import open_to_verify, salvage

    list(salvage(mixed))
    with open_to_verify(mixed) as bank:
        assert bank.verify(repair=True).mended
    with Bank.open(mixed) as bank:
        assert bank.verify().ok
        assert [*bank.infos()] == before
        np.testing.assert_array_equal(bank.vectors([info.id for info in before]).text_keys, texts)


def test_a_named_prototype_that_lost_its_text_is_found_and_repaired(mixed: Path) -> None:
    from freeda_store.vectors.protocol import Point

    vectors = EdgeVectors.load(mixed / "vectors")
    id_, told = next((id_, told) for id_, told in vectors.scroll(PointFilter()) if told["noun"] == "car")
    whole = vectors.fetch([id_], visuals=True, semantics=True)
    semantic = whole.semantics[0] if whole.semantics[0].any() else None
    vectors.upsert([Point(id_, None, whole.visuals[0], told, semantic)])
    vectors.flush()
    vectors.close()
    with Bank.open(mixed) as bank:
        assert bank.verify().wrong_vectors == (id_,)
        assert bank.verify(repair=True).mended
        assert bank.verify().ok
        assert bank.vectors([id_]).text_keys.any()


def test_regions_are_checked_before_they_are_written(folder: Path) -> None:
    good = make_regions(1)
    one = good.prototypes[0]
    drawn = make_generation(1)
    named = drawn.prototypes[0]
    wrong = [
        (replace(good, prototypes=(replace(one, noun="car"),)), "no noun, no text_key"),
        (replace(good, prototypes=(replace(one, text_key=text_key("car")),)), "no noun, no text_key"),
        (replace(good, prototypes=(replace(one, span=(0, 3)),)), "no noun, no text_key"),
        (replace(good, prototypes=(replace(one, semantic=None),)), "semantic is missing"),
        (replace(good, prototypes=(one, one)), "comes twice"),
        (replace(good, origin=Origin.LEARNED), "the noun is empty"),
        (replace(drawn, prototypes=(replace(named, text_key=None),)), "text_key is missing"),
    ]
    with Bank.open(folder) as bank, bank.write("m", "run") as writer:
        for generation, message in wrong:
            with pytest.raises(InvalidGenerationError, match=message):
                writer.add([generation])
        writer.add([good])
        assert (revision := writer.commit()) is not None
        assert revision.prototypes_added == 3
