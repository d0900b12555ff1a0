"""Prototypes that were learned or imported live in a bank as those that were drawn."""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest
from store_makers import make_generation

from freeda_store import (
    Bank,
    NewGeneration,
    Origin,
    PrototypeInfo,
    export_bank,
    generation_key,
    import_bank,
    parse_filter,
)
from freeda_store.errors import InvalidGenerationError
from freeda_store.vectors.edge import EdgeVectors
from freeda_store.vectors.filters import PointFilter


def make_example(index: int) -> NewGeneration:
    """One region of a picture with three prototypes of one noun."""
    drawn = make_generation(index, prototypes=1)
    (whole,) = drawn.prototypes
    parts = tuple(replace(whole, part=part, visual=whole.visual + part) for part in range(3))
    return replace(drawn, prototypes=parts, origin=Origin.LEARNED)


@pytest.fixture
def taught(folder: Path) -> Path:
    with Bank.open(folder) as bank, bank.write("drawn", "a") as writer:
        writer.add([make_generation(index) for index in range(3)])
        writer.commit()
    with Bank.open(folder) as bank, bank.write("learned", "b") as writer:
        writer.add([make_example(10), make_example(11)])
        writer.commit()
    return folder


def infos_of(folder: Path, *where: str) -> dict[str, PrototypeInfo]:
    with Bank.read(folder) as bank:
        return {str(info.id): info for info in bank.infos(parse_filter(where))}


def test_values_of_a_field_are_counted_in_what_is_shown(taught: Path) -> None:
    infos = infos_of(taught).values()
    with Bank.open(taught) as bank:
        assert bank.tally("origin") == {"generated": 6, "learned": 6}
        for field in ("noun", "source", "license", "kind", "caption"):
            expected = Counter(getattr(info, field) for info in infos)
            assert list(bank.tally(field).items()) == sorted(
                expected.items(), key=lambda one: (-one[1], one[0])
            )
        bank.retire(parse_filter(["origin=learned"]), "none learned")
        assert bank.tally("origin") == {"generated": 6}
        with pytest.raises(ValueError, match="is none of the fields noun"):
            bank.tally("contrast")
    with Bank.read(f"{taught}@1") as old:
        assert old.tally("origin") == {"generated": 6}


def test_filters_know_how_prototypes_came_to_be(taught: Path) -> None:
    assert len(infos_of(taught)) == 12
    learned = infos_of(taught, "origin=learned")
    assert [info.part for info in learned.values()].count(0) == 2
    assert {info.origin for info in learned.values()} == {"learned"}
    assert learned == {
        **infos_of(taught, "origin=learned,part=0"),
        **infos_of(taught, "origin!=generated,part=1|2"),
    }
    assert len(infos_of(taught, "origin=generated")) == len(infos_of(taught, "origin!=learned")) == 6
    with Bank.open(taught) as bank:  # the engine says what readers say
        assert {str(info.id): info for info in bank.infos(parse_filter(["origin=learned"]))} == learned
        assert bank.verify().ok


def test_what_was_learned_moves_with_the_bank(taught: Path, tmp_path: Path) -> None:
    export_bank(taught, tmp_path / "bank.zip")
    import_bank(tmp_path / "bank.zip", tmp_path / "copy")
    assert infos_of(tmp_path / "copy") == infos_of(taught)
    with Bank.open(tmp_path / "copy") as bank:
        assert bank.verify().ok


@pytest.mark.parametrize("field", ["origin", "part"])
def test_a_point_that_says_another_origin_is_found_and_corrected(taught: Path, field: str) -> None:
    wrong: int | str = "imported" if field == "origin" else 7
    before = infos_of(taught)
    vectors = EdgeVectors.load(taught / "vectors")
    id_ = next(id_ for id_, told in vectors.scroll(PointFilter()) if told.get(field) is None)
    vectors.set_payload([id_], {field: wrong})
    vectors.flush()
    vectors.close()
    with Bank.open(taught) as bank:
        assert bank.verify().wrong_payloads == (id_,)
        assert bank.verify(repair=True).mended
        assert bank.verify().ok
        assert {str(info.id): info for info in bank.infos()} == before


def test_a_row_that_says_another_origin_is_found_and_corrected(taught: Path) -> None:
    before = infos_of(taught)
    with closing(sqlite3.connect(taught / "bank.sqlite")) as connection:
        connection.execute("UPDATE generation SET origin = 'generated'")
        connection.commit()
    with Bank.open(taught) as bank:
        assert len(bank.verify().wrong_rows) == 6
        assert bank.verify(repair=True).mended
    assert infos_of(taught) == before


def test_examples_are_checked_before_they_are_written(folder: Path) -> None:
    good = make_example(1)
    one = good.prototypes[0]
    wrong = [
        (replace(good, origin=cast("Origin", "dreamt")), "expected one of generated, learned"),
        (replace(good, prototypes=(one, one)), "comes twice"),
        (replace(good, prototypes=(replace(one, part=-1),)), "part -1 is outside"),
    ]
    with Bank.open(folder) as bank, bank.write("m", "run") as writer:
        for generation, message in wrong:
            with pytest.raises(InvalidGenerationError, match=message):
                writer.add([generation])
        writer.add([good])
        writer.add([good])
        assert not writer.missing([generation_key(good.caption, good.seed)])
        assert (revision := writer.commit()) is not None
        assert revision.prototypes_added == 3
