"""The nouns of a bank with their counts, remembered for the revision that it shows."""

from __future__ import annotations

import threading
from collections import Counter

from pydantic import BaseModel

from freeda_store.bank import Bank
from freeda_studio.engine import revision_of


class NounCount(BaseModel):
    """A noun, and how many prototypes of it the bank shows."""

    noun: str
    count: int


class Nouns:
    """Counts nouns when they are first asked for at a revision.

    Args:
        bank: opened for reading.
    """

    def __init__(self, bank: Bank) -> None:
        self._bank = bank
        self._lock = threading.Lock()
        self._counted: tuple[object, list[NounCount]] | None = None

    def all(self) -> list[NounCount]:
        """All, the most frequent first, then by name."""
        with self._lock:
            shown = revision_of(self._bank)
            if self._counted is None or self._counted[0] != shown:
                counts = Counter(info.noun for info in self._bank.infos())
                ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
                self._counted = shown, [NounCount(noun=noun, count=count) for noun, count in ordered]
            return self._counted[1]

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
            heads.setdefault(each.noun.split()[-1], each.noun)
        return list(heads.values())[:most]
