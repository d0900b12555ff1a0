"""How nouns stand apart, against what can be worked out by hand."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator, Sequence
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest
from store_makers import TEXT_DIM, VISUAL_DIM, make_manifest

from freeda_store import (
    Bank,
    Caption,
    Filter,
    NewGeneration,
    NewPrototype,
    PrototypeInfo,
    Retrieved,
    Scores,
    parse_filter,
)
from freeda_store.errors import PrototypeMissingError
from freeda_store.retrieval import PrototypeVectors
from freeda_store.views.separation import measure_separation

VISUALS: dict[str, list[tuple[float, ...]]] = {
    "car": [(1, 0, 0), (1, 0.1, 0), (0, 1, 0.1)],
    "tree": [(0, 1, 0), (0, 1, 0.2)],
    "boat": [(0, 0, 1)],
    "red car": [(1, 0, 0)],
}
"""The last car looks like a tree."""
TEXTS: dict[str, tuple[float, ...]] = {
    "car": (1, 0, 0),
    "tree": (0, 1, 0),
    "boat": (0.8, 0.6, 0),
    "red car": (0.99, 0.1, 0),
}


def padded(values: tuple[float, ...], dim: int) -> np.ndarray:
    vector = np.zeros(dim, dtype=np.float32)
    vector[: len(values)] = values
    return vector


def generation(noun: str, number: int, visual: tuple[float, ...]) -> NewGeneration:
    text = padded(TEXTS[noun], TEXT_DIM)
    prototype = NewPrototype(
        noun=noun,
        kind="noun",
        span=(0, len(noun)),
        text_key=text / np.linalg.norm(text),
        visual=padded(visual, VISUAL_DIM),
        scores=Scores(contrast=2.0 + number, area=0.2, clip_agreement=0.3, outlier_distance=0.0),
        attribution_hw=np.eye(4, dtype=np.uint8) * 255,
    )
    caption = Caption(noun, external_id=str(number))
    return NewGeneration(caption, number, np.zeros((16, 16, 3), dtype=np.uint8), (prototype,))


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    with Bank.open(tmp_path / "bank", create=make_manifest()) as opened:
        with opened.write("all", "all") as writer:
            writer.add([generation(noun, n, v) for noun, all_ in VISUALS.items() for n, v in enumerate(all_)])
            writer.commit()
        yield opened


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def test_neighbours_spread_and_confusions_are_those_worked_out_by_hand(bank: Bank) -> None:
    (car,) = measure_separation(bank, ["car"])
    rows = np.array(VISUALS["car"])
    tree = np.array(VISUALS["tree"]).sum(axis=0)
    own = [cosine(row, rows.sum(axis=0) - row) for row in rows]
    best = [max(cosine(row, tree), cosine(row, np.array((0, 0, 1)))) for row in rows]
    assert car.prototypes == 3
    assert [other.noun for other in car.text_neighbours] == ["boat", "tree"]
    assert [other.cosine for other in car.text_neighbours] == pytest.approx([0.8, 0], abs=1e-5)
    assert [other.noun for other in car.visual_neighbours] == ["tree", "boat"]
    assert car.visual_neighbours[0].cosine == pytest.approx(cosine(rows.sum(axis=0), tree), abs=1e-3)
    assert car.spread == pytest.approx(1 - np.mean(own), abs=1e-3)
    assert car.margin == pytest.approx(np.mean(np.subtract(own, best)), abs=1e-3)
    assert car.apart == pytest.approx(2 / 3)
    (confusion,) = car.confusions
    assert confusion.noun == "tree"
    assert confusion.share == pytest.approx(1 / 3)
    assert (car.kin, car.compared) == (("red car",), 2)


def test_a_noun_that_stands_apart(bank: Bank) -> None:
    (tree,) = measure_separation(bank, ["tree"], parse_filter(["noun=tree|boat"]))
    assert (tree.apart, tree.confusions) == (1.0, ())
    assert tree.margin is not None
    assert tree.margin > 0.5


def test_a_single_prototype_has_nothing_to_be_measured_by(bank: Bank) -> None:
    (boat,) = measure_separation(bank, ["boat"])
    assert (boat.spread, boat.apart, boat.margin, boat.confusions) == (None, None, None, ())
    assert boat.visual_neighbours


def test_a_noun_alone_has_no_neighbours(bank: Bank) -> None:
    (car,) = measure_separation(bank, ["car"], parse_filter(["noun=car"]))
    assert (car.text_neighbours, car.visual_neighbours, car.margin) == ((), (), None)
    assert car.apart == 1.0
    assert json.loads(json.dumps(car.to_json()))["kin"] == []


def test_many_prototypes_of_near_nouns_do_not_hide_the_next_noun(bank: Bank) -> None:
    with bank.write("more", "more") as writer:
        writer.add([generation("boat", n, (0, 0, 1)) for n in range(1, 160)])
        writer.commit()
    (car,) = measure_separation(bank, ["car"], neighbours=2)
    assert [other.noun for other in car.text_neighbours] == ["boat", "tree"]


def test_a_noun_that_is_not_there_is_named(bank: Bank) -> None:
    with pytest.raises(PrototypeMissingError, match="no prototype of 'zebra'"):
        measure_separation(bank, ["car", "zebra"])
    with pytest.raises(PrototypeMissingError, match="'car'"):
        measure_separation(bank, ["car"], parse_filter(["contrast>=9"]))


class WideBank:
    """Many nouns with long vectors, which are made when they are asked for."""

    def __init__(self, nouns: int, each: int, dim: int) -> None:
        self._nouns = {UUID(int=place): f"n{place % nouns}" for place in range(nouns * each)}
        self._dim = dim

    def infos(self, where: Filter = Filter()) -> Iterator[PrototypeInfo]:  # noqa: B008 - frozen
        scores = Scores(2.0, 0.2, 0.3, 0.0)
        for id_, noun in self._nouns.items():
            yield PrototypeInfo(id_, noun, "noun", (0, 1), scores, "", noun, "", "", "", "", 0, "", 1)

    def vectors(self, ids: Sequence[UUID]) -> PrototypeVectors:
        visuals = np.ones((len(ids), self._dim), dtype=np.float32)
        return PrototypeVectors(tuple(ids), np.ones((len(ids), 2), dtype=np.float32), visuals)

    def nearest(self, queries: np.ndarray, k: int, where: Filter = Filter()) -> list[Retrieved]:  # noqa: B008
        return [Retrieved((), np.zeros(0, np.float32), np.zeros((0, self._dim), np.float32), ())]


def test_memory_is_not_that_of_all_vectors() -> None:
    nouns, each, dim = 60, 40, 1024
    bank = WideBank(nouns, each, dim)
    tracemalloc.start()
    try:
        (measured,) = measure_separation(bank, ["n0"])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (measured.prototypes, measured.compared) == (each, nouns - 1)
    assert peak < nouns * each * dim * 8 / 2
