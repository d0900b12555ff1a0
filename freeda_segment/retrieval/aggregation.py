"""From the vectors that a class retrieves to what regions are compared with (method, online stage 3).

An aggregation has two halves: ``gather`` makes the prototypes of one text of a class, ``pooling``
says how the similarities of a region to all of them become one number per class.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from freeda_models.protocols import FloatArray, IndexArray

KMEANS_STARTS = 10
"""As many as the authors' code takes."""

_SEED = 0
_BLOCK_BYTES = 64 * 2**20


class Pooling(StrEnum):
    """How the similarities to several prototypes of a class become one.

    MAX: the most similar one counts.
    MEAN: the mean over the prototypes of a text; of several texts, the most similar one counts.
    VOTE: the prototypes nearest to a region, among those of all classes, vote for their class, each
        with its cosine; a class gets the sum of its votes over the number of voters, so a class
        without votes has 0, and one with all votes their mean cosine.
    """

    MAX = "max"
    MEAN = "mean"
    VOTE = "vote"


@dataclass(frozen=True)
class Aggregation:
    """How retrieved vectors become prototypes, and how these are compared.

    Attributes:
        gather: visual vectors (K, D), their similarities (K,) and the number of prototypes wanted
            to prototypes (P, D).
        pooling: see :class:`Pooling`.
    """

    gather: Callable[[FloatArray, FloatArray, int], FloatArray]
    pooling: Pooling = Pooling.MAX


def _mean(visuals: FloatArray, similarities: FloatArray, count: int) -> FloatArray:
    """Plain mean of the raw vectors, as the authors do."""
    mean: FloatArray = visuals.mean(axis=0, keepdims=True, dtype=np.float64).astype(np.float32)
    return mean


def _weighted_mean(visuals: FloatArray, similarities: FloatArray, count: int) -> FloatArray:
    """Mean weighted by similarity; negative ones count nothing, and if all do, all count alike."""
    weights = np.clip(similarities.astype(np.float64), 0, None)
    if not weights.sum() > 0:
        return _mean(visuals, similarities, count)
    return np.average(visuals, axis=0, weights=weights)[None].astype(np.float32)


def cluster_directions(
    visuals: FloatArray, count: int, starts: int = KMEANS_STARTS, components: int | None = None
) -> IndexArray:
    """Which cluster each vector belongs to, by k-means++ and Lloyd over their directions.

    The best of several starts counts: a single one is often more than 5 % worse
    (``python -m benchmarks.kmeans``). Seeds are fixed, so the same vectors give the same clusters.

    Args:
        visuals: float32 (K, D), not zero.
        count: clusters wanted; there are fewer where fewer directions differ.
        starts: of which the one with the least inertia is taken.
        components: compare the directions by so many of their principal components, where they have more.

    Returns:
        int64 (K,), 0..count-1; a cluster may be empty.
    """
    import warnings

    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    norms = np.linalg.norm(visuals, axis=1, keepdims=True)
    directions = (visuals / np.maximum(norms, 1e-12)).astype(np.float64)
    if components is not None and components < min(directions.shape):
        directions = _principal(directions, components)
    count = min(count, len(np.unique(directions, axis=0)))
    if count == 1:
        return np.zeros(len(visuals), dtype=np.int64)
    with warnings.catch_warnings():  # of directions that differ by rounding there are fewer clusters
        warnings.simplefilter("ignore", ConvergenceWarning)
        owner: IndexArray = KMeans(count, n_init=starts, random_state=_SEED).fit_predict(directions)
    return owner.astype(np.int64)


def _principal(rows: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Rows by their leading principal components, found by a random sketch with a fixed seed: (K, count)."""
    from sklearn.utils.extmath import randomized_svd

    centred = (rows - rows.mean(axis=0)).astype(np.float32)
    left, sizes, _ = randomized_svd(centred, count, n_iter=1, random_state=_SEED)
    components: NDArray[np.float64] = (left * sizes).astype(np.float64)
    return components


def _kmeans(visuals: FloatArray, similarities: FloatArray, count: int) -> FloatArray:
    """Means of the raw vectors of each cluster of directions; empty clusters are left out."""
    owner = cluster_directions(visuals, count)
    means = [_mean(visuals[owner == index], similarities, 1) for index in np.unique(owner)]
    return np.concatenate(means)


def _all(visuals: FloatArray, similarities: FloatArray, count: int) -> FloatArray:
    """Every vector on its own."""
    return visuals


AGGREGATIONS: Mapping[str, Aggregation] = MappingProxyType(
    {
        "mean": Aggregation(_mean),
        "weighted_mean": Aggregation(_weighted_mean),
        "kmeans_max": Aggregation(_kmeans, Pooling.MAX),
        "kmeans_mean": Aggregation(_kmeans, Pooling.MEAN),
        "knn": Aggregation(_all, Pooling.VOTE),
    }
)
"""Aggregations by name."""


def pool_max(cosines_np: FloatArray, starts: IndexArray) -> FloatArray:
    """The highest of each group of columns: float32 (N, P) to (N, G)."""
    if len(starts) == cosines_np.shape[1]:
        return cosines_np
    highest: FloatArray = np.maximum.reduceat(cosines_np, starts, axis=1)
    return highest


def pool_mean(cosines_np: FloatArray, starts: IndexArray) -> FloatArray:
    """The mean of each group of columns: float32 (N, P) to (N, G)."""
    counts = np.diff(np.append(starts, cosines_np.shape[1]))
    mean: FloatArray = (np.add.reduceat(cosines_np, starts, axis=1) / counts).astype(np.float32)
    return mean


def vote(features_nd: FloatArray, vectors_pd: FloatArray, starts: IndexArray, voters: int) -> FloatArray:
    """Votes of the nearest vectors; see :attr:`Pooling.VOTE`.

    Args:
        features_nd: float32 (N, D), L2-normalised.
        vectors_pd: float32 (P, D), L2-normalised, class after class.
        starts: int64 (C,), where each class's vectors start.
        voters: how many vote; all when there are fewer. Opposed ones (cosine below 0) do not count.

    Returns:
        float32 (N, C), 0..1. Features are compared a block at a time, so memory stays bounded.
    """
    total, classes = len(vectors_pd), len(starts)
    voters = min(voters, total)
    owner = np.repeat(np.arange(classes), np.diff(np.append(starts, total)))
    votes = np.zeros((len(features_nd), classes), dtype=np.float32)
    rows = max(1, _BLOCK_BYTES // (12 * total))
    for start in range(0, len(features_nd), rows):
        cosines = features_nd[start : start + rows] @ vectors_pd.T
        nearest = np.argpartition(-cosines, voters - 1, axis=1)[:, :voters]
        weights = np.clip(np.take_along_axis(cosines, nearest, axis=1), 0, None) / np.float32(voters)
        np.add.at(votes, (start + np.arange(len(cosines))[:, None], owner[nearest]), weights)
    return votes
