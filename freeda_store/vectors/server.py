"""A Qdrant server through qdrant-client, and the client's in-memory mode for tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, cast
from uuid import UUID

import numpy as np

from freeda_store.errors import BankDamagedError
from freeda_store.records import FloatArray
from freeda_store.vectors.collection import MAX_QUERY_LIMIT, create_collection
from freeda_store.vectors.filters import PointFilter, translate
from freeda_store.vectors.protocol import Fetched, Hits, Payload, Point, VectorSizes
from freeda_store.vectors.sending import guard
from freeda_store.vectors.ties import RawHits, nearest_with_fixed_ties

if TYPE_CHECKING:
    from qdrant_client import QdrantClient

EXACT_UP_TO = 400_000
"""Points up to which a search scans instead of walking the graph; see ``edge.INDEX_FROM``."""
_WRITE_BATCH = 256
_READ_BATCH = 1024
_SCROLL_BATCH = 1024
_IDS_AT_ONCE = 5000
_TOLERANCE = 1e-6
"""Replicas on other processors differ in the last digits of a similarity, and so does the local mode."""
T = TypeVar("T")


class _ServerDialect:
    """The client's filter models."""

    def __init__(self) -> None:
        from qdrant_client import models

        self._models = models

    def one_of(self, field: str, values: Sequence[str] | Sequence[int]) -> Any:
        match = self._models.MatchAny(any=cast("list[str]", list(values)))
        return self._models.FieldCondition(key=field, match=match)

    def between(
        self,
        field: str,
        *,
        gte: float | None = None,
        gt: float | None = None,
        lte: float | None = None,
        lt: float | None = None,
    ) -> Any:
        limits = self._models.Range(gte=gte, gt=gt, lte=lte, lt=lt)
        return self._models.FieldCondition(key=field, range=limits)

    def any_of(self, conditions: Sequence[Any]) -> Any:
        return self._models.Filter(should=list(conditions))

    def all_of(self, must: Sequence[Any], must_not: Sequence[Any]) -> Any:
        return self._models.Filter(must=list(must) or None, must_not=list(must_not) or None)


