"""Retrieval that starts at the region (method, online stage 6b): each region finds the prototypes that look
like it, and what these mean says which class it is.

No word of the bank is needed where neighbours bring CLIP's view of their regions: classes are free text, and
a name that no caption holds is found too, and so regions that nobody named take part. What is found depends
on the picture and the bank alone, so it is remembered with the encoded picture: another list of classes costs
no search.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from freeda_models.protocols import BoolArray, FloatArray, IndexArray
from freeda_models.unit_vectors import normalised
from freeda_segment.regions.sampling import axis_samples
from freeda_store import Filter
from freeda_store.records import REST, Neighbours, RevisionInfo
from freeda_store.vectors.filters import Condition, Operator

if TYPE_CHECKING:
    from freeda_segment.encoding import EncodedWindow
    from freeda_segment.retrieval.prototypes import ClassPrototypes
    from freeda_segment.settings import SegmentSettings

_REMEMBERED = 2
"""Searches that are remembered with a picture: one bank and filter, and another to compare it with."""


class NeighbourSource(Protocol):
    """What retrieval from regions needs of a bank."""

    def neighbours(
        self, queries: FloatArray, k: int, where: Filter = ..., revision: int | None = None
    ) -> Neighbours:
        """The k prototypes that look most like each region, at a revision of this number."""


@dataclass(frozen=True, eq=False)
class WindowQueries:
    """Which rows of a picture's neighbours are those of one window.

    Attributes:
        regions: int64 (S,), the row of each region; -1 for one without a feature.
        tokens: int64 (h, w), that of the region that each patch lies in; its own where it lies in none.
    """

    regions: IndexArray
    tokens: IndexArray


@dataclass(frozen=True, eq=False)
class PictureNeighbours:
    """The neighbours of all regions of a picture.

    Attributes:
        found: one row per region that has a feature, window after window.
        windows: which rows are those of each window.
    """

    found: Neighbours
    windows: tuple[WindowQueries, ...]


@dataclass(frozen=True, eq=False)
class WindowVotes:
    """What neighbours say of one window; C counts the classes, and one more where something competes.

    Attributes:
        regions: float32 (S, C), 0..1; NaN for a region that nothing is known of.
        tokens: float32 (h, w, C), likewise.
        weight: how much it counts against the classes' own prototypes, 0..1.
    """

    regions: FloatArray
    tokens: FloatArray
    weight: float

    def join(self, cosines_nc: FloatArray, votes_nc: FloatArray) -> FloatArray:
        """Similarity with the classes' prototypes and votes of neighbours in one: float32 (N, C).

        ``(1 - weight) * cosine + weight * vote``; both are 1 for the same and about 0 for what has nothing to
        do with it. Where nothing is known of a region, the cosine alone counts.
        """
        joined: FloatArray = ((1 - self.weight) * cosines_nc + self.weight * votes_nc).astype(np.float32)
        known: FloatArray = np.where(np.isnan(votes_nc), cosines_nc, joined)
        return known


class NeighbourCache:
    """The neighbours of one picture's regions that were searched last, by all that shapes them."""

    def __init__(self) -> None:
        self._found: OrderedDict[Hashable, PictureNeighbours] = OrderedDict()

    def get(self, key: Hashable) -> PictureNeighbours | None:
        """What was found under a key; None when nothing was."""
        return self._found.get(key)

    def put(self, key: Hashable, found: PictureNeighbours) -> None:
        """Keep it; the oldest goes when there are too many."""
        self._found[key] = found
        while len(self._found) > _REMEMBERED:
            self._found.popitem(last=False)


def find_neighbours(
    windows: Sequence[EncodedWindow],
    source: NeighbourSource,
    settings: SegmentSettings,
    revision: RevisionInfo | None,
    cache: NeighbourCache,
) -> PictureNeighbours:
    """The neighbours of all regions of a picture, in one search, or those that were found before.

    Args:
        windows: of the picture.
        source: the bank.
        settings: ``region_k`` and ``where`` count here, and ``region_values``: where neighbours bring words,
            and one without any was found, those with words are looked for alone.
        revision: that is searched: the one that the classes' prototypes are of.
        cache: of the picture.
    """
    number = None if revision is None else revision.number
    found = _search(windows, source, settings.region_k, settings.where, number, cache)
    if settings.region_values == "semantic" or all(info.noun for info in found.found.infos):
        return found
    return _search(windows, source, settings.region_k, named_only(settings.where), number, cache)


