"""Fills in what an earlier version did not keep, in place: no revision changes what it shows.

Order of writing: points, then their checksums in SQL, at the end the files that readers search. Stopped at
any moment, the same again goes on where it was.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from uuid import UUID

import numpy as np

from freeda_store.closeable import Closeable
from freeda_store.digests import canonical_semantic, semantic_digest
from freeda_store.payload import read_info
from freeda_store.records import FloatArray, PrototypeInfo
from freeda_store.revisions.copies import RevisionFiles
from freeda_store.sql.proofs import set_semantic_digests, without_semantic
from freeda_store.writing.stores import Stores


class Completion(Closeable):
    """Made by ``Bank.complete``; use it in a ``with`` block, whose end writes what readers need."""

    def __init__(self, stores: Stores) -> None:
        stores.before_writing()
        self._stores = stores
        self._open = True
        stores.vectors.complete_directions()

    def lacking(self) -> Iterator[list[PrototypeInfo]]:
        """Committed prototypes that have no semantic vector, retired ones too, some at a time.

        In the order of their ids. What is added meanwhile does not come again, and neither does what is not.
        """
        history = self._stores.catalog.history()
        for ids in without_semantic(self._stores.catalog):
            fetched = self._stores.vectors.fetch(ids)
            rows = zip(fetched.ids, fetched.payloads, strict=True)
            yield [read_info(id_, payload, history.number_of) for id_, payload in rows]

    def add(self, ids: Sequence[UUID], semantics: FloatArray) -> None:
        """Give prototypes their semantic vectors.

        Args:
            ids: prototypes of the bank.
            semantics: float32 (N, D_clip), CLIP's image embeddings of their regions, L2-normalised.

        Raises:
            ValueError: they are not one vector of length 1 for each.
            StorageError: the disk is full or an engine refused; run the same again.
        """
        lengths = np.linalg.norm(semantics.astype(np.float64), axis=-1)
        if semantics.ndim != 2 or len(semantics) != len(ids) or not (np.abs(lengths - 1) <= 1e-2).all():
            raise ValueError(f"semantics are {semantics.shape}; expected {len(ids)} rows of length 1.")
        if not ids:
            return
        kept = canonical_semantic(semantics)
        self._stores.before_writing()
        self._stores.vectors.set_semantics(ids, kept)
        self._stores.vectors.flush()
        digests = {id_: semantic_digest(row) for id_, row in zip(ids, kept, strict=True)}
        set_semantic_digests(self._stores.catalog, digests)

    def close(self) -> None:
        """Write the files of revisions anew whose prototypes have got semantic vectors, and any index due.

        Raises:
            BankDamagedError: vectors are gone, or are not those that were written.
            StorageError: the system refuses.
        """
        if not self._open:
            return
        self._open = False
        copies = self._stores.copies
        if isinstance(copies, RevisionFiles):
            copies.keep_semantics(self._stores.catalog, self._stores.vectors)
        copies.tidy(self._stores.catalog, self._stores.vectors.sizes)
