"""The nouns of a bank: how each looks, and how alike things are that go by one noun.

Gathered once for a revision and a filter from a sample of bounded size, and remembered by the bank.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from itertools import islice
from typing import TYPE_CHECKING, Protocol
from uuid import UUID

import numpy as np

from freeda_models.protocols import FloatArray, IndexArray
from freeda_models.unit_vectors import normalised
from freeda_segment.retrieval.aggregation import cluster_directions
from freeda_store import Filter
from freeda_store.records import EXAMPLE, REST, PrototypeInfo

if TYPE_CHECKING:
    from freeda_store.retrieval import PrototypeVectors

LEAST_PROTOTYPES = 4
"""Nouns with fewer are left out: their mean may be that of a single bad picture."""

LEAST_NOUNS = 4
"""Fewer nouns say nothing of how alike things are that have nothing to do with each other."""

GROUPS = 256
"""More nouns are joined to so many groups by k-means, so that a picture costs no more."""

_SAMPLED = 50_000
"""Prototypes that are looked at. Ids are hashes, so the first in their order are a sample of all."""

_NOUNS = 1_000
_PER_NOUN = 16
_JUDGED = 200
"""So many nouns say how alike things are in a bank."""

_FETCHED = 1_024
_UNRELATED = 95
"""Percentile of a prototype's cosines with other nouns. The few above it are of nouns that mean the same."""

_LEAST_STEP = 0.05
_LAYOUT = "bank-nouns-3"


class NounSource(Protocol):
    """What gathering nouns needs of a bank."""

    def infos(self, where: Filter = ..., /) -> Iterator[PrototypeInfo]:
        """Prototypes that pass."""

    def vectors(self, ids: Sequence[UUID], /) -> PrototypeVectors:
        """Their vectors."""

    def derived(self, name: str, make: Callable[[], bytes], where: Filter = ..., /) -> bytes:
        """What follows from them, made once for a revision."""


@dataclass(frozen=True)
class Likeness:
    """What a cosine of looks means in a bank.

    Backbones differ: between things that have nothing to do with each other one gives 0.1, another 0.5. So a
    cosine is read on the scale of the bank's own prototypes.

    Attributes:
        unrelated: cosine of a prototype with the nearest of the nouns that it has nothing to do with.
        same: cosine of a prototype with the mean of the others of its noun.
    """

    unrelated: float
    same: float

    @property
    def middle(self) -> float:
        """From here on up two things look more alike than not."""
        return (self.unrelated + self.same) / 2

    @property
    def step(self) -> float:
        """How far both lie apart."""
        return self.same - self.unrelated


@dataclass(frozen=True, eq=False)
class BankNouns:
    """The most frequent nouns that a view shows and a filter lets through.

    Attributes:
        names: of the nouns, the most frequent first; each has at least :data:`LEAST_PROTOTYPES`.
        keys: float32 (N, D_text), L2-normalised mean of their text keys.
        looks: float32 (N, D), L2-normalised mean of their raw visual vectors.
        groups: int64 (N,), which are joined; each its own where there are at most :data:`GROUPS`.
        likeness: None where there are fewer than :data:`LEAST_NOUNS`, or they all look the same.
    """

    names: tuple[str, ...]
    keys: FloatArray
    looks: FloatArray
    groups: IndexArray
    likeness: Likeness | None

    @cached_property
    def unlike_text(self) -> float | None:
        """Median over nouns of the similarity of their key with the nearest one of what looks unlike.

        None where :attr:`likeness` is, or no noun looks unlike another.
        """
        if self.likeness is None:
            return None
        texts = np.where(self.looks @ self.looks.T < self.likeness.middle, self.keys @ self.keys.T, -np.inf)
        nearest = texts.max(axis=1)
        return float(np.median(nearest[nearest > -np.inf])) if (nearest > -np.inf).any() else None

    @property
    def group_names(self) -> tuple[str, ...]:
        """Of each group, its most frequent noun."""
        return self._grouped[0]

    @property
    def group_looks(self) -> FloatArray:
        """float32 (G, D), L2-normalised mean of each group's looks."""
        return self._grouped[1]

    @cached_property
    def _grouped(self) -> tuple[tuple[str, ...], FloatArray]:
        names, looks, _ = self.by_group(np.arange(len(self.names)))
        return names, looks

    def by_group(self, chosen: IndexArray) -> tuple[tuple[str, ...], FloatArray, FloatArray]:
        """Name, mean look and mean key of each group, as far as its nouns are chosen.

        Args:
            chosen: int64, indices of nouns in ascending order.
        """
        groups, first, member = np.unique(self.groups[chosen], return_index=True, return_inverse=True)
        order = np.argsort(first)

        def means(rows: FloatArray) -> FloatArray:
            sums = np.zeros((len(groups), rows.shape[1]))
            np.add.at(sums, member, rows[chosen])
            return normalised(sums[order].astype(np.float32))

        names = tuple(self.names[chosen[index]] for index in first[order])
        return names, means(self.looks), means(self.keys)

    def to_bytes(self) -> bytes:
        """As an npz archive without pickles."""
        file = BytesIO()
        likeness = [] if self.likeness is None else [self.likeness.unrelated, self.likeness.same]
        np.savez(
            file,
            names=np.array(self.names, dtype=np.str_),
            keys=self.keys,
            looks=self.looks,
            groups=self.groups,
            likeness=np.array(likeness),
        )
        return file.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> BankNouns:
        """What :meth:`to_bytes` wrote."""
        with np.load(BytesIO(data), allow_pickle=False) as file:
            pair = file["likeness"].tolist()
            return cls(
                names=tuple(file["names"].tolist()),
                keys=file["keys"],
                looks=file["looks"],
                groups=file["groups"],
                likeness=Likeness(*pair) if pair else None,
            )


