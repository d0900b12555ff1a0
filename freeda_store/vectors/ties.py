"""Exact nearest neighbours with a fixed order among equals.

Prototypes of one noun often share one text key, so the k-th place is usually a tie. An engine
breaks ties by its inner layout, which changes as a bank grows; a revision must keep giving what
it gave. So ties are fetched whole and ordered by id.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from uuid import UUID

import numpy as np

from freeda_store.vectors.protocol import Hits

RawHits = list[tuple[UUID, float]]
Search = Callable[[Sequence[int], int], list[RawHits]]
"""Takes indices of queries and a limit; gives each query's (id, similarity), most similar first."""


def nearest_with_fixed_ties(
    search: Search, queries: int, k: int, *, resolve: bool = True, tolerance: float = 0.0
) -> list[Hits]:
    """Ask for one more than k, and for twice as many where a tie crosses the border.

    Args:
        search: runs some of the queries.
        queries: how many there are.
        k: how many hits each wants, at least 1.
        resolve: False cuts through ties, for engines whose answer is approximate anyway.
        tolerance: similarities no further apart count as equal, for engines whose last digits depend on
            the machine that answered.
    """
    answers: list[Hits | None] = [None] * queries
    open_queries, limit = list(range(queries)), k + 1
    while open_queries:
        crossing = []
        for index, hits in zip(open_queries, search(open_queries, limit), strict=True):
            if resolve and len(hits) == limit and hits[k - 1][1] - hits[-1][1] <= tolerance:
                crossing.append(index)
            else:
                answers[index] = cut(hits, k, tolerance)
        open_queries, limit = crossing, limit * 2
    return [answer for answer in answers if answer is not None]


def cut(hits: RawHits, k: int, tolerance: float = 0.0) -> Hits:
    """The first k by falling similarity, then by id; equals all get the highest of their similarities."""
    ranked: list[tuple[float, UUID]] = []
    best = last = float("inf")
    for id_, similarity in sorted(hits, key=lambda hit: -hit[1]):
        if last - similarity > tolerance:
            best = similarity
        last = similarity
        ranked.append((best, id_))
    first = sorted(ranked, key=lambda hit: (-hit[0], hit[1].int))[:k]
    similarities = np.array([similarity for similarity, _ in first], dtype=np.float32)
    return Hits(tuple(id_ for _, id_ in first), similarities)
