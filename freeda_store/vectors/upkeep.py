"""Whether a collection is set up as a bank needs it: indexes, strict mode, vectors. What is not is set again.

Only what answers, memory or safety hang on is compared. Sizes, limits and placements that a server's
administrator chose otherwise are left alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from freeda_store.vectors.collection import (
    MAX_QUERY_LIMIT,
    collection_settings,
    configure_vectors,
    is_remote,
    payload_indexes,
    real_name,
)
from freeda_store.vectors.protocol import VectorSizes
from freeda_store.vectors.sending import guard

if TYPE_CHECKING:
    from qdrant_client import QdrantClient


@dataclass(frozen=True)
class _Fault:
    """Something that is set otherwise.

    Attributes:
        text: what, in a few words.
        field: of the payload, whose index is missing or wrong.
        strict: strict mode is concerned.
        vector: name of the vector that is concerned.
    """

    text: str
    field: str = ""
    strict: bool = False
    vector: str = ""

    @property
    def mendable(self) -> bool:
        return bool(self.field or self.strict or self.vector)


class CollectionUpkeep:
    """Of one collection. Both methods raise ``StorageError`` when the server refuses."""

    def __init__(self, client: QdrantClient, collection: str, sizes: VectorSizes) -> None:
        self._client = client
        self._collection = collection
        self._sizes = sizes

    def faults(self) -> tuple[str, ...]:
        """What is set otherwise than a bank needs it, one short line each."""
        return tuple(fault.text for fault in self._find())

    def mend(self) -> tuple[str, ...]:
        """Set it again; returns what cannot be changed in a collection that exists."""
        found = self._find()
        for fault in found:
            if fault.field:
                self._make_index(fault.field)
        vectors = {fault.vector for fault in found if fault.vector}
        strict = any(fault.strict for fault in found)
        if vectors or strict:
            self._update(vectors, strict)
        return self.faults() if any(fault.mendable for fault in found) else tuple(f.text for f in found)

    def _find(self) -> list[_Fault]:
        if not is_remote(self._client):
            return []
        info = guard(self._collection, lambda: self._client.get_collection(self._collection))
        return [
            *_index_faults(info.payload_schema),
            *_strict_faults(info.config.strict_mode_config),
            *_vector_faults(info.config.params.vectors, self._sizes),
        ]

    def _make_index(self, field: str) -> None:
        """Make an index anew; one of another type is dropped first."""
        drop = partial(self._client.delete_payload_index, self._collection, field, wait=True)
        make = partial(
            self._client.create_payload_index, self._collection, field, payload_indexes()[field], wait=True
        )
        guard(self._collection, drop)
        guard(self._collection, make)

    def _update(self, vectors: set[str], strict: bool) -> None:
        if vectors:
            configure_vectors(self._client, self._collection, sorted(vectors), self._sizes)
        if strict:
            real = real_name(self._client, self._collection)
            wanted = collection_settings(self._sizes)["strict_mode_config"]
            change = partial(self._client.update_collection, real, strict_mode_config=wanted)
            guard(self._collection, change)


def _index_faults(schema: Any) -> list[_Fault]:
    faults = []
    for field, wanted in payload_indexes().items():
        kind = _word(getattr(wanted, "type", wanted))
        held = schema.get(field)
        if held is None:
            faults.append(_Fault(f"the payload index of '{field}' is missing", field=field))
        elif _word(held.data_type) != kind:
            text = f"the payload index of '{field}' is of type {_word(held.data_type)}, not {kind}"
            faults.append(_Fault(text, field=field))
    return faults


def _strict_faults(strict: Any) -> list[_Fault]:
    if strict is None or not strict.enabled:
        return [_Fault("strict mode is off", strict=True)]
    faults = []
    if strict.unindexed_filtering_retrieve is not False or strict.unindexed_filtering_update is not False:
        faults.append(_Fault("strict mode allows filters without an index", strict=True))
    if strict.max_query_limit is not None and strict.max_query_limit < MAX_QUERY_LIMIT:
        limit = f"strict mode allows {strict.max_query_limit:,} results, a bank may need {MAX_QUERY_LIMIT:,}"
        faults.append(_Fault(limit, strict=True))
    return faults


def _vector_faults(vectors: Any, sizes: VectorSizes) -> list[_Fault]:
    faults = []
    for name, wanted in collection_settings(sizes)["vectors_config"].items():
        held = vectors.get(name)
        if held is None:  # of an earlier version: `bank complete` makes it
            continue
        if _word(held.distance) != _word(wanted.distance):
            faults.append(_Fault(f"vector '{name}' is compared by {_word(held.distance)}"))
        if wanted.datatype is not None and _word(held.datatype) != _word(wanted.datatype):
            faults.append(_Fault(f"vector '{name}' is not kept as {_word(wanted.datatype)}"))
        if not held.on_disk and getattr(held, "memory", None) is None:
            faults.append(_Fault(f"vector '{name}' is kept in memory, not on disk", vector=name))
        graph = getattr(wanted.hnsw_config, "m", 0)
        if graph and getattr(held.quantization_config, "scalar", None) is None:
            faults.append(_Fault(f"vector '{name}' is not quantised to one byte", vector=name))
        if not graph and (held.hnsw_config is None or held.hnsw_config.m != 0):
            faults.append(_Fault(f"vector '{name}' has a graph, which nothing searches", vector=name))
    return faults


def _word(value: Any) -> str:
    """An enumeration's word, in the server's spelling."""
    return str(getattr(value, "value", value))
