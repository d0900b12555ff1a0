"""Points on their way to a server and back: JSON made and read whole, in requests of bounded size.

Vectors are written with the fewest digits that give back the same float32. They are read from the text into
arrays: making an object of each number takes most of what a client spends otherwise
(``python -m benchmarks.hosted_wire``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from urllib.parse import quote
from uuid import UUID

import numpy as np
from typing_extensions import override

from freeda_store.errors import StorageError
from freeda_store.records import FloatArray
from freeda_store.vectors.collection import DIRECTION, SEMANTIC
from freeda_store.vectors.protocol import Payload, Point, named_vectors
from freeda_store.vectors.ties import RawHits

if TYPE_CHECKING:
    from qdrant_client import QdrantClient

REQUEST_BYTES = 900_000
"""Below what gateways allow when nobody has told them otherwise (nginx: 1 MB)."""
OPTIONAL = frozenset({"text", SEMANTIC})
"""Vectors that a point may lack."""
POINTS_AT_ONCE = 1000
"""What strict mode allows in one upsert."""
_UPSERT, _SEARCHES = '{"points":[]}', '{"searches":[]}'
T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Search:
    """One nearest-neighbour query.

    Attributes:
        vector: float32 (D,).
        using: name of the vector that it is compared with.
        condition: a filter of the client's models, or None.
        params: search parameters of the client's models.
        limit: how many hits.
    """

    vector: FloatArray
    using: str
    condition: Any
    params: Any
    limit: int


@dataclass(frozen=True, eq=False)
class Record:
    """A point as it was fetched: its vectors by name, float32."""

    id: UUID
    payload: Payload
    vectors: Mapping[str, FloatArray]


class Wire(Protocol):
    """How points travel. All methods raise what the client raises; see ``sending.guard``."""

    def upsert(self, points: Sequence[Point], *, directions: bool) -> None:
        """Write points, where a collection has a place for them with the directions of visual vectors."""

    def search(self, searches: Sequence[Search]) -> list[RawHits]:
        """The answers of queries, in one request or a few."""

    def retrieve(self, ids: Sequence[UUID], names: Sequence[str]) -> list[Record]:
        """Points by id, in any order, with the vectors of these names.

        Those that lack one are left out, unless it is one of :data:`OPTIONAL`.
        """


class HttpWire(Wire):
    """To a server, over the client's connection.

    Args:
        client: of a server.
        collection: its name or alias.
        request_bytes: the largest request, unless one point alone is larger.
    """

    def __init__(self, client: QdrantClient, collection: str, request_bytes: int = REQUEST_BYTES) -> None:
        self._api = client.http.client
        self._collection = collection
        self._limit = request_bytes

    @override
    def upsert(self, points: Sequence[Point], *, directions: bool) -> None:
        """Write points, as many in a request as fit.

        Raises:
            StorageError: one point alone is too large for the server or a gateway; it is named.
        """
        by_part = zip(points, (_point(point, directions=directions) for point in points), strict=True)
        for batch in batches(by_part, self._limit - len(_UPSERT), lambda pair: len(pair[1]), POINTS_AT_ONCE):
            body = b'{"points":[' + b",".join(part for _, part in batch) + b"]}"
            try:
                self._send("PUT", "/points", body, "?wait=true")
            except Exception as error:
                if len(batch) == 1 and len(body) > self._limit:
                    raise _giant(batch[0][0], len(body), error) from error
                raise

    @override
    def search(self, searches: Sequence[Search]) -> list[RawHits]:
        """The answers of queries, as many in a request as fit."""
        import orjson

        found: list[RawHits] = []
        known: dict[str, UUID] = {}
        for batch in batches(map(_query, searches), self._limit - len(_SEARCHES), len, len(searches)):
            body = b'{"searches":[' + b",".join(batch) + b"]}"
            for answer in orjson.loads(self._send("POST", "/points/query/batch", body))["result"]:
                hits = [(hit["id"], hit["score"]) for hit in answer["points"]]
                known |= {id_: UUID(id_) for id_, _ in hits if id_ not in known}
                found.append([(known[id_], score) for id_, score in hits])
        return found

    @override
    def retrieve(self, ids: Sequence[UUID], names: Sequence[str]) -> list[Record]:
        """Points by id, in one request."""
        import simdjson

        wanted = {"ids": list(map(str, ids)), "with_payload": True, "with_vector": list(names) or False}
        answer: Any = simdjson.Parser().parse(self._send("POST", "/points", _dumps(wanted)))
        found: list[Record] = []
        for each in answer["result"]:
            payload, vectors = each.get("payload"), each.get("vector")
            rows = _rows(vectors, names, _parsed)
            if rows is not None:
                told = {} if payload is None else payload.as_dict()
                found.append(Record(UUID(each["id"]), told, rows))
        return found

    def _send(self, method: str, path: str, body: bytes, query: str = "") -> bytes:
        """A request whose answer is not read into models; the way there is the client's own."""
        from qdrant_client.http.exceptions import UnexpectedResponse

        api = self._api
        url = f"{api.host.rstrip('/')}/collections/{quote(self._collection, safe='')}{path}{query}"
        json = {"content-type": "application/json"}
        request = api._client.build_request(method, url, content=body, headers=json)
        response = api.middleware(request, api.send_inner)
        if response.status_code != 200:
            raise UnexpectedResponse.for_response(response)
        return response.content


