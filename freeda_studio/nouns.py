"""The nouns of a bank with their counts, remembered for the revision that it shows."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import BaseModel

from freeda_store.bank import Bank
from freeda_studio.engine import Revision, revision_of

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
        begin = [each for each in self.all() if each.noun.startswith(wanted)]
        hold = [each for each in self.all() if wanted in each.noun and not each.noun.startswith(wanted)]
        return (begin + hold)[:most]

    def most_different(self, most: int) -> list[str]:
        """The most frequent nouns, of those with one head (its last word) only the first: to begin with."""
        heads: dict[str, str] = {}
        for each in self.all():
            if not each.noun.strip():
                continue
            heads.setdefault(each.noun.split()[-1], each.noun)
        return list(heads.values())[:most]

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
