"""Nearest prototypes with all that is known of them: two questions to the engine, however many classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import UUID

import numpy as np

from freeda_store.errors import BankDamagedError
from freeda_store.history import History
from freeda_store.payload import read_info
from freeda_store.recall import NoRecall, Recall
from freeda_store.records import Direction, FloatArray, Neighbours, PrototypeInfo, Retrieved
from freeda_store.vectors.filters import PointFilter
from freeda_store.vectors.protocol import Fetched, Hits

if TYPE_CHECKING:
    from freeda_store.writing.stores import Stores


@dataclass(frozen=True, eq=False)
class PrototypeVectors:
    """Vectors of prototypes, one row each.

    Attributes:
        ids: the prototypes.
        text_keys: float32 (N, D_text), L2-normalised; zeros for a prototype without a noun.
        visuals: float32 (N, D_visual), as precise as float16.
        semantics: float32 (N, D_clip), as precise as float16; zeros for a prototype that has none, and D_clip
            is 0 where none of the bank has any.
    """

    ids: tuple[UUID, ...]
    text_keys: FloatArray
    visuals: FloatArray
    semantics: FloatArray = field(default_factory=lambda: np.zeros((0, 0), dtype=np.float32))


def retrieve(
    stores: Stores,
    queries: FloatArray,
    k: int,
    where: PointFilter,
    history: History,
    direction: Direction = Direction.CLASSES,
) -> list[Retrieved]:
    """The k nearest prototypes of each row of float32 (Q, D).

    A prototype near to several queries is fetched once.
    """
    if not len(queries) or (where.view is not None and not where.view.ranges):
        nothing = np.zeros((0, stores.vectors.sizes.visual), dtype=np.float32)
        return [Retrieved((), np.zeros(0, dtype=np.float32), nothing, ())] * len(queries)
    vectors = stores.vectors
    if direction is Direction.REGIONS:  # no picture's features come again: nothing is remembered
        recall: Recall = NoRecall()
        engine = stores.regions or vectors
    else:
        recall, engine = stores.recall, vectors

    def search(some: FloatArray) -> list[Hits]:
        return engine.nearest(some, k, where, direction)

    hits = recall.hits(queries, k, where, history, search)
    wanted = list(dict.fromkeys(id_ for hit in hits for id_ in hit.ids))
    fetched = recall.prototypes(wanted, history, lambda some: vectors.fetch(some, visuals=True))
    if len(fetched.ids) != len(wanted):  # an answer from before a repair may be remembered
        hits = search(queries)
        wanted = list(dict.fromkeys(id_ for hit in hits for id_ in hit.ids))
        fetched = vectors.fetch(wanted, visuals=True)
    infos = _infos(stores, fetched, wanted, history)
    row_of = {id_: row for row, id_ in enumerate(fetched.ids)}
    answers = []
    for hit in hits:
        rows = [row_of[id_] for id_ in hit.ids]
        chosen = tuple(infos[row] for row in rows)
        answers.append(Retrieved(hit.ids, hit.similarities, fetched.visuals[rows], chosen))
    return answers


def find_neighbours(
    stores: Stores, queries: FloatArray, k: int, where: PointFilter, history: History
) -> Neighbours:
    """The k prototypes nearest to each row of float32 (R, D_visual), with what they say of a region.

    Raises:
        BankDamagedError: a point vanished.
    """
    vectors = stores.regions or stores.vectors
    hits: list[Hits] = []
    if len(queries) and (where.view is None or where.view.ranges):
        hits = vectors.nearest(queries, k, where, Direction.REGIONS)
    wanted = sorted({id_ for hit in hits for id_ in hit.ids})
    fetched = vectors.fetch(wanted, texts=True, semantics=True)
    infos = _infos(stores, fetched, wanted, history)
    width = max((len(hit.ids) for hit in hits), default=0)
    rows = np.full((len(queries), width), -1, dtype=np.int32)
    similarities = np.zeros((len(queries), width), dtype=np.float32)
    row_of = {id_: row for row, id_ in enumerate(wanted)}
    for place, hit in enumerate(hits):
        rows[place, : len(hit.ids)] = [row_of[id_] for id_ in hit.ids]
        similarities[place, : len(hit.ids)] = hit.similarities
    return Neighbours(rows, similarities, fetched.ids, infos, fetched.texts, fetched.semantics)


def _infos(
    stores: Stores, fetched: Fetched, wanted: Sequence[UUID], history: History
) -> tuple[PrototypeInfo, ...]:
    """What is known of each point.

    Raises:
        BankDamagedError: a point vanished.
    """
    if len(fetched.ids) != len(wanted):
        raise BankDamagedError(f"points vanished from {stores.folder}; run `freeda bank verify --repair`.")
    return tuple(
        read_info(id_, payload, history.number_of)
        for id_, payload in zip(fetched.ids, fetched.payloads, strict=True)
    )
