"""What the stand-in for a Qdrant server holds, and how it answers each request."""

from __future__ import annotations

import copy
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from qdrant_client import QdrantClient, models

_DEFAULTS: dict[str, Any] = {
    "hnsw_config": {
        "m": 16,
        "ef_construct": 100,
        "full_scan_threshold": 10000,
        "max_indexing_threads": 0,
        "on_disk": False,
    },
    "optimizer_config": {
        "deleted_threshold": 0.2,
        "vacuum_min_vector_number": 1000,
        "default_segment_number": 0,
        "flush_interval_sec": 5,
    },
    "wal_config": {"wal_capacity_mb": 32, "wal_segments_ahead": 0},
}


class RefusedError(Exception):
    """An answer other than 200."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Request:
    """One request as it came in."""

    method: str
    path: str
    size: int
    body: Any
    query: Mapping[str, str]


@dataclass
class Collection:
    """What the local mode does not keep of a collection."""

    params: dict[str, Any]
    strict: dict[str, Any] | None
    metadata: dict[str, Any]
    indexes: dict[str, Any] = field(default_factory=dict)


def keep_unit_vectors(client: QdrantClient) -> None:
    """Make a client in memory keep vectors of length 1 bit for bit, as a server and Edge do."""
    upsert = client.upsert

    def keeping(collection: str, points: list[Any], **options: Any) -> Any:
        done = upsert(collection, points, **options)
        inner = client._client._get_collection(collection)  # type: ignore[attr-defined]
        for point in points:
            if "text" not in point.vector:
                continue
            text = np.asarray(point.vector["text"], dtype=np.float32)
            if abs(float(text.astype(np.float64) @ text) - 1) <= 1e-6:
                inner.vectors["text"][inner.ids[point.id]] = text
        return done

    client.upsert = keeping  # type: ignore[method-assign, assignment]


class Content:
    """What a server holds.

    Attributes:
        collections: what the local mode does not keep, by name.
        local: the local mode, which keeps the points.
        lock: held by one request at a time.
    """

    def __init__(self) -> None:
        self.collections: dict[str, Collection] = {}
        self.lock = threading.RLock()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.local = QdrantClient(":memory:")
        keep_unit_vectors(self.local)

    @property
    def aliases(self) -> dict[str, str]:
        """Collections by alias."""
        aliases: dict[str, str] = self.local._client.aliases  # type: ignore[attr-defined]
        return aliases

    def real(self, name: str) -> str:
        """The collection behind a name."""
        real = self.aliases.get(name, name)
        if real not in self.collections:
            raise RefusedError(404, f"Not found: Collection `{name}` doesn't exist!")
        return real

    def snapshot(self, name: str) -> Any:
        """A copy of a collection, to be given to :meth:`restore`."""
        with self.lock:
            real = self.real(name)
            held: Any = self.local._client.collections[real]  # type: ignore[attr-defined]
            return copy.deepcopy((held, self.collections[real]))

    def restore(self, name: str, snapshot: Any) -> None:
        """Make a collection, old or new, what a snapshot holds."""
        with self.lock:
            held, collection = copy.deepcopy(snapshot)
            real = self.aliases.get(name, name)
            self.local._client.collections[real] = held  # type: ignore[attr-defined]
            self.collections[real] = collection

    def check_filter(self, name: str, condition: Any, *, update: bool = False) -> None:
        """Refuse a filter on a field without an index, where strict mode does."""
        collection = self.collections[self.real(name)]
        strict = collection.strict or {}
        setting = "unindexed_filtering_update" if update else "unindexed_filtering_retrieve"
        if not strict.get("enabled") or strict.get(setting) is not False:
            return
        for key in _keys(condition):
            if key not in collection.indexes:
                raise RefusedError(
                    400,
                    f'Bad request: Index required but not found for "{key}" of one of the following types: '
                    "[keyword]. Help: Create an index for this key or use a different filter.",
                )

    def check_limit(self, name: str, limit: int) -> None:
        """Refuse what strict mode's limit does not allow."""
        strict = self.collections[self.real(name)].strict or {}
        allowed = strict.get("max_query_limit") if strict.get("enabled") else None
        if allowed is not None and limit > allowed:
            raise RefusedError(400, f"Forbidden: Limit exceeded {limit} > {allowed} for max_query_limit")


def _keys(condition: Any) -> Iterator[str]:
    """The fields that a filter's JSON names."""
    if isinstance(condition, list):
        for part in condition:
            yield from _keys(part)
    elif isinstance(condition, dict):
        if isinstance(condition.get("key"), str):
            yield condition["key"]
        yield from _keys(condition.get("is_empty"))
        for name in ("must", "must_not", "should", "min_should", "conditions"):
            yield from _keys(condition.get(name))


def _plain(value: Any) -> Any:
    return value.model_dump(mode="json", exclude_none=True)