def _search(
    windows: Sequence[EncodedWindow],
    source: NeighbourSource,
    k: int,
    where: Filter,
    revision: int | None,
    cache: NeighbourCache,
) -> PictureNeighbours:
    key = (id(source), revision, k, where)
    known = cache.get(key)
    if known is not None:
        return known
    features: list[FloatArray] = []
    rows: list[WindowQueries] = []
    start = 0
    for window in windows:
        own, queries = _queries(window, start)
        features.append(queries)
        rows.append(own)
        start += len(queries)
    found = source.neighbours(np.concatenate(features), k, where, revision)
    made = PictureNeighbours(found, tuple(rows))
    cache.put(key, made)
    return made


def named_only(where: Filter) -> Filter:
    """A filter that lets no region through that nobody named."""
    return Filter((*where.conditions, Condition("noun", Operator.NE, ("",))))


def _queries(window: EncodedWindow, start: int) -> tuple[WindowQueries, FloatArray]:
    """The features of a window to search for, (Q, D), and their rows, the first of which is ``start``."""
    height, width, depth = window.tokens.shape
    covered = np.flatnonzero(window.regions.covered)
    rows = np.full(len(window.regions.covered), -1, dtype=np.int64)
    rows[covered] = start + np.arange(len(covered))
    labels = window.labels[
        np.ix_(*(_nearest_pixels(*pair) for pair in zip(window.labels.shape, (height, width), strict=True)))
    ]
    tokens = np.where(labels >= 0, np.append(rows, -1)[labels], -1)
    alone = tokens < 0
    tokens[alone] = start + len(covered) + np.arange(int(alone.sum()))
    queries = [window.regions.vectors[covered], window.tokens[alone].reshape(-1, depth)]
    return WindowQueries(rows, tokens), np.concatenate(queries)


def _nearest_pixels(pixels: int, tokens: int) -> IndexArray:
    """The pixel that counts most for each token of one axis, so that its region has a feature."""
    samples = axis_samples(pixels, tokens)
    return np.where(samples.weight < np.float32(0.5), samples.low, samples.high)


def brought(found: Neighbours, wanted: str) -> str:
    """What the neighbours bring: ``text`` in the place of ``semantic`` in a bank that has none at all."""
    return "text" if wanted == "semantic" and not found.semantics.any() else wanted


def count_votes(found: Neighbours, prototypes: ClassPrototypes, settings: SegmentSettings) -> FloatArray:
    """What the neighbours of each region say of the classes: float32 (R, C).

    Semantic vectors or text keys of a region's neighbours are averaged and compared with the classes' texts;
    a softmax makes shares of the cosines. Or each neighbour has one vote, for the class whose text is nearest
    to its noun's. Neighbours of nouns that no class names but that compete with the classes speak for these:
    their share is the last column, where anything competes, and the classes divide the rest. So does what an
    example's picture shows beside it. Shares are of the neighbours that have a noun; one without brings its
    semantic vector alone.

    Returns:
        0..1; rows of NaN for regions whose neighbours say nothing.
    """
    competing = set() if prototypes.competitors is None else set(prototypes.competitors.nouns)
    is_other: BoolArray = np.array(
        [info.noun in competing or info.kind == REST for info in found.infos], dtype=np.bool_
    )
    named: BoolArray = np.array([bool(info.noun) for info in found.infos], dtype=np.bool_)
    counts = _gathered(named, found).sum(axis=1)
    others = _gathered(is_other, found).sum(axis=1) / np.maximum(counts, 1)
    values = brought(found, settings.region_values)
    if values == "noun":
        shares = _ballots(found, prototypes, named & ~is_other, counts)
    else:
        divided = _divided(found, prototypes, settings.region_scale, semantic=values == "semantic")
        shares = divided * (1 - others)[:, None]
    if prototypes.competitors is not None:
        others = np.where(np.isnan(shares[:, 0]), np.nan, others)
        shares = np.column_stack([shares, others])
    votes: FloatArray = shares.astype(np.float32)
    return votes