def bank_nouns(bank: NounSource, where: Filter = Filter()) -> BankNouns:  # noqa: B008 - frozen
    """The nouns of a bank; gathered when nobody did so for the revision that it shows."""
    return BankNouns.from_bytes(bank.derived(_LAYOUT, lambda: _gather(bank, where).to_bytes(), where))


def _gather(bank: NounSource, where: Filter) -> BankNouns:
    ids: dict[str, list[UUID]] = {}
    counts: Counter[str] = Counter()
    for info in islice((info for info in bank.infos(where) if info.noun), _SAMPLED):
        if info.kind == REST or (info.kind == EXAMPLE and info.part):
            continue
        counts[info.noun] += 1
        own = ids.setdefault(info.noun, [])
        if len(own) < _PER_NOUN:
            own.append(info.id)
    frequent = sorted(counts, key=lambda noun: (-counts[noun], noun))[:_NOUNS]
    wanted = [noun for noun in frequent if counts[noun] >= LEAST_PROTOTYPES]
    vectors = _Sampled(bank, [ids[noun] for noun in wanted])
    used = [index for index in range(len(wanted)) if vectors.count(index) >= LEAST_PROTOTYPES]
    visuals = [vectors.visuals[vectors.rows[index]] for index in used]
    looks = vectors.means(visuals)
    return BankNouns(
        names=tuple(wanted[index] for index in used),
        keys=vectors.means([vectors.text_keys[vectors.rows[index]] for index in used]),
        looks=looks,
        groups=_group(looks),
        likeness=_likeness(visuals, looks),
    )


class _Sampled:
    """Vectors of some prototypes of each noun, without those that have no direction.

    Attributes:
        text_keys, visuals: float32, one row for each prototype.
        rows: int64 of each noun, its rows.
    """

    def __init__(self, bank: NounSource, ids_of_noun: Sequence[Sequence[UUID]]) -> None:
        ids = [id_ for own in ids_of_noun for id_ in own]
        parts = [bank.vectors(ids[start : start + _FETCHED]) for start in range(0, len(ids), _FETCHED)]
        self.text_keys = np.concatenate([each.text_keys for each in parts]) if parts else _no_rows()
        self.visuals = np.concatenate([each.visuals for each in parts]) if parts else _no_rows()
        whole = np.isfinite(self.visuals).all(axis=1) & self.visuals.any(axis=1)
        owner = np.repeat(np.arange(len(ids_of_noun)), [len(own) for own in ids_of_noun])
        self.rows = [np.flatnonzero(whole & (owner == index)) for index in range(len(ids_of_noun))]

    def count(self, noun: int) -> int:
        """How many prototypes of a noun have a direction."""
        return len(self.rows[noun])

    @staticmethod
    def means(groups: Sequence[FloatArray]) -> FloatArray:
        """Direction of the mean of each group of rows: float32 (G, D)."""
        if not groups:
            return _no_rows()
        return normalised(
            np.stack([each.mean(axis=0, dtype=np.float64) for each in groups]).astype(np.float32)
        )


def _no_rows() -> FloatArray:
    return np.zeros((0, 0), dtype=np.float32)


def _group(looks: FloatArray) -> IndexArray:
    if len(looks) <= GROUPS:
        return np.arange(len(looks), dtype=np.int64)
    return cluster_directions(looks, GROUPS, starts=1)


def _likeness(visuals_of_noun: Sequence[FloatArray], looks: FloatArray) -> Likeness | None:
    """Medians over nouns of medians over their prototypes; see :class:`Likeness`."""
    if len(looks) < LEAST_NOUNS:
        return None
    same, unrelated = [], []
    for index in range(0, len(looks), -(-len(looks) // _JUDGED)):
        visuals = visuals_of_noun[index]
        rows = normalised(visuals)
        others = normalised(visuals.sum(axis=0, dtype=np.float64) - visuals).astype(np.float32)
        same.append(np.median((rows * others).sum(axis=1)))
        cosines = rows @ np.delete(looks, index, axis=0).T
        unrelated.append(np.median(np.percentile(cosines, _UNRELATED, axis=1)))
    found = Likeness(float(np.median(unrelated)), float(np.median(same)))
    return found if found.step >= _LEAST_STEP else None