class ServerVectors:
    """A :class:`~freeda_store.vectors.protocol.VectorStore` in one collection of a server."""

    def __init__(self, client: QdrantClient, collection: str, sizes: VectorSizes) -> None:
        self._client = client
        self._collection = collection
        self._sizes = sizes
        self._dialect = _ServerDialect()

    @classmethod
    def create(cls, client: QdrantClient, collection: str, sizes: VectorSizes) -> ServerVectors:
        """Make an empty collection with its payload indexes.

        Raises:
            StorageError: the server refuses, or the collection exists.
        """
        create_collection(client, collection, sizes)
        return cls(client, collection, sizes)

    @classmethod
    def load(cls, client: QdrantClient, collection: str) -> ServerVectors:
        """Use a collection that exists.

        Raises:
            StorageError: no such collection.
            BankDamagedError: it has other vectors than a bank's.
        """
        vectors = guard(collection, lambda: client.get_collection(collection)).config.params.vectors
        if not isinstance(vectors, dict) or not {"text", "visual"} <= vectors.keys():
            raise BankDamagedError(
                f"collection '{collection}' holds no bank: it needs vectors text and visual."
            )
        return cls(client, collection, VectorSizes(vectors["text"].size, vectors["visual"].size))

    @property
    def sizes(self) -> VectorSizes:
        """Lengths of the vectors it holds."""
        return self._sizes

    def upsert(self, points: Sequence[Point]) -> None:
        """Write points."""
        from qdrant_client import models

        for start in range(0, len(points), _WRITE_BATCH):
            batch = [
                models.PointStruct(
                    id=str(point.id),
                    vector={"text": point.text.tolist(), "visual": point.visual.tolist()},
                    payload=dict(point.payload),
                )
                for point in points[start : start + _WRITE_BATCH]
            ]
            self._ask(partial(self._client.upsert, self._collection, batch, wait=True))

    def delete(self, ids: Sequence[UUID]) -> None:
        """Remove points."""
        from qdrant_client import models

        for start in range(0, len(ids), _IDS_AT_ONCE):
            selector = models.PointIdsList(points=[str(id_) for id_ in ids[start : start + _IDS_AT_ONCE]])
            self._ask(partial(self._client.delete, self._collection, selector, wait=True))

    def set_payload(self, ids: Sequence[UUID], payload: Payload) -> None:
        """Set payload fields."""
        for start in range(0, len(ids), _IDS_AT_ONCE):
            points: list[Any] = [str(id_) for id_ in ids[start : start + _IDS_AT_ONCE]]
            self._ask(
                partial(self._client.set_payload, self._collection, dict(payload), points=points, wait=True)
            )

    def nearest(self, queries: FloatArray, k: int, where: PointFilter) -> list[Hits]:
        """The k nearest text vectors of each query, in one request."""
        from qdrant_client import models

        condition = translate(where, self._dialect)
        exact = self.count(PointFilter()) <= EXACT_UP_TO
        rescored = models.QuantizationSearchParams(rescore=True, oversampling=2.0)
        params = models.SearchParams(
            exact=exact,
            hnsw_ef=None if exact else max(512, 4 * k),
            quantization=None if exact else rescored,
        )

        def search(indices: Sequence[int], limit: int) -> list[RawHits]:
            requests = [
                models.QueryRequest(
                    query=queries[index].tolist(),
                    using="text",
                    filter=condition,
                    params=params,
                    limit=min(limit, MAX_QUERY_LIMIT),
                    with_payload=False,
                    with_vector=False,
                )
                for index in indices
            ]
            answers = self._ask(lambda: self._client.query_batch_points(self._collection, requests))
            return [[(UUID(str(hit.id)), float(hit.score)) for hit in answer.points] for answer in answers]

        return nearest_with_fixed_ties(search, len(queries), k, resolve=exact, tolerance=_TOLERANCE)

    def fetch(self, ids: Sequence[UUID], *, texts: bool = False, visuals: bool = False) -> Fetched:
        """Points by id."""
        names = [name for name, wanted in (("text", texts), ("visual", visuals)) if wanted]
        found: list[UUID] = []
        payloads: list[Payload] = []
        rows: dict[str, list[FloatArray]] = {"text": [], "visual": []}
        for start in range(0, len(ids), _READ_BATCH):
            batch = list(ids[start : start + _READ_BATCH])
            points: list[Any] = [str(id_) for id_ in batch]
            records = self._ask(
                partial(
                    self._client.retrieve,
                    self._collection,
                    points,
                    with_payload=True,
                    with_vectors=names or False,
                )
            )
            by_id = {UUID(str(record.id)): record for record in records}
            for id_ in batch:
                if (record := by_id.get(id_)) is None:
                    continue
                found.append(id_)
                payloads.append(record.payload or {})
                vectors = cast("dict[str, list[float]]", record.vector or {})
                for name in names:
                    rows[name].append(np.asarray(vectors[name], dtype=np.float32))
        return Fetched(
            tuple(found),
            tuple(payloads),
            _stack(rows["text"], self._sizes.text),
            _stack(rows["visual"], self._sizes.visual),
        )

    def scroll(self, where: PointFilter, *, payloads: bool = True) -> Iterator[tuple[UUID, Payload]]:
        """All points that match, in the order of their ids."""
        condition = translate(where, self._dialect)
        offset: Any = None
        while True:
            records, offset = self._ask(
                partial(
                    self._client.scroll,
                    self._collection,
                    scroll_filter=condition,
                    limit=_SCROLL_BATCH,
                    offset=offset,
                    with_payload=payloads,
                    with_vectors=False,
                )
            )
            for record in records:
                yield UUID(str(record.id)), record.payload or {}
            if offset is None:
                return

    def count(self, where: PointFilter) -> int:
        """How many points match, exactly."""
        condition = translate(where, self._dialect)
        return int(
            self._ask(lambda: self._client.count(self._collection, count_filter=condition, exact=True)).count
        )

    def optimize(self) -> None:
        """Nothing to do: a server optimizes by itself."""

    def flush(self) -> None:
        """Nothing to do: every write waits for the server's log."""

    def size_bytes(self) -> int:
        """0: a server does not tell."""
        return 0

    def close(self) -> None:
        """Close the client."""
        self._client.close()

    def _ask(self, call: Callable[[], T]) -> T:
        return guard(self._collection, call)


def _stack(rows: list[FloatArray], width: int) -> FloatArray:
    return np.stack(rows) if rows else np.zeros((0, width), dtype=np.float32)
