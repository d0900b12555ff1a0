"""Which examples disagree with the others of their class: each is looked up among all the rest.

An example that was marked or named wrongly resembles something else that the bank knows more than it
resembles the other examples of its class.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from freeda_models.unit_vectors import normalised
from freeda_segment.retrieval.bank_nouns import bank_nouns
from freeda_store import Bank, PrototypeInfo, parse_filter

MOST = 20_000
"""Prototypes of examples that are compared, at most."""


@dataclass(frozen=True)
class Disagreement:
    """An example that resembles something else more than the others of its class.

    Attributes:
        example: its prototype; all prototypes of the example have its ``seed``.
        own: cosine with the nearest of the others of its class.
        other: what it resembles more.
        likeness: cosine with that.
    """

    example: PrototypeInfo
    own: float
    other: str
    likeness: float


def disagreements(bank: Bank, names: Collection[str]) -> list[Disagreement]:
    """Examples of some classes that disagree with the others; of a class with one example there is none.

    Each whole example is compared with all others and their parts, and with the mean looks of the nouns that
    were drawn. Of another class that has several examples, the second nearest counts.

    Args:
        bank: that learned them.
        names: of the classes.
    """
    infos = list(islice(bank.infos(parse_filter(["kind=example"])), MOST))
    if not infos:
        return []
    known = _Known(bank, infos)
    found = []
    for row, info in enumerate(infos):
        if info.part or info.noun not in names:
            continue
        own, others = known.likeness(row, info)
        nearest = max(others, key=lambda noun: others[noun], default="")
        if own is not None and nearest and others[nearest] > own:
            found.append(Disagreement(info, own, nearest, others[nearest]))
    return sorted(found, key=lambda each: each.own - each.likeness)


class _Known:
    """All that an example can be compared with.

    Args:
        bank: which knows it.
        infos: prototypes of all examples and of their parts.
    """

    def __init__(self, bank: Bank, infos: Sequence[PrototypeInfo]) -> None:
        self._looks = normalised(bank.vectors([info.id for info in infos]).visuals)
        self._examples = list(dict.fromkeys((info.noun, info.seed) for info in infos))
        place_of = {example: place for place, example in enumerate(self._examples)}
        owners = np.array([place_of[info.noun, info.seed] for info in infos])
        self._order = np.argsort(owners, kind="stable")
        self._starts = np.searchsorted(owners[self._order], np.arange(len(self._examples)))
        self._drawn = bank_nouns(bank, parse_filter(["kind!=example"]))

    def likeness(self, row: int, info: PrototypeInfo) -> tuple[float | None, dict[str, float]]:
        """Cosine with the nearest other example of its class, None for a single one; and with other classes.

        Of another class that has several examples the second nearest counts: its one wrong example must not
        accuse the right ones of this class.
        """
        look = self._looks[row]
        cosines = np.maximum.reduceat((self._looks @ look)[self._order], self._starts)
        by_class: dict[str, list[float]] = {}
        for example, cosine in zip(self._examples, cosines.tolist(), strict=True):
            if example != (info.noun, info.seed):
                by_class.setdefault(example[0], []).append(cosine)
        own = max(by_class.pop(info.noun, []), default=None)
        others = {noun: sorted(each)[-2:][0] for noun, each in by_class.items()}
        drawn = (self._drawn.looks @ look).tolist() if self._drawn.names else []
        for noun, cosine in zip(self._drawn.names, drawn, strict=True):
            if noun != info.noun:
                others[noun] = max(cosine, others.get(noun, -1.0))
        return own, others
