"""Nearest prototypes with all that is known of them: two questions to the engine, however many classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

import numpy as np

from freeda_store.errors import BankDamagedError
from freeda_store.history import History
from freeda_store.payload import read_info
from freeda_store.records import FloatArray, Retrieved
from freeda_store.vectors.filters import PointFilter

if TYPE_CHECKING:
    from freeda_store.writing.stores import Stores


@dataclass(frozen=True, eq=False)
class PrototypeVectors:
    """Vectors of prototypes, one row each.

    Attributes:
        ids: the prototypes.
        text_keys: float32 (N, D_text), L2-normalised.
        visuals: float32 (N, D_visual), as precise as float16.
    """

    ids: tuple[UUID, ...]
    text_keys: FloatArray
    visuals: FloatArray


def retrieve(
    stores: Stores, queries: FloatArray, k: int, where: PointFilter, history: History
) -> list[Retrieved]:
    """The k nearest prototypes of each row of float32 (Q, D_text).

    A prototype near to several queries is fetched once.
    """
    if not len(queries) or (where.view is not None and not where.view.ranges):
        nothing = np.zeros((0, stores.vectors.sizes.visual), dtype=np.float32)
        return [Retrieved((), np.zeros(0, dtype=np.float32), nothing, ())] * len(queries)
    vectors, recall = stores.vectors, stores.recall
    hits = recall.hits(queries, k, where, history, lambda some: vectors.nearest(some, k, where))
    wanted = list(dict.fromkeys(id_ for hit in hits for id_ in hit.ids))
    fetched = recall.prototypes(wanted, history, lambda some: vectors.fetch(some, visuals=True))
    if len(fetched.ids) != len(wanted):  # an answer from before a repair may be remembered
        hits = vectors.nearest(queries, k, where)
        wanted = list(dict.fromkeys(id_ for hit in hits for id_ in hit.ids))
        fetched = vectors.fetch(wanted, visuals=True)
    if len(fetched.ids) != len(wanted):
        raise BankDamagedError(f"points vanished from {stores.folder}; run `freeda bank verify --repair`.")
    row_of = {id_: row for row, id_ in enumerate(fetched.ids)}
    infos = [
        read_info(id_, payload, history.number_of)
        for id_, payload in zip(fetched.ids, fetched.payloads, strict=True)
    ]
    answers = []
    for hit in hits:
        rows = [row_of[id_] for id_ in hit.ids]
        chosen = tuple(infos[row] for row in rows)
        answers.append(Retrieved(hit.ids, hit.similarities, fetched.visuals[rows], chosen))
    return answers
