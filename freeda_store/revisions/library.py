"""All revision files of a bank as one table of prototypes, in the order of their ids."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from freeda_store.records import FloatArray
from freeda_store.revisions.file import ID, VectorFile, no_key
from freeda_store.vectors.protocol import VectorSizes

_FEW = 4
"""Keys are gathered before they are compared, if they are fewer than one in so many."""
_AT_ONCE = 2**23
"""Similarities that are in memory at once."""

Places = NDArray[np.intp]
"""Rows of the table."""


@dataclass(frozen=True, eq=False)
class Library:
    """The table.

    Attributes:
        files: what it is made of.
        sizes: lengths of the vectors.
        ids: S16 (N,), rising.
        heads: uint64 (N,), the first half of each, which is compared faster.
        file_of, row_of: int (N,), where each prototype is.
        key_of: int (N,), the key of each among the keys of all files; equal keys of several files are one.
        starts: int (F + 1,), the number of the first key of each file, and how many keys there are.
        keyed: bool (N,), which prototypes have a text key.
    """

    files: tuple[VectorFile, ...]
    sizes: VectorSizes
    ids: NDArray[np.bytes_]
    heads: NDArray[np.uint64]
    file_of: Places
    row_of: Places
    key_of: Places
    starts: Places
    keyed: NDArray[np.bool_]

    @classmethod
    def of(cls, files: Sequence[VectorFile], sizes: VectorSizes) -> Library:
        """The table of some files; of a prototype that is in several, the first counts."""
        lengths = [len(file.ids) for file in files]
        starts = np.cumsum([0, *(len(file.keys) for file in files)])
        ids = _joined([file.ids for file in files], ID)
        digests = _joined([file.key_digests for file in files], ID)
        _, first, same = np.unique(digests, return_index=True, return_inverse=True)
        one_of = first[same]
        key_of = [file.key_of.astype(np.intp) + start for file, start in zip(files, starts, strict=False)]
        ids, order = _sorted(ids)
        keys = one_of[_joined(key_of, np.intp)][order]
        return cls(
            files=tuple(files),
            sizes=sizes,
            ids=ids,
            heads=_heads(ids),
            file_of=np.repeat(np.arange(len(files)), lengths)[order],
            row_of=_joined([np.arange(length) for length in lengths], np.intp)[order],
            key_of=keys,
            starts=starts,
            keyed=(digests != no_key(sizes.text))[keys],
        )

    def find(self, ids: NDArray[np.bytes_]) -> Places:
        """Where prototypes are, -1 for those that are not."""
        if not len(self.ids):
            return np.full(len(ids), -1)
        last = len(self.ids) - 1
        places = np.minimum(np.searchsorted(self.heads, _heads(ids)), last)
        others = np.flatnonzero(self.ids[places] != ids)  # these share their first half, or are not there
        places[others] = np.minimum(np.searchsorted(self.ids, ids[others]), last)
        places[others[self.ids[places[others]] != ids[others]]] = -1
        return places

    def uuids(self, places: Places) -> list[UUID]:
        """Ids of prototypes."""
        data = self.ids[places].tobytes()
        return [UUID(bytes=data[start : start + ID.itemsize]) for start in range(0, len(data), ID.itemsize)]

    def texts(self, places: Places) -> FloatArray:
        """Keys of prototypes, float32 (N, D_text), zeros for those that have none."""
        found = np.empty((len(places), self.sizes.text), dtype=np.float32)
        for file, here, rows in self._by_file(places):
            found[here] = file.keys[file.key_of[rows]]
        return found

    def visuals(self, places: Places) -> FloatArray:
        """Visual vectors of prototypes, float32 (N, D_visual)."""
        found = np.empty((len(places), self.sizes.visual), dtype=np.float32)
        for file, here, rows in self._by_file(places):
            found[here] = file.visuals[rows]
        return found

    def semantics(self, places: Places) -> FloatArray:
        """Semantic vectors of prototypes, float32 (N, D_clip), zeros for those that have none.

        D_clip is 0 where no file has any.
        """
        width = max((file.semantics.shape[1] for file in self.files), default=0)
        found = np.zeros((len(places), width), dtype=np.float32)
        for file, here, rows in self._by_file(places):
            if file.semantics.shape[1]:
                found[here] = file.semantics[rows]
        return found

    def similarities(self, queries: FloatArray, places: Places) -> Iterator[FloatArray]:
        """Dot products of queries with the keys of prototypes, a block of queries at a time.

        Args:
            queries: float32 (Q, D_text).
            places: (N,) of prototypes.

        Yields:
            float32 (q, N); prototypes with one key have exactly one value.
        """
        keys, column_of = np.unique(self.key_of[places], return_inverse=True)
        few = self._keys(keys) if len(keys) * _FEW < self.starts[-1] else None
        columns = column_of if few is not None else self.key_of[places]
        step = max(1, _AT_ONCE // max(1, len(places), int(self.starts[-1])))
        for start in range(0, len(queries), step):
            block = queries[start : start + step]
            yield self._products(block, few)[:, columns]

    def _products(self, queries: FloatArray, few: FloatArray | None) -> FloatArray:
        if few is not None:
            return queries @ few.T
        found = np.empty((len(queries), int(self.starts[-1])), dtype=np.float32)
        for file, start in zip(self.files, self.starts, strict=False):
            np.matmul(queries, file.keys.T, out=found[:, start : start + len(file.keys)])
        return found

    def _keys(self, keys: Places) -> FloatArray:
        """Keys by their numbers, which rise."""
        borders = np.searchsorted(keys, self.starts)
        parts = [
            file.keys[keys[first:last] - start]
            for file, start, first, last in zip(self.files, self.starts, borders, borders[1:], strict=False)
        ]
        return np.concatenate([np.empty((0, self.sizes.text), dtype=np.float32), *parts])

    def _by_file(self, places: Places) -> Iterator[tuple[VectorFile, Places, Places]]:
        """Files, which of the given places are in each, and their rows there."""
        owners = self.file_of[places]
        for number in np.unique(owners):
            here = np.flatnonzero(owners == number)
            yield self.files[number], here, self.row_of[places[here]]


def _heads(ids: NDArray[np.bytes_]) -> NDArray[np.uint64]:
    """The first half of ids, S16 (N,), as a number that rises with them."""
    return np.ascontiguousarray(ids).view(">u8").reshape(-1, 2)[:, 0].astype(np.uint64)


def _sorted(ids: NDArray[np.bytes_]) -> tuple[NDArray[np.bytes_], Places]:
    """Ids as they rise, each once, and where each was first."""
    heads = _heads(ids)
    order = np.argsort(heads, kind="stable")
    if (np.diff(heads[order]) > 0).all():
        return ids[order], order
    return np.unique(ids, return_index=True)


def _joined(parts: Sequence[NDArray[Any]], dtype: Any) -> NDArray[Any]:
    return np.concatenate([np.empty(0, dtype=dtype), *parts])