def _ballots(
    found: Neighbours, prototypes: ClassPrototypes, voting: BoolArray, counts: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Share of each region's neighbours that vote for each class, (R, C); not all that count need vote."""
    cosines = found.text_keys @ _queries_of(prototypes).T
    nearest = _of_classes(cosines, prototypes, prototypes.unheld).argmax(axis=1)
    region, place = np.nonzero(_gathered(voting, found))
    ballots = np.zeros((len(found.rows), len(prototypes.names)))
    np.add.at(ballots, (region, nearest[found.rows[region, place]]), 1)
    ballots[counts == 0] = np.nan
    shares: NDArray[np.float64] = ballots / np.maximum(counts, 1)[:, None]
    return shares


def _divided(
    found: Neighbours, prototypes: ClassPrototypes, scale: float, *, semantic: bool
) -> NDArray[np.float64]:
    """How classes divide each region by the mean of what its neighbours bring, (R, C)."""
    values = found.semantics if semantic else found.text_keys
    texts = prototypes.embeddings if semantic else _queries_of(prototypes)
    means, known = _mean_values(values, found)
    unheld = None if semantic else prototypes.unheld  # CLIP knows what no caption names
    cosines = _of_classes(normalised(means) @ texts.T, prototypes, unheld)
    shares = _softmax(scale * cosines)
    shares[~known] = np.nan
    return shares


def _queries_of(prototypes: ClassPrototypes) -> FloatArray:
    """The texts of classes in the bank's key space; CLIP's, where nothing else is said."""
    return prototypes.embeddings if prototypes.queries is None else prototypes.queries


def of_window(votes_rc: FloatArray, rows: WindowQueries, weight: float) -> WindowVotes:
    """The votes of one window."""
    none = np.full((1, votes_rc.shape[1]), np.nan, dtype=np.float32)
    whole = np.concatenate([votes_rc, none])  # -1 takes the last
    return WindowVotes(whole[rows.regions], whole[rows.tokens], weight)


def _gathered(of_prototype: BoolArray, found: Neighbours) -> BoolArray:
    """What holds of prototypes, (N,), for each neighbour of each region, (R, K)."""
    gathered: BoolArray = np.append(of_prototype, np.False_)[found.rows]
    return gathered


def _mean_values(values: FloatArray, found: Neighbours) -> tuple[FloatArray, BoolArray]:
    """Mean of what each region's neighbours bring, (R, D), and which regions have any."""
    from scipy.sparse import csr_matrix

    has = np.append(values.any(axis=1), np.False_)
    use = (found.rows >= 0) & has[found.rows]
    region, place = np.nonzero(use)
    shape = (len(found.rows), len(values))
    ones = np.ones(len(region), dtype=np.float32)
    chosen = csr_matrix((ones, (region, found.rows[region, place])), shape=shape)
    counts = use.sum(axis=1)
    means: FloatArray = (chosen @ values) / np.maximum(counts, 1)[:, None].astype(np.float32)
    return means, counts > 0


def _of_classes(cosines_nt: FloatArray, prototypes: ClassPrototypes, unheld: BoolArray | None) -> FloatArray:
    """Cosines with texts to cosines with classes: of the texts of a class the nearest counts."""
    if unheld is not None:
        cosines_nt[:, unheld] = -1
    highest: FloatArray = np.maximum.reduceat(cosines_nt, prototypes.embedding_starts, axis=1)
    return highest


def _softmax(values_nc: FloatArray) -> NDArray[np.float64]:
    shifted = np.exp(values_nc.astype(np.float64) - values_nc.max(axis=1, keepdims=True))
    shares: NDArray[np.float64] = shifted / shifted.sum(axis=1, keepdims=True)
    return shares
