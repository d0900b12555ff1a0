"""Which prototypes pass a filter is asked of SQL once, and again as soon as anything was committed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from store_makers import TEXT_DIM, make_generation

from freeda_store import Bank, parse_filter
from freeda_store.revisions import vectors
from freeda_store.revisions.selection import chosen

QUERY = np.ones((1, TEXT_DIM), dtype=np.float32)


@contextmanager
def counting(patch: pytest.MonkeyPatch) -> Iterator[list[object]]:
    """The filters that SQL was asked about."""
    asked: list[object] = []

    def ask(connection: object, where: object) -> object:
        asked.append(where)
        return chosen(connection, where)  # type: ignore[arg-type]

    with patch.context() as inside:
        inside.setattr(vectors, "chosen", ask)
        yield asked


def nouns(bank: Bank, *where: str) -> set[str]:
    (found,) = bank.nearest(QUERY, 100, parse_filter(list(where)))
    return {info.noun for info in found.infos}


def add(bank: Bank, number: int) -> None:
    with bank.write("m", f"run {number}") as writer:
        writer.add([make_generation(number)])
        writer.commit()


def test_a_question_is_asked_once_until_something_is_committed(
    bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(bank, 0)
    with Bank.read(bank.address.folder) as reader, counting(monkeypatch) as asked:
        for _ in range(3):
            assert len(nouns(reader)) == 2
            assert nouns(reader, "noun=car") == {"car"}
        assert len(asked) == 2
        add(bank, 1)
        assert len(nouns(reader)) == 3
        assert len(asked) == 3
        assert len(nouns(reader)) == 3
        assert len(asked) == 3


def test_answers_of_a_few_filters_are_kept(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(4):
        add(bank, number)
    with Bank.read(bank.address.folder) as reader, counting(monkeypatch) as asked:
        for _ in range(2):
            for seed in range(20):
                nouns(reader, f"seed={seed}")
        assert len(asked) == 40


@given(st.lists(st.sampled_from(["add", "retire", "ask", "forget"]), max_size=12))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_was_committed_counts_at_once(bank: Bank, steps: list[str]) -> None:
    """By another connection, and by the one that the reader itself has: a writer searches regions by it."""
    assert bank._stores.regions is not None
    with Bank.read(bank.address.folder) as reader:
        for step in steps:
            shown = {info.id for info in bank.infos()}
            if step == "add":
                add(bank, len(bank.revisions()))
            elif step == "retire" and shown:
                bank.retire([min(shown)], "wrong")
            elif step == "forget":
                bank._stores.regions._passing = vectors.Passing()  # type: ignore[attr-defined]
            shown = {info.id for info in bank.infos()}
            for view in (reader, bank):
                (found,) = view.nearest(QUERY, 1000)
                assert set(found.ids) == shown
            query = np.ones((1, bank.manifest.sizes.visual), dtype=np.float32)
            for view in (reader, bank):
                assert set(view.neighbours(query, 1000).ids) == shown
