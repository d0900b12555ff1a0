"""How well a noun of a bank stands apart from the others: in the text space, and in what they look like.

Two nouns can be confused in two ways. With near text keys one retrieves the other's prototypes; with
near visual prototypes regions of one are labelled as the other. Both are cosines here, as they are when
pictures are segmented.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Protocol
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from freeda_store.errors import PrototypeMissingError
from freeda_store.records import FloatArray, JsonValue, PrototypeInfo, Retrieved
from freeda_store.retrieval import PrototypeVectors
from freeda_store.vectors.filters import Condition, Filter, Operator

NEIGHBOURS = 5
MAX_NOUNS = 2_000
"""With how many other nouns one is compared by looks, the most frequent ones first."""

MAX_PROTOTYPES = 100
"""How many prototypes of a noun are looked at."""

_RETRIEVED = 100


class SearchableBank(Protocol):
    """The part of :class:`freeda_store.Bank` that measuring needs."""

    def infos(self, where: Filter = ..., /) -> Iterator[PrototypeInfo]:
        """Prototypes that pass."""

    def vectors(self, ids: Sequence[UUID], /) -> PrototypeVectors:
        """Their vectors."""

    def nearest(self, queries: FloatArray, k: int, where: Filter = ..., /) -> list[Retrieved]:
        """The prototypes of the nearest text keys."""


@dataclass(frozen=True)
class Neighbour:
    """Another noun and how near it is: a cosine, 1 for the same direction."""

    noun: str
    cosine: float


@dataclass(frozen=True)
class Confusion:
    """Another noun, and the share of the prototypes that are nearer to its mean than to their own."""

    noun: str
    share: float


@dataclass(frozen=True)
class Separation:
    """How one noun lies among the others.

    Attributes:
        noun: which one.
        prototypes: how many it has.
        text_neighbours: the other nouns with the nearest text keys, nearest first.
        visual_neighbours: the other nouns with the nearest visual means, nearest first.
        spread: mean of 1 - cosine of a prototype to the mean of the noun's others; None for a single one.
        apart: share of the prototypes that are nearest to the mean of their noun's others, among the means
            of all nouns; None for a single prototype.
        margin: mean over the prototypes of the cosine to their own mean less that to the nearest other
            one; None without another noun, or for a single prototype.
        confusions: the nouns that win the rest, the most frequent first.
        kin: nouns that are this one with more words or fewer (``car`` and ``red car``). They share
            pictures, so they are not among the neighbours and win nothing.
        compared: with how many other nouns it was compared by looks.
    """

    noun: str
    prototypes: int
    text_neighbours: tuple[Neighbour, ...]
    visual_neighbours: tuple[Neighbour, ...]
    spread: float | None
    apart: float | None
    margin: float | None
    confusions: tuple[Confusion, ...]
    kin: tuple[str, ...]
    compared: int

    def to_json(self) -> dict[str, JsonValue]:
        """Plain values for ``json.dumps``, with the attributes' names as keys."""
        values: dict[str, JsonValue] = asdict(self)
        return values


def measure_separation(
    bank: SearchableBank,
    nouns: Sequence[str],
    where: Filter = Filter(),  # noqa: B008 - frozen
    neighbours: int = NEIGHBOURS,
) -> list[Separation]:
    """Measure how nouns stand apart from all others that a bank shows.

    Reads the bank's payloads twice, and at most :data:`MAX_PROTOTYPES` vectors of each noun compared.

    Args:
        bank: where they are.
        nouns: keys as the bank writes them.
        where: which prototypes count.
        neighbours: how many to name.

    Raises:
        PrototypeMissingError: a noun has no prototype that passes.
    """
    counts = Counter(info.noun for info in bank.infos(where) if info.noun)
    for noun in nouns:
        if noun not in counts:
            raise PrototypeMissingError(
                f"the bank shows no prototype of '{noun}' that passes; `freeda bank list` lists its nouns."
            )
    frequent = sorted(counts, key=lambda noun: (-counts[noun], noun))[:MAX_NOUNS]
    ids = _some_ids(bank, where, {*nouns, *frequent})
    visuals, means = _visuals(bank, ids, keep=nouns)
    found = []
    for noun in dict.fromkeys(nouns):
        kin = tuple(sorted(other for other in counts if _are_kin(noun, other)))
        others = {other: mean for other, mean in means.items() if other != noun and other not in kin}
        query = bank.vectors(ids[noun]).text_keys.mean(axis=0, keepdims=True)
        near = _near_texts(bank, query, (noun, *kin), where, neighbours)
        found.append(_separation(noun, counts[noun], visuals[noun], others, near, kin, neighbours))
    return found


