"""The nouns of a bank with their counts, remembered for the revision that it shows."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import BaseModel

from freeda_learn.extract import rest_of
from freeda_segment.retrieval.bank_nouns import bank_nouns
from freeda_store.bank import Bank
from freeda_studio.engine import Revision, revision_of

_ALIKE = 0.9
"""Nouns with text keys nearer than this mean nearly the same: a list to begin with names one of them."""

_SOURCES = 200
"""Sources that are remembered."""


class NounCount(BaseModel):
    """A noun, and how many prototypes of it the bank shows."""

    noun: str
    count: int


@dataclass(frozen=True)
class _Counts:
    """What was counted at a revision."""

    revision: Revision
    nouns: list[NounCount]
    origins: Mapping[str, int]
    sources: list[str]


class Nouns:
    """Counts nouns when they are first asked for at a revision.

    Args:
        bank: opened for reading.
    """

    def __init__(self, bank: Bank) -> None:
        self._bank = bank
        self._lock = threading.Lock()
        self._counted: _Counts | None = None

    def all(self) -> list[NounCount]:
        """All, the most frequent first, then by name."""
        return self._count().nouns

    def origins(self) -> Mapping[str, int]:
        """How many prototypes came to be in each way, the most frequent first."""
        return self._count().origins

    def sources(self) -> list[str]:
        """Where the most prototypes are from, those first; of very many only some."""
        return self._count().sources

    def counts(self) -> Mapping[str, int]:
        """How many prototypes each has, in the order of :meth:`all`."""
        return {each.noun: each.count for each in self.all()}

    def matching(self, text: str, most: int) -> list[NounCount]:
        """Those that begin with a text, then those that hold it, the most frequent first."""
        wanted = " ".join(text.lower().split())
        named = self._named()
        begin = [each for each in named if each.noun.startswith(wanted)]
        hold = [each for each in named if wanted in each.noun and not each.noun.startswith(wanted)]
        return (begin + hold)[:most]

    def most_different(self, most: int) -> list[str]:
        """The most frequent nouns that mean different things: to begin with.

        Of nouns with one head (the last word), and of those with nearly the same text key, only the first.
        """
        gathered = bank_nouns(self._bank)
        keys = dict(zip(gathered.names, gathered.keys, strict=True))
        chosen: list[str] = []
        heads: set[str] = set()
        for noun in (each.noun for each in self._named() if each.noun.strip()):
            if len(chosen) == most:
                break
            own, head = keys.get(noun), noun.split()[-1]
            others = [keys[each] for each in chosen if each in keys]
            alike = own is not None and any(float(own @ other) >= _ALIKE for other in others)
            if head not in heads and not alike:
                chosen.append(noun)
            heads.add(head)
        return chosen

    def _named(self) -> list[NounCount]:
        """All but those that stand for what is beside an example, and what has no noun."""
        every = self.all()
        beside = {rest_of(each.noun) for each in every}
        return [each for each in every if each.noun and each.noun not in beside]

    def _count(self) -> _Counts:
        with self._lock:
            shown = revision_of(self._bank)
            if self._counted is None or self._counted.revision != shown:
                nouns = [
                    NounCount(noun=noun, count=count) for noun, count in self._bank.tally("noun").items()
                ]
                sources = [source for source in self._bank.tally("source") if source]
                self._counted = _Counts(shown, nouns, self._bank.tally("origin"), sources[:_SOURCES])
            return self._counted