def _filter(stub: Content, name: str, told: Any, *, update: bool = False) -> models.Filter | None:
    stub.check_filter(name, told, update=update)
    return models.Filter.model_validate(told) if told else None


def _merge(old: Any, new: Any) -> Any:
    if isinstance(old, dict) and isinstance(new, dict):
        return {key: _merge(old.get(key), new.get(key)) if key in new else old[key] for key in {**old, **new}}
    return new


# collections


def _list(stub: Content, _: Request) -> Any:
    return {"collections": [{"name": name} for name in stub.collections]}


def _create(stub: Content, request: Request, name: str) -> Any:
    if name in stub.collections or name in stub.aliases:
        raise RefusedError(409, f"Wrong input: Collection `{name}` already exists!")
    body = models.CreateCollection.model_validate(request.body)
    stub.local.create_collection(name, vectors_config=body.vectors)
    params = {
        "vectors": request.body.get("vectors") or {},
        "shard_number": 1,
        "replication_factor": 1,
        "write_consistency_factor": 1,
        "on_disk_payload": request.body.get("on_disk_payload") is not False,
    }
    strict, metadata = request.body.get("strict_mode_config"), request.body.get("metadata") or {}
    stub.collections[name] = Collection(params, strict, metadata)
    return True


def _update(stub: Content, request: Request, name: str) -> Any:
    collection = stub.collections[stub.real(name)]
    collection.metadata |= request.body.get("metadata") or {}
    if request.body.get("strict_mode_config"):
        collection.strict = _merge(collection.strict or {}, request.body["strict_mode_config"])
    changes = (request.body.get("params") or {}) | {"vectors": request.body.get("vectors") or {}}
    for vector in changes["vectors"]:
        if vector not in collection.params["vectors"]:
            raise RefusedError(400, f"Wrong input: Not existing vector name error: {vector}")
    collection.params = _merge(collection.params, changes)
    return True


def _drop(stub: Content, _: Request, name: str) -> Any:
    stub.local.delete_collection(name)
    return stub.collections.pop(name, None) is not None


def _info(stub: Content, _: Request, name: str) -> Any:
    collection = stub.collections[stub.real(name)]
    count = stub.local.count(stub.real(name), exact=True).count
    config = {"params": collection.params, **_DEFAULTS, "quantization_config": None}
    config |= {"strict_mode_config": collection.strict}
    if collection.metadata:
        config["metadata"] = collection.metadata
    schema = {
        key: {"data_type": told if isinstance(told, str) else told["type"], "points": count}
        | ({} if isinstance(told, str) else {"params": told})
        for key, told in collection.indexes.items()
    }
    return {
        "status": "green",
        "optimizer_status": "ok",
        "indexed_vectors_count": 0,
        "points_count": count,
        "segments_count": 1,
        "config": config,
        "payload_schema": schema,
    }


def _exists(stub: Content, _: Request, name: str) -> Any:
    return {"exists": stub.aliases.get(name, name) in stub.collections}


def _all_aliases(stub: Content, _: Request) -> Any:
    return _plain(stub.local.get_aliases())


def _its_aliases(stub: Content, _: Request, name: str) -> Any:
    return _plain(stub.local.get_collection_aliases(stub.real(name)))


def _change_aliases(stub: Content, request: Request) -> Any:
    told = models.ChangeAliasesOperation.model_validate(request.body)
    return stub.local.update_collection_aliases(told.actions)


def _index(stub: Content, request: Request, name: str) -> Any:
    stub.collections[stub.real(name)].indexes[request.body["field_name"]] = request.body["field_schema"]
    return _DONE


def _drop_index(stub: Content, _: Request, name: str, key: str) -> Any:
    stub.collections[stub.real(name)].indexes.pop(key, None)
    return _DONE


# points


def _upsert(stub: Content, request: Request, name: str) -> Any:
    points = [models.PointStruct.model_validate(point) for point in request.body["points"]]
    allowed = (stub.collections[stub.real(name)].strict or {}).get("upsert_max_batchsize")
    if allowed is not None and len(points) > allowed:
        raise RefusedError(400, f"Forbidden: Upsert limit exceeded: {len(points)} > {allowed}")
    vectors = stub.collections[stub.real(name)].params["vectors"]
    for point in points:
        named: dict[str, Any] = point.vector if isinstance(point.vector, dict) else {}
        for vector, values in named.items():
            if vectors.get(vector, {}).get("datatype") == "float16":
                named[vector] = np.asarray(values, dtype=np.float16).astype(float).tolist()
    stub.local.upsert(name, points)
    return _DONE


def _retrieve(stub: Content, request: Request, name: str) -> Any:
    body = models.PointRequest.model_validate(request.body)
    payload = True if body.with_payload is None else body.with_payload
    vectors = body.with_vector or False
    records = stub.local.retrieve(name, body.ids, with_payload=payload, with_vectors=vectors)
    return [_plain(record) for record in records]


