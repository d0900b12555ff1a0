"""Semantic vectors against their checksums. A lost one is no lost prototype: it can be made again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING
from uuid import UUID

import numpy as np

from freeda_store.digests import semantic_digest
from freeda_store.errors import BankDamagedError, EngineRefusedError
from freeda_store.records import FloatArray
from freeda_store.revisions.copies import RevisionFiles
from freeda_store.sql.proofs import semantic_digests, set_semantic_digests
from freeda_store.vectors.filters import PointFilter
from freeda_store.vectors.protocol import VectorStore

if TYPE_CHECKING:
    from freeda_store.writing.stores import Stores

_AT_ONCE = 512


def wrong_semantics(stores: Stores) -> list[UUID]:
    """Prototypes whose semantic vectors are gone, or are not those that were written.

    One without a checksum is what a killed ``bank complete`` left, which overwrites it.
    """
    ids = (id_ for id_, _ in stores.vectors.scroll(PointFilter(), payloads=False))
    wrong: list[UUID] = []
    while batch := list(islice(ids, _AT_ONCE)):
        proofs = semantic_digests(stores.catalog, batch)
        held = semantics_of(stores.vectors, list(proofs))
        digests = {id_: semantic_digest(row) for id_, row in held.items()}
        wrong += [id_ for id_, proof in proofs.items() if proof != digests.get(id_)]
    return wrong


def mend_semantics(stores: Stores, ids: Sequence[UUID]) -> None:
    """Take semantic vectors from the files of revisions; forget those that no file has."""
    if not ids:
        return
    saved: dict[UUID, FloatArray] = {}
    if isinstance(stores.copies, RevisionFiles):
        for found in stores.copies.proved(stores.catalog, ids, stores.vectors.sizes):
            saved |= {id_: row for id_, row in zip(found.ids, found.semantics, strict=True) if row.any()}
    lost = [id_ for id_ in ids if id_ not in saved]
    set_semantic_digests(stores.catalog, dict.fromkeys(lost))
    width = stores.vectors.sizes.semantic
    rows = {id_: saved.get(id_, np.zeros(width, dtype=np.float32)) for id_ in ids}
    if width and rows:
        stores.vectors.set_semantics(list(rows), np.stack(list(rows.values())))
        stores.vectors.flush()


def semantics_of(vectors: VectorStore, ids: Sequence[UUID]) -> dict[UUID, FloatArray]:
    """Semantic vectors of points, without those that have none, or none that can be read."""
    return dict(_semantics_of(vectors, ids)) if ids else {}


def _semantics_of(vectors: VectorStore, ids: Sequence[UUID]) -> Iterator[tuple[UUID, FloatArray]]:
    try:
        fetched = vectors.fetch(ids, semantics=True)
    except (BankDamagedError, EngineRefusedError):
        if len(ids) > 1:
            middle = len(ids) // 2
            yield from _semantics_of(vectors, ids[:middle])
            yield from _semantics_of(vectors, ids[middle:])
        return
    for id_, row in zip(fetched.ids, fetched.semantics, strict=True):
        if row.any():
            yield id_, row