class LocalWire(Wire):
    """To the client's local mode, which has no connection."""

    def __init__(self, client: QdrantClient, collection: str) -> None:
        self._client = client
        self._collection = collection

    @override
    def upsert(self, points: Sequence[Point], *, directions: bool) -> None:
        from qdrant_client import models

        made = [
            models.PointStruct(
                id=str(point.id),
                vector={name: vector.tolist() for name, vector in _vectors(point, directions).items()},
                payload=dict(point.payload),
            )
            for point in points
        ]
        if made:
            self._client.upsert(self._collection, made, wait=True)

    @override
    def search(self, searches: Sequence[Search]) -> list[RawHits]:
        from qdrant_client import models

        requests = [
            models.QueryRequest(
                query=each.vector.tolist(),
                using=each.using,
                filter=each.condition,
                params=each.params,
                limit=each.limit,
            )
            for each in searches
        ]
        answers = self._client.query_batch_points(self._collection, requests)
        return [[(UUID(str(hit.id)), float(hit.score)) for hit in answer.points] for answer in answers]

    @override
    def retrieve(self, ids: Sequence[UUID], names: Sequence[str]) -> list[Record]:
        wanted: list[Any] = list(map(str, ids))
        with_vectors = list(names) or False
        records = self._client.retrieve(
            self._collection, wanted, with_payload=True, with_vectors=with_vectors
        )
        return [
            Record(UUID(str(each.id)), each.payload or {}, rows)
            for each in records
            if (rows := _rows(each.vector, names, _listed)) is not None
        ]


def batches(items: Iterable[T], limit: int, size: Callable[[T], int], most: int) -> Iterator[list[T]]:
    """Lists of at most ``most`` items whose sizes, with a comma each, add up to at most ``limit``.

    An item that is larger by itself comes alone.
    """
    batch: list[T] = []
    total = 0
    for item in items:
        length = size(item) + 1
        if batch and (total + length > limit or len(batch) == most):
            yield batch
            batch, total = [], 0
        batch.append(item)
        total += length
    if batch:
        yield batch


def _vectors(point: Point, directions: bool) -> dict[str, FloatArray]:
    """The vectors of a point by name; a server makes a direction of a vector by itself."""
    return named_vectors(point) | ({DIRECTION: point.visual} if directions else {})


def _point(point: Point, *, directions: bool) -> bytes:
    vectors = {name: _plain(vector) for name, vector in _vectors(point, directions).items()}
    return _dumps({"id": str(point.id), "vector": vectors, "payload": dict(point.payload)})


def _query(search: Search) -> bytes:
    told = {
        "query": _plain(search.vector),
        "using": search.using,
        "filter": _model(search.condition),
        "params": _model(search.params),
        "limit": search.limit,
        "with_payload": False,
        "with_vector": False,
    }
    return _dumps({name: value for name, value in told.items() if value is not None})


def _model(value: Any) -> Any:
    return None if value is None else value.model_dump(mode="json", exclude_unset=True, exclude_none=True)


def _plain(vector: FloatArray) -> FloatArray:
    return np.ascontiguousarray(vector, dtype=np.float32)


def _rows(
    vectors: Any, names: Sequence[str], read: Callable[[Any], FloatArray]
) -> dict[str, FloatArray] | None:
    """The vectors of a point; None when one of them is missing that every point has."""
    found = {name: vectors.get(name) for name in names} if vectors is not None else {}
    if any(found.get(name) is None for name in names if name not in OPTIONAL):
        return None
    return {name: read(vector) for name, vector in found.items() if vector is not None}


def _parsed(vector: Any) -> FloatArray:
    """A vector that simdjson has read: no number becomes an object of Python."""
    return np.frombuffer(vector.as_buffer(of_type="d"), dtype=np.float64).astype(np.float32)


def _listed(vector: Any) -> FloatArray:
    return np.asarray(vector, dtype=np.float32)


def _dumps(value: Any) -> bytes:
    import orjson

    return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)


def _giant(point: Point, size: int, error: Exception) -> Exception:
    """The failure of a request that holds one large point, which may be why."""
    said = str(error)
    if getattr(error, "status_code", None) != 413 and "413" not in said and "is larger than" not in said:
        return error
    caption = str(point.payload.get("caption", ""))
    return StorageError(
        f"prototype {point.id} (of the caption '{caption[:60]}...') makes a request of {size:,} bytes by "
        "itself, and the server or a gateway before it refuses that as too large; shorten the caption, or "
        "raise the gateway's limit (nginx: client_max_body_size)."
    )