def _scroll(stub: Content, request: Request, name: str) -> Any:
    body = models.ScrollRequest.model_validate(request.body)
    stub.check_limit(name, body.limit or 10)
    records, offset = stub.local.scroll(
        name,
        scroll_filter=_filter(stub, name, request.body.get("filter")),
        limit=body.limit or 10,
        offset=body.offset,
        with_payload=True if body.with_payload is None else body.with_payload,
        with_vectors=body.with_vector or False,
    )
    return {"points": [_plain(record) for record in records], "next_page_offset": offset}


def _count(stub: Content, request: Request, name: str) -> Any:
    chosen = _filter(stub, name, request.body.get("filter"))
    return {"count": stub.local.count(name, count_filter=chosen, exact=True).count}


def _facet(stub: Content, request: Request, name: str) -> Any:
    key, collection = request.body["key"], stub.collections[stub.real(name)]
    if key not in collection.indexes:
        raise RefusedError(400, f"Bad request: Index required for facet on key `{key}`")
    stub.check_limit(name, request.body.get("limit") or 10)
    chosen = _filter(stub, name, request.body.get("filter"))
    return _plain(stub.local.facet(name, key, chosen, limit=request.body.get("limit") or 10))


def _query(stub: Content, request: Request, name: str) -> Any:
    searches = request.body["searches"]
    for search in searches:
        stub.check_filter(name, search.get("filter"))
        stub.check_limit(name, search.get("limit") or 10)
    asked = [models.QueryRequest.model_validate(search) for search in searches]
    return [_plain(found) for found in stub.local.query_batch_points(name, asked)]


def _selected(stub: Content, request: Request, name: str) -> Any:
    if request.body.get("points") is not None:
        return models.PointIdsList(points=request.body["points"])
    return models.FilterSelector(filter=_filter(stub, name, request.body["filter"], update=True) or {})


def _delete(stub: Content, request: Request, name: str) -> Any:
    stub.local.delete(name, _selected(stub, request, name))
    return _DONE


def _set_payload(stub: Content, request: Request, name: str) -> Any:
    held = {str(record.id) for record in stub.local.retrieve(name, request.body.get("points") or [])}
    chosen = [id_ for id_ in request.body.get("points") or [] if str(id_) in held]
    stub.local.set_payload(name, request.body["payload"], points=chosen)
    return _DONE


def _drop_payload(stub: Content, request: Request, name: str) -> Any:
    stub.local.delete_payload(name, request.body["keys"], points=request.body["points"])
    return _DONE


def _update_vectors(stub: Content, request: Request, name: str) -> Any:
    stub.local.update_vectors(name, [models.PointVectors.model_validate(p) for p in request.body["points"]])
    return _DONE


def _create_vector(stub: Content, request: Request, name: str, vector: str) -> Any:
    """A new named vector: size, distance and datatype are told, the rest is inferred."""
    told = models.DenseVectorNameConfig.model_validate(request.body)
    stub.local.create_vector_name(name, vector, told)
    dense = _plain(told.dense)
    vectors = stub.collections[stub.real(name)].params["vectors"]
    vectors.setdefault(vector, {key: value for key, value in dense.items() if value is not None})
    return _DONE


_DONE = {"operation_id": 1, "status": "completed"}
_NAME = r"/collections/([^/]+)"
ROUTES: list[tuple[str, str, str, Callable[..., Any]]] = [
    ("GET", r"/collections", "read", _list),
    ("GET", r"/aliases", "read", _all_aliases),
    ("POST", r"/collections/aliases", "manage", _change_aliases),
    ("PUT", _NAME, "manage", _create),
    ("PATCH", _NAME, "manage", _update),
    ("DELETE", _NAME, "manage", _drop),
    ("GET", _NAME, "read", _info),
    ("PUT", f"{_NAME}/vectors/([^/]+)", "manage", _create_vector),
    ("GET", f"{_NAME}/exists", "read", _exists),
    ("GET", f"{_NAME}/aliases", "read", _its_aliases),
    ("PUT", f"{_NAME}/index", "write", _index),
    ("DELETE", f"{_NAME}/index/([^/]+)", "write", _drop_index),
    ("PUT", f"{_NAME}/points", "write", _upsert),
    ("POST", f"{_NAME}/points", "read", _retrieve),
    ("POST", f"{_NAME}/points/scroll", "read", _scroll),
    ("POST", f"{_NAME}/points/count", "read", _count),
    ("POST", f"{_NAME}/facet", "read", _facet),
    ("POST", f"{_NAME}/points/query/batch", "read", _query),
    ("POST", f"{_NAME}/points/delete", "write", _delete),
    ("POST", f"{_NAME}/points/payload", "write", _set_payload),
    ("POST", f"{_NAME}/points/payload/delete", "write", _drop_payload),
    ("PUT", f"{_NAME}/points/vectors", "write", _update_vectors),
]
