"""A Qdrant server through qdrant-client, and the client's in-memory mode for tests."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

import numpy as np
from typing_extensions import override

from freeda_store.errors import BankDamagedError, StorageError
from freeda_store.records import Direction, FloatArray
from freeda_store.vectors.board import is_note
from freeda_store.vectors.collection import (
    DIRECTION,
    MAX_QUERY_LIMIT,
    SEMANTIC,
    add_vector,
    create_collection,
    is_remote,
    sizes_of,
)
from freeda_store.vectors.filters import PointFilter, QdrantDialect, translate
from freeda_store.vectors.protocol import Fetched, Hits, Payload, Point, VectorSizes, VectorStore
from freeda_store.vectors.sending import guard
from freeda_store.vectors.ties import RawHits, nearest_with_fixed_ties
from freeda_store.vectors.wire import REQUEST_BYTES, HttpWire, LocalWire, Record, Search, Wire

if TYPE_CHECKING:
    from qdrant_client import QdrantClient

EXACT_UP_TO = 400_000
"""Points up to which a search scans instead of walking the graph; see ``edge.INDEX_FROM``."""
_READ_BATCH = 256
_READERS = 4
"""Requests for points that run at once: a server makes JSON of vectors on one core per request."""
_SCROLL_BATCH = 1024
_SCROLL_LETTERS = 8_000_000
"""Letters of payloads in one answer; captions of 100 KB come in shorter pages than others."""
_IDS_AT_ONCE = 5000
_ID_BYTES = 40
_NUMBER_BYTES = 24
"""A float32 in JSON, at most, and its comma."""
_TOLERANCE = 1e-6
"""Replicas on other processors differ in the last digits of a similarity, and so does the local mode."""
TALLIED = 100_000
"""How many values of a field are counted at most."""
T = TypeVar("T")


def _dialect() -> QdrantDialect:
    from qdrant_client import models

    def is_empty(field: str) -> models.IsEmptyCondition:
        return models.IsEmptyCondition(is_empty=models.PayloadField(key=field))

    return QdrantDialect(models.FieldCondition, models.MatchAny, models.Range, models.Filter, is_empty)


class ServerVectors(VectorStore):
    """A :class:`~freeda_store.vectors.protocol.VectorStore` in one collection of a server."""

    def __init__(
        self,
        client: QdrantClient,
        collection: str,
        sizes: VectorSizes,
        request_bytes: int = REQUEST_BYTES,
        *,
        searches_regions: bool = True,
    ) -> None:
        self._searches_regions = searches_regions
        self._client = client
        self._collection = collection
        self._sizes = sizes
        self._request_bytes = request_bytes
        self._dialect = _dialect()
        self._wire: Wire = (
            HttpWire(client, collection, request_bytes)
            if is_remote(client)
            else LocalWire(client, collection)
        )
        self._few: bool | None = None

    @classmethod
    def create(cls, client: QdrantClient, collection: str, sizes: VectorSizes) -> ServerVectors:
        """Make an empty collection with its payload indexes.

        Raises:
            StorageError: the server refuses, or the collection exists.
        """
        create_collection(client, collection, sizes)
        return cls(client, collection, sizes)

    @classmethod
    def load(cls, client: QdrantClient, collection: str, request_bytes: int = REQUEST_BYTES) -> ServerVectors:
        """Use a collection that exists.

        Raises:
            StorageError: no such collection.
            BankDamagedError: it has other vectors than a bank's.
        """
        vectors = guard(collection, lambda: client.get_collection(collection)).config.params.vectors
        sizes = sizes_of(vectors)
        if sizes is None:
            raise BankDamagedError(
                f"collection '{collection}' holds no bank: it needs vectors text and visual."
            )
        return cls(client, collection, sizes, request_bytes, searches_regions=DIRECTION in (vectors or ()))

    @property
    @override
    def sizes(self) -> VectorSizes:
        return self._sizes

    @override
    def upsert(self, points: Sequence[Point]) -> None:
        self._make_place(next((each.semantic for each in points if each.semantic is not None), None))
        self._ask(lambda: self._wire.upsert(points, directions=self._searches_regions))

    @override
    def set_semantics(self, ids: Sequence[UUID], semantics: FloatArray) -> None:
        self._make_place(semantics[0] if len(semantics) else None)
        self._set_vectors(SEMANTIC, ids, semantics)

    @override
    def complete_directions(self) -> int:
        if not self._searches_regions:
            add_vector(self._client, self._collection, DIRECTION, self._sizes)
        done = 0
        while ids := self._without(DIRECTION):
            fetched = self.fetch(ids, visuals=True)
            if not fetched.ids:
                break  # what lacks a visual vector is for ``verify`` to find
            self._set_vectors(DIRECTION, fetched.ids, fetched.visuals)
            done += len(fetched.ids)
        self._searches_regions = True
        return done

    def _without(self, name: str) -> list[UUID]:
        """Some prototypes whose points lack a named vector and have a visual one."""
        from qdrant_client import models

        lacking = models.Filter(
            must=[models.HasVectorCondition(has_vector="visual")],
            must_not=[models.HasVectorCondition(has_vector=name)],
        )
        ask = partial(
            self._client.scroll,
            self._collection,
            scroll_filter=lacking,
            limit=_READ_BATCH,
            with_payload=False,
            with_vectors=False,
        )
        return [UUID(str(record.id)) for record in self._ask(ask)[0]]

    def _make_place(self, semantic: FloatArray | None) -> None:
        """Make the place of semantic vectors, if this is the first of a collection that has none."""
        if semantic is None or self._sizes.semantic:
            return
        sizes = replace(self._sizes, semantic=len(semantic))
        add_vector(self._client, self._collection, SEMANTIC, sizes)
        self._sizes = sizes

    def _set_vectors(self, name: str, ids: Sequence[UUID], rows: FloatArray) -> None:
        from qdrant_client import models

        step = max(1, self._request_bytes // (_NUMBER_BYTES * max(1, rows.shape[1])))
        for start in range(0, len(ids), step):
            pairs = zip(ids[start : start + step], rows[start:], strict=False)
            made = [models.PointVectors(id=str(id_), vector={name: row.tolist()}) for id_, row in pairs]
            self._ask(partial(self._client.update_vectors, self._collection, made, wait=True))

    @override
    def delete(self, ids: Sequence[UUID]) -> None:
        from qdrant_client import models

        for batch in self._id_batches(ids):
            selector = models.PointIdsList(points=batch)
            self._ask(partial(self._client.delete, self._collection, selector, wait=True))

    @override
    def set_payload(self, ids: Sequence[UUID], payload: Payload) -> None:
        for points in self._id_batches(ids, len(json.dumps(payload))):
            self._ask(
                partial(self._client.set_payload, self._collection, dict(payload), points=points, wait=True)
            )

    @override
    def nearest(
        self, queries: FloatArray, k: int, where: PointFilter, direction: Direction = Direction.CLASSES
    ) -> list[Hits]:
        """The k points nearest to each query, in one request as far as it may be so large.

        Raises:
            StorageError: the collection is of an earlier version, and holds nothing to search regions by.
        """
        from qdrant_client import models

        using = DIRECTION if direction is Direction.REGIONS else "text"
        if using == DIRECTION and not self._searches_regions:
            raise StorageError(
                f"collection '{self._collection}' was made before regions could be searched; run "
                "`freeda bank complete` on the bank once."
            )
        condition, exact = translate(where, self._dialect), self._scanned()
        rescored = models.QuantizationSearchParams(rescore=True, oversampling=2.0)
        params = models.SearchParams(
            exact=exact,
            hnsw_ef=None if exact else max(512, 4 * k),
            quantization=None if exact else rescored,
        )

        def search(indices: Sequence[int], limit: int) -> list[RawHits]:
            most = min(limit, MAX_QUERY_LIMIT)
            searches = [Search(queries[index], using, condition, params, most) for index in indices]
            return self._ask(lambda: self._wire.search(searches))

        return nearest_with_fixed_ties(search, len(queries), k, resolve=exact, tolerance=_TOLERANCE)

    def _scanned(self) -> bool:
        """Whether searches scan all points; asked once, for a few points more or less make no difference."""
        if self._few is None:
            self._few = self.count(PointFilter()) <= EXACT_UP_TO
        return self._few

    @override
    def fetch(
        self, ids: Sequence[UUID], *, texts: bool = False, visuals: bool = False, semantics: bool = False
    ) -> Fetched:
        """Points by id, several requests at once. A point that lacks a visual vector counts as missing."""
        names = self._sizes.names(texts=texts, visuals=visuals, semantics=semantics)
        parts = [ids[start : start + _READ_BATCH] for start in range(0, len(ids), _READ_BATCH)]
        by_id: dict[UUID, Record] = {}
        with ThreadPoolExecutor(max(1, min(_READERS, len(parts)))) as readers:
            for records in readers.map(lambda part: self._retrieve(part, names), parts):
                by_id |= {record.id: record for record in records}
        found = [by_id[id_] for id_ in ids if id_ in by_id]
        width = self._sizes.semantic if semantics else 0
        widths = {"text": self._sizes.text, "visual": self._sizes.visual, SEMANTIC: width}
        none = {name: np.zeros(widths[name], dtype=np.float32) for name in names}
        rows = {name: [record.vectors.get(name, none[name]) for record in found] for name in names}
        missing = np.zeros((len(found) if semantics else 0, width), dtype=np.float32)
        return Fetched(
            tuple(record.id for record in found),
            tuple(record.payload for record in found),
            _stack(rows.get("text", []), self._sizes.text),
            _stack(rows.get("visual", []), self._sizes.visual),
            _stack(rows[SEMANTIC], width) if rows.get(SEMANTIC) else missing,
        )

    def _retrieve(self, ids: Sequence[UUID], names: Sequence[str]) -> list[Record]:
        return self._ask(lambda: self._wire.retrieve(ids, names))

    def _id_batches(self, ids: Sequence[UUID], beside: int = 0) -> Iterator[list[Any]]:
        """Ids as the client takes them, as many as fit into a request beside so many bytes."""
        most = max(1, min(_IDS_AT_ONCE, (self._request_bytes - beside) // _ID_BYTES))
        for start in range(0, len(ids), most):
            yield [str(id_) for id_ in ids[start : start + most]]

    @override
    def scroll(self, where: PointFilter, *, payloads: bool = True) -> Iterator[tuple[UUID, Payload]]:
        condition = translate(where, self._dialect)
        offset: Any = None
        limit = _SCROLL_BATCH
        while True:
            records, offset = self._ask(
                partial(
                    self._client.scroll,
                    self._collection,
                    scroll_filter=condition,
                    limit=limit,
                    offset=offset,
                    with_payload=payloads,
                    with_vectors=False,
                )
            )
            for record in records:
                if not is_note(id_ := UUID(str(record.id))):
                    yield id_, record.payload or {}
            if offset is None:
                return
            letters = sum(len(v) for r in records for v in (r.payload or {}).values() if isinstance(v, str))
            limit = max(1, min(_SCROLL_BATCH, limit * _SCROLL_LETTERS // max(letters, 1)))

    @override
    def count(self, where: PointFilter) -> int:
        condition = translate(where, self._dialect)
        return int(
            self._ask(lambda: self._client.count(self._collection, count_filter=condition, exact=True)).count
        )

    def tally(self, field: str, where: PointFilter) -> dict[str, int]:
        """How many of the points that match have each value of an indexed field, the most frequent first.

        Returns:
            At most :data:`TALLIED` values, integers as text.
        """
        condition = translate(where, self._dialect)
        ask = partial(self._client.facet, self._collection, field, condition, limit=TALLIED, exact=True)
        return {str(hit.value): hit.count for hit in self._ask(ask).hits}

    @override
    def optimize(self) -> None:
        """Nothing to do: a server optimizes by itself."""

    @override
    def flush(self) -> None:
        """Nothing to do: every write waits for the server's log."""

    @override
    def size_bytes(self) -> int | None:
        """None: a server does not report it."""
        return None

    @override
    def close(self) -> None:
        self._client.close()

    def _ask(self, call: Callable[[], T]) -> T:
        return guard(self._collection, call)


def _stack(rows: list[FloatArray], width: int) -> FloatArray:
    return np.stack(rows) if rows else np.zeros((0, width), dtype=np.float32)