def _some_ids(bank: SearchableBank, where: Filter, nouns: Collection[str]) -> dict[str, list[UUID]]:
    """The first prototypes of each noun, in the order of their ids, which is no order at all."""
    ids: dict[str, list[UUID]] = {noun: [] for noun in nouns}
    for info in bank.infos(where):
        if info.noun in ids and len(ids[info.noun]) < MAX_PROTOTYPES:
            ids[info.noun].append(info.id)
    return ids


def _visuals(
    bank: SearchableBank, ids: Mapping[str, Sequence[UUID]], *, keep: Collection[str]
) -> tuple[dict[str, NDArray[np.float64]], dict[str, NDArray[np.float64]]]:
    """Visual vectors of the nouns to keep, float64 (N, D), and the direction of each noun's mean, (D,)."""
    visuals, means = {}, {}
    for noun, own in ids.items():
        rows = bank.vectors(own).visuals.astype(np.float64)
        means[noun] = _direction(rows.sum(axis=0))
        if noun in keep:
            visuals[noun] = rows
    return visuals, means


def _are_kin(noun: str, other: str) -> bool:
    """``car`` and ``red car``: one ends with the words of the other."""
    return noun != other and (noun.endswith(f" {other}") or other.endswith(f" {noun}"))


def _near_texts(
    bank: SearchableBank, query: FloatArray, without: Sequence[str], where: Filter, count: int
) -> tuple[Neighbour, ...]:
    """The nearest other nouns. Each question leaves out those that were found: a noun has many keys."""
    cosines: dict[str, float] = {}
    while len(cosines) < count:
        others = Condition("noun", Operator.NE, (*without, *cosines))
        (hits,) = bank.nearest(query, _RETRIEVED, Filter((*where.conditions, others)))
        if not hits.ids:
            break
        for info, cosine in zip(hits.infos, hits.similarities.tolist(), strict=True):
            cosines.setdefault(info.noun, cosine)
    nearest = sorted(cosines.items(), key=lambda item: (-item[1], item[0]))[:count]
    return tuple(Neighbour(noun, cosine) for noun, cosine in nearest)


def _separation(
    noun: str,
    prototypes: int,
    visuals: NDArray[np.float64],
    others: Mapping[str, NDArray[np.float64]],
    near_texts: tuple[Neighbour, ...],
    kin: tuple[str, ...],
    count: int,
) -> Separation:
    names = sorted(others)
    rows = _directions(visuals)
    means = np.stack([others[name] for name in names]) if names else np.zeros((0, visuals.shape[1]))
    to_mean = means @ _direction(visuals.sum(axis=0))
    order = np.argsort(-to_mean, kind="stable")[:count]
    near_looks = tuple(Neighbour(names[index], float(to_mean[index])) for index in order)
    spread = apart = margin = None
    confusions: tuple[Confusion, ...] = ()
    if len(rows) > 1:
        own = np.einsum("nd,nd->n", rows, _directions(visuals.sum(axis=0) - visuals))
        spread, apart = float(np.mean(1 - own)), 1.0
        if names:
            cosines = rows @ means.T
            best = cosines.max(axis=1)
            margin = float(np.mean(own - best))
            lost = own < best
            apart = float(np.mean(~lost))
            winners = Counter(names[index] for index in cosines.argmax(axis=1)[lost])
            confusions = tuple(Confusion(name, won / len(rows)) for name, won in winners.most_common(count))
    return Separation(
        noun, prototypes, near_texts, near_looks, spread, apart, margin, confusions, kin, len(names)
    )


def _direction(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    direction: NDArray[np.float64] = _directions(vector[None])[0]
    return direction


def _directions(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows of length 1; zero rows stay."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(lengths > 0, lengths, 1))
