from __future__ import annotations

import threading
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freeda_studio.turns import Turns


def served(turns: Turns, asked: list[str]) -> list[tuple[str, int]]:
    """Let clients wait in an order while another has the turn; who is served then, with its number."""
    order: list[tuple[str, int]] = []
    numbers: Counter[str] = Counter()
    threads = []

    def ask(client: str, number: int) -> None:
        with turns.of(client):
            order.append((client, number))

    with turns.of("first of all"):
        for place, client in enumerate(asked, 1):
            thread = threading.Thread(target=ask, args=(client, numbers[client]))
            numbers[client] += 1
            thread.start()
            threads.append(thread)
            while turns.waiting < place:
                thread.join(0.0001)
    for thread in threads:
        thread.join()
    return order


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from("abcd"), max_size=16))
def test_clients_take_turns_and_each_is_served_in_its_order(asked: list[str]) -> None:
    order = served(Turns(), asked)
    left = Counter(asked)
    assert Counter(client for client, _ in order) == left
    for client in left:
        assert [number for each, number in order if each == client] == list(range(left[client]))
    since: dict[str, Counter[str]] = {client: Counter() for client in left}
    for client, _ in order:
        assert all(count <= 1 for count in since[client].values()), "another had two turns meanwhile"
        since[client].clear()
        for other in since.keys() - {client}:
            since[other][client] += 1


def test_the_greedy_keeps_nobody_waiting_for_all_of_it() -> None:
    order = served(Turns(), ["greedy"] * 40 + ["modest"])
    assert order.index(("modest", 0)) <= 1


def test_a_turn_ends_with_an_error_too() -> None:
    turns = Turns()
    with pytest.raises(ValueError, match="no"), turns.of("a"):
        raise ValueError("no")
    with turns.of("b"):
        assert turns.waiting == 0
