"""Old versions give for ever what they gave, whatever happens later."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bank_copies import copy_folder
from hosted_makers import Team
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from store_makers import NOUNS, VISUAL_DIM, make_generation, text_key

from freeda_store import Bank, parse_filter
from freeda_store.errors import BankDamagedError
from freeda_store.history import History, RevisionRecord
from freeda_store.records import Direction
from freeda_store.salvage import open_to_verify
from freeda_store.writing.writer import RevisionWriter

QUERIES = np.stack([text_key(noun) for noun in NOUNS])
REGIONS = np.random.default_rng(5).standard_normal((2, VISUAL_DIM)).astype(np.float32)

step = st.one_of(
    st.tuples(st.just("add"), st.integers(0, 2), st.lists(st.integers(0, 8), min_size=1, max_size=3)),
    st.tuples(st.just("commit"), st.integers(0, 2), st.none()),
    st.tuples(st.just("leave"), st.integers(0, 2), st.none()),
    st.tuples(st.just("retire"), st.sampled_from(NOUNS), st.none()),
    st.tuples(st.just("rollback"), st.integers(0, 99), st.none()),
)


@dataclass
class Play:
    """A bank beside a simple model of what each revision must show: (seed, noun) pairs."""

    bank: Bank
    writers: dict[int, RevisionWriter] = field(default_factory=dict)
    held: dict[int, set[int]] = field(default_factory=dict)
    drawn: dict[int, set[int]] = field(default_factory=dict)
    shown: dict[int, set[tuple[int, str]]] = field(default_factory=dict)
    answers: dict[int, Any] = field(default_factory=dict)

    @property
    def head(self) -> int:
        return max(self.shown, default=0)

    def take(self, step: tuple[str, Any, Any]) -> None:
        getattr(self, step[0])(step[1], step[2])
        newest = self.bank.revision
        number = newest.number if newest else 0
        assert number == self.head
        assert look(self.bank)[0] == self.shown.get(number, set())
        if number:
            self.answers.setdefault(number, look(self.bank)[1])

    def add(self, name: int, seeds: list[int]) -> None:
        writer = self.writers.get(name)
        if writer is None:
            writer = self.writers[name] = self.bank.write(f"writer {name}", f"run {name}")
        known = self.drawn.get(self.head, set())
        writer.add([make_generation(seed) for seed in seeds])
        self.held.setdefault(name, set()).update(set(seeds) - known)

    def commit(self, name: int, _: None) -> None:
        if (writer := self.writers.pop(name, None)) is None:
            return
        before, drawn = self.shown.get(self.head, set()), self.drawn.get(self.head, set())
        new = self.held.pop(name, set()) - drawn
        info = writer.commit()
        assert (info is None) == (not new)
        if new:
            pairs = {(s, p.noun) for s in new for p in make_generation(s).prototypes}
            number = self.head + 1
            self.shown[number], self.drawn[number] = before | pairs, drawn | new

    def leave(self, name: int, _: None) -> None:
        if (writer := self.writers.pop(name, None)) is not None:
            writer.close()

    def retire(self, noun: str, _: None) -> None:
        before = self.shown.get(self.head, set())
        after = {pair for pair in before if pair[1] != noun}
        info = self.bank.retire(parse_filter([f"noun={noun}"]), "away")
        assert (info is None) == (before == after)
        if info is not None:
            drawn = self.drawn[self.head]
            self.shown[info.number], self.drawn[info.number] = after, drawn

    def rollback(self, choice: int, _: None) -> None:
        if not self.shown:
            return
        target = choice % self.head + 1
        info = self.bank.rollback(target)
        self.shown[info.number] = self.shown[target]
        self.drawn[info.number] = self.drawn[target]


def look(bank: Bank) -> tuple[set[tuple[int, str]], Any]:
    """What a bank shows, and what it answers: k is small, so that ties decide."""
    infos = list(bank.infos())
    pairs = [(info.seed, info.noun) for info in infos]
    assert len(pairs) == len(set(pairs)), "nothing is shown twice"
    found = [
        *bank.nearest(QUERIES, k=3),
        *bank.nearest(REGIONS, k=3, direction=Direction.REGIONS),
        *bank.nearest(REGIONS, 3, parse_filter(["noun=car|boat"]), Direction.REGIONS),
    ]
    shown = {info.id for info in infos}
    assert all(set(f.ids) <= shown for f in found), "a search finds what the view shows"
    assert {info.noun for f in found[-len(REGIONS) :] for info in f.infos} <= {"car", "boat"}
    answers = [(f.ids, f.visuals.tolist(), f.infos) for f in found]
    return set(pairs), (infos, answers, np.concatenate([f.similarities for f in found]))


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=st.lists(step, min_size=6, max_size=14))
def test_random_histories(steps: list[tuple[str, Any, Any]], empty_bank: Path) -> None:
    with tempfile.TemporaryDirectory() as place:
        check_history(str(copy_folder(empty_bank, Path(place) / "bank")), steps, atol=0)


@pytest.mark.filterwarnings("ignore:Local mode")
@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=st.lists(step, min_size=6, max_size=12))
def test_random_histories_of_hosted_banks(steps: list[tuple[str, Any, Any]], team: Team) -> None:
    check_history(team.new_bank(), steps, atol=1e-6)


def check_history(address: str, steps: list[tuple[str, Any, Any]], *, atol: float) -> None:
    """Play the steps in an empty bank, then look at every version again."""
    with Bank.open(address) as bank:
        play = Play(bank)
        for one in steps:
            play.take(one)
        assert bank.verify().ok
    for number, expected in play.answers.items():
        with Bank.open(f"{address}@{number}") as old:
            pairs, answers = look(old)
            assert pairs == play.shown[number]
            assert answers[:2] == expected[:2]
            np.testing.assert_allclose(answers[2], expected[2], rtol=0, atol=atol)


def record(id_: int, number: int | None, parent: int | None) -> RevisionRecord:
    return RevisionRecord(id_, number, parent, "", "", "", None, 0, 0)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 50)), max_size=12), st.sets(st.integers(1, 12)))
def test_views_hold_ancestors_and_no_other_id(commits: list[tuple[bool, int]], gone: set[int]) -> None:
    records: list[RevisionRecord] = []
    committed: list[int] = []
    for id_, (commits_it, choice) in enumerate(commits, start=1):
        if id_ in gone:
            continue
        parent = committed[choice % len(committed)] if committed else None
        records.append(
            record(id_, len(committed) + 1 if commits_it else None, parent if commits_it else None)
        )
        if commits_it:
            committed.append(id_)
    history = History(records, {})
    for id_ in committed:
        ranges = history.view(id_).ranges
        inside = {i for i in range(20) if any(a <= i <= b for a, b in ranges)}
        assert inside == history.ancestors(id_)
        assert list(ranges) == sorted(ranges)
    assert history.view(None).ranges == ()


@given(
    st.lists(
        st.tuples(
            st.integers(1, 8),
            st.one_of(st.none(), st.integers(1, 6)),
            st.one_of(st.none(), st.integers(1, 8)),
        ),
        max_size=7,
    )
)
def test_a_history_is_a_graph_that_ends_or_is_refused(
    graph: list[tuple[int, int | None, int | None]],
) -> None:
    records = [record(*each) for each in graph]
    numbers = {id_: number for id_, number, _ in graph}
    sound = (
        len(numbers) == len(graph)
        and sorted(n for n in numbers.values() if n is not None)
        == list(range(1, 1 + sum(n is not None for n in numbers.values())))
        and all(
            parent is None or ((numbers.get(parent) or 99) < (99 if number is None else number))
            for _, number, parent in graph
        )
    )
    if not sound:
        with pytest.raises(BankDamagedError, match=r"history is damaged: .*; restore"):
            History(records, {})
        return
    history = History(records, {})
    for info, kept in zip(history.committed(), history.committed_records(), strict=True):
        assert (info.parent or 0) < info.number
        assert kept.id in history.ancestors(kept.id)
    assert history.writing_view(None) == history.view(history.head.id if history.head else None)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("UPDATE revision SET parent_id = id WHERE number = 2", "revision 2 builds on revision 2"),
        ("UPDATE revision SET parent_id = 3 WHERE number = 1", "revision 1 builds on revision 3"),
        ("UPDATE revision SET parent_id = 99 WHERE number = 3", r"revision 3 builds on one .* \(id 99\)"),
        ("UPDATE revision SET number = 9 WHERE number = 2", "revision 2 is missing"),
    ],
)
def test_a_loop_or_hole_is_told_by_every_command(bank: Bank, folder: Path, change: str, told: str) -> None:
    for run in ("one", "two", "three"):
        with bank.write(run, run) as writer:
            writer.add([make_generation(len(run) + ord(run[0]))])
            writer.commit()
    bank.close()
    with closing(sqlite3.connect(folder / "bank.sqlite")) as connection:
        connection.execute(change)
        connection.commit()

    def look_inside(what: Callable[[Bank], object]) -> None:
        with open_to_verify(folder) as opened:
            what(opened)

    for what in (Bank.stats, Bank.revisions, Bank.verify, lambda opened: opened.verify(repair=True)):
        with pytest.raises(BankDamagedError, match=told):
            look_inside(what)


def test_a_tag_of_no_revision_is_damage() -> None:
    history = History([record(1, 1, None), record(2, None, None)], {"open": 2, "gone": 7})
    for tag in ("open", "gone"):
        with pytest.raises(BankDamagedError, match=f"tag '{tag}' names a revision"):
            history.resolve(tag)


def test_a_straight_history_is_one_range() -> None:
    records = [record(i, i, i - 1 or None) for i in range(1, 500)]
    assert History(records, {}).view(499).ranges == ((1, 499),)
