"""Some of many prototypes, in an order a person asks for; never all of them are held."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from freeda_store.records import PrototypeInfo, Scores

_SCORES = ("contrast", "area", "clip_agreement")
"""Scores that only a prototype whose mask was scored has."""


@dataclass(frozen=True)
class Order:
    """An order of prototypes; equal ones are in the order of their ids.

    Attributes:
        text: what a person reads.
        key: what comes first has the lowest.
    """

    text: str
    key: Callable[[PrototypeInfo], Any]


@dataclass(frozen=True)
class Chosen:
    """A part of what was found.

    Attributes:
        infos: that part, in order.
        total: how many were found in all.
    """

    infos: tuple[PrototypeInfo, ...]
    total: int


def choose(found: Iterable[PrototypeInfo], order: Order, limit: int, offset: int = 0) -> Chosen:
    """Take some prototypes out of many.

    Args:
        found: all of them; each is looked at once.
        order: that they are asked for in.
        limit: how many to take at most.
        offset: how many to pass over; as many are held beside those taken.
    """
    total = 0

    def counted() -> Iterable[PrototypeInfo]:
        nonlocal total
        for info in found:
            total += 1
            yield info

    first = heapq.nsmallest(offset + limit, counted(), key=lambda info: (order.key(info), info.id))
    return Chosen(tuple(first[offset:]), total)


def alike(noun: str, known: Sequence[str]) -> list[str]:
    """Nouns that are written like another one, at most three, the most alike first."""
    return get_close_matches(noun, sorted(known), n=3)


def _by_score(name: str, sign: int) -> Callable[[PrototypeInfo], tuple[bool, float]]:
    """By a score; those without one come last in both directions."""

    def key(info: PrototypeInfo) -> tuple[bool, float]:
        known = info.scores.known or name not in _SCORES
        return not known, sign * _score(info.scores, name) if known else 0

    return key


def _score(scores: Scores, name: str) -> float:
    value: float = getattr(scores, name)
    return value


def _by_text(name: str) -> Callable[[PrototypeInfo], str]:
    def key(info: PrototypeInfo) -> str:
        value: str = getattr(info, name)
        return value

    return key


def _score_orders(name: str, text: str) -> dict[str, Order]:
    return {
        f"-{name}": Order(f"{text}, highest first", _by_score(name, -1)),
        name: Order(f"{text}, lowest first", _by_score(name, 1)),
    }


ORDERS: Mapping[str, Order] = {
    **_score_orders("contrast", "contrast"),
    **_score_orders("area", "area"),
    **_score_orders("clip_agreement", "CLIP agreement"),
    **_score_orders("outlier_distance", "outlier distance"),
    "-revision": Order("revision, newest first", lambda info: -info.revision),
    "revision": Order("revision, oldest first", lambda info: info.revision),
    "noun": Order("noun", _by_text("noun")),
    "source": Order("source", _by_text("source")),
    "origin": Order("origin", _by_text("origin")),
    "caption": Order("caption", _by_text("caption")),
}
"""Orders by name: a field, with ``-`` before it from high to low."""

BEST_FIRST = "-contrast"
"""The order of a contact sheet."""
