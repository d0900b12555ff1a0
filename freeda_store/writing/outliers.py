"""How far each prototype lies from the others of its noun, filled in when its revision is committed.

Only then are all the others known, whatever the order in which they were written and however often
the run was killed. Prototypes of earlier revisions keep the distance that they were given.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from freeda_store.records import FloatArray
from freeda_store.vectors.filters import Condition, Filter, Operator, PointFilter, View

if TYPE_CHECKING:
    from freeda_store.writing.stores import Stores

_AT_ONCE = 1000
DECIMALS = 4
"""Distances are rounded, so that points of equal distance are updated together."""


def score_outliers(stores: Stores, revision: int, view: View) -> None:
    """Set ``outlier_distance`` of all prototypes that an open revision added.

    They were written with 0, which is right where a noun has one prototype alone: only the others are
    read.

    Args:
        stores: of the bank.
        revision: the open one.
        view: what its commit will show.
    """
    groups = _set_by_a_dead_commit(stores, revision)
    for noun in stores.catalog.shared_nouns(revision, view):
        own = stores.catalog.prototypes_of(noun, revision)
        others = stores.catalog.showing(noun, view)
        for id_, distance in _distances(stores, own, others):
            groups.setdefault(distance, []).append(id_)
    for distance, ids in sorted(groups.items()):
        stores.vectors.set_payload(ids, {"outlier_distance": distance})
    stores.catalog.set_outlier_distances(revision, groups)


def outlier_distances(
    vectors_nd: FloatArray, total_d: NDArray[np.float64], count: int
) -> NDArray[np.float64]:
    """1 - cosine of each vector to the mean of the rest.

    Args:
        vectors_nd: float32 (N, D), each among those that were added up.
        total_d: float64 (D,), the sum of all vectors of the noun.
        count: how many were added up.

    Returns:
        float64 (N,), 0..2; 0 where there is no rest, 1 where a vector or the rest has no direction.
    """
    if count < 2:
        return np.zeros(len(vectors_nd))
    vectors = vectors_nd.astype(np.float64)
    rest = total_d - vectors
    lengths = np.linalg.norm(vectors, axis=1) * np.linalg.norm(rest, axis=1)
    cosines = np.einsum("nd,nd->n", vectors, rest) / np.where(lengths > 0, lengths, 1)
    return np.asarray(np.clip(1 - cosines, 0, 2))


def _set_by_a_dead_commit(stores: Stores, revision: int) -> dict[float, list[UUID]]:
    """Prototypes that have a distance already, to be set to 0 first: they may be alone by now."""
    some = Filter((Condition("outlier_distance", Operator.GT, (0.0,)),))
    points = stores.vectors.scroll(PointFilter(some, added_in=revision), payloads=False)
    ids = [id_ for id_, _ in points]
    return {0.0: ids} if ids else {}


def _distances(stores: Stores, own: Sequence[UUID], shown: Sequence[UUID]) -> Iterator[tuple[UUID, float]]:
    total = np.zeros(stores.vectors.sizes.visual)
    for _, visuals in _fetch(stores, shown):
        total += visuals.sum(axis=0, dtype=np.float64)
    for ids, visuals in _fetch(stores, own):
        distances = outlier_distances(visuals, total, len(shown))
        yield from zip(ids, np.round(distances, DECIMALS).tolist(), strict=True)


def _fetch(stores: Stores, ids: Sequence[UUID]) -> Iterator[tuple[tuple[UUID, ...], FloatArray]]:
    for start in range(0, len(ids), _AT_ONCE):
        fetched = stores.vectors.fetch(ids[start : start + _AT_ONCE], visuals=True)
        yield fetched.ids, fetched.visuals
