"""What hiding prototypes would leave, told before it is done."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from freeda_store.bank import Bank
from freeda_studio.engine import revision_of
from freeda_studio.nouns import Nouns
from freeda_studio.selection import Selection


@dataclass(frozen=True)
class NounLoss:
    """A noun that would lose prototypes, and how many it would keep."""

    noun: str
    prototypes: int
    remaining: int


@dataclass(frozen=True)
class Pruning:
    """What would be hidden.

    Attributes:
        revision: number of the one that was looked at; None before the first.
        prototypes: how many would be hidden.
        remaining: how many the bank would show then.
        nouns: those that would lose any, the one that would lose most first.
    """

    revision: int | None
    prototypes: int
    remaining: int
    nouns: tuple[NounLoss, ...]


def foresee(selection: Selection, bank: Bank, nouns: Nouns) -> Pruning:
    """Count what would be hidden.

    Args:
        selection: what is meant.
        bank: opened for reading.
        nouns: of the bank.

    Raises:
        FilterError: a filter cannot be read.
    """
    shown = revision_of(bank)
    known = nouns.counts()
    lost = Counter(info.noun for info in selection.find(bank))
    losses = (NounLoss(noun, count, max(0, known.get(noun, 0) - count)) for noun, count in lost.items())
    ordered = tuple(sorted(losses, key=lambda loss: (-loss.prototypes, loss.noun)))
    remaining = max(0, sum(known.values()) - lost.total())
    return Pruning(None if shown is None else shown[0], lost.total(), remaining, ordered)
