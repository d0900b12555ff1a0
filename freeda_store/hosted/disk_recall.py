"""What a bank gave before and need not give again: prototypes by id and answers to queries of a hosted one,
and of each what follows from its prototypes.

A committed revision shows the same for ever, so an answer is remembered by the revisions that its view is
made of. A prototype is remembered by its id and by the revision that wrote it. A revision is known by its id
and the times it was opened and committed, so that a bank restored to other content under the same name is
asked anew.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import Any, cast
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from freeda_store.history import History, RevisionRecord
from freeda_store.hosted.disk_cache import DiskCache, cache_folder
from freeda_store.manifest import Manifest
from freeda_store.profiles.settings import Profile, load_settings
from freeda_store.recall import Fetch, NoRecall, Recall, Search
from freeda_store.records import FloatArray
from freeda_store.vectors.filters import PointFilter
from freeda_store.vectors.protocol import Fetched, Hits, Payload

_HEAD = struct.Struct("<16sBI")
"""Of a remembered prototype: the revision that wrote it, bytes of a number, bytes of the payload."""


class DiskRecall(Recall):
    """Of a hosted bank, in a cache on disk.

    Args:
        cache: may be shared with other banks.
        bank: says which bank it is, and which models made it.
    """

    def __init__(self, cache: DiskCache, bank: str) -> None:
        self._cache = cache
        self._bank = blake2b(bank.encode(), digest_size=16).digest()

    @override
    def hits(
        self, queries: FloatArray, k: int, where: PointFilter, history: History, search: Search
    ) -> list[Hits]:
        """The answers to queries, remembered under a view of committed revisions."""
        view = _view_stamp(where, history)
        if view is None:
            return search(queries)
        rows = np.ascontiguousarray(queries, dtype="<f4")
        shape = f"{k} {where.where!r}".encode()
        keys = [self._key(b"answer", view, shape, row.tobytes()) for row in rows]
        known = {key: _read_hits(data) for key, data in self._cache.get(keys).items()}
        new = [index for index, key in enumerate(keys) if key not in known]
        if new:
            fresh = dict(zip((keys[index] for index in new), search(queries[new]), strict=True))
            self._cache.put({key: _write_hits(hits) for key, hits in fresh.items()})
            known |= fresh
        return [known[key] for key in keys]

    @override
    def prototypes(self, ids: Sequence[UUID], history: History, fetch: Fetch) -> Fetched:
        """Payloads (without ``retired_in``, which changes) and visual vectors by id."""
        stamps = {record.id: _stamp(record) for record in history.committed_records()}
        keys = {id_: self._key(b"prototype", id_.bytes) for id_ in ids}
        kept = self._cache.get(list(keys.values()))
        known: dict[UUID, tuple[Payload, FloatArray]] = {}
        for id_, key in keys.items():
            if (data := kept.get(key)) and (found := _read_prototype(data, stamps)):
                known[id_] = found
        new = [id_ for id_ in ids if id_ not in known]
        fetched = fetch(new)
        if not known:
            self._remember(fetched, keys, stamps)
            return fetched
        if new:
            self._remember(fetched, keys, stamps)
            known |= {
                id_: (payload, visual)
                for id_, payload, visual in zip(fetched.ids, fetched.payloads, fetched.visuals, strict=True)
            }
        found_ids = tuple(id_ for id_ in ids if id_ in known)
        return Fetched(
            found_ids,
            tuple(known[id_][0] for id_ in found_ids),
            fetched.texts,
            np.stack([known[id_][1] for id_ in found_ids]),
        )

    @override
    def derived(self, name: bytes, where: PointFilter, history: History, make: Callable[[], bytes]) -> bytes:
        """What follows from a view of committed revisions."""
        view = _view_stamp(where, history)
        if view is None:
            return make()
        key = self._key(b"derived", view, repr(where.where).encode(), name)
        known = self._cache.get([key]).get(key)
        if known is None:
            known = make()
            self._cache.put({key: known})
        return known

    @override
    def close(self) -> None:
        self._cache.close()

    def _remember(self, fetched: Fetched, keys: dict[UUID, bytes], stamps: dict[int, bytes]) -> None:
        visuals, entries = fetched.visuals, {}
        with np.errstate(over="ignore"):  # too large for float16: then it is kept as float32
            halves = visuals.astype("<f2")
        exact = cast("NDArray[np.bool_]", np.equal(halves, visuals).all(axis=1))
        whole = cast("NDArray[np.bool_]", np.isfinite(visuals).all(axis=1) & visuals.any(axis=1))
        for row, (id_, payload) in enumerate(zip(fetched.ids, fetched.payloads, strict=True)):
            stamp = stamps.get(_added_in(payload))
            if stamp is not None and whole[row]:
                vector = halves[row] if exact[row] else visuals[row].astype("<f4")
                entries[keys[id_]] = _write_prototype(payload, vector, stamp)
        if entries:
            self._cache.put(entries)

    def _key(self, *parts: bytes) -> bytes:
        hashed = blake2b(self._bank, digest_size=16)
        for part in parts:
            hashed.update(struct.pack("<I", len(part)) + part)
        return hashed.digest()


def open_recall(profile: Profile, manifest: Manifest, bank: str) -> Recall:
    """What is remembered of a profile's bank.

    Args:
        profile: where the bank is.
        manifest: what made it.
        bank: its identity; empty for a bank that was given none, which its place stands for.
    """
    place = f"{profile.qdrant_url} {profile.collection}"
    return open_disk_recall(f"{bank or place} {manifest.model_dump_json()}")


def open_disk_recall(bank: str) -> Recall:
    """What is remembered of a bank by its identity; nothing where the settings give it no room."""
    settings = load_settings()
    if settings.cache_mb == 0:
        return NoRecall()
    return DiskRecall(DiskCache(cache_folder(settings.cache_dir), settings.cache_mb * 10**6), bank)


def _stamp(record: RevisionRecord) -> bytes:
    """Which revision it is, whatever bears its id in another history of the bank."""
    counts = f"{record.prototypes_added} {record.prototypes_retired}"
    told = f"{record.id} {record.number} {record.created_at} {record.committed_at} {counts}"
    return blake2b(told.encode(), digest_size=16).digest()


def _view_stamp(where: PointFilter, history: History) -> bytes | None:
    """Which committed revisions a view is made of; None when it is no view, or not of those alone."""
    if where.view is None or where.added_in is not None or where.retired_in is not None:
        return None
    hashed, covered = blake2b(digest_size=16), 0
    for record in sorted(history.committed_records(), key=lambda record: record.id):
        if any(first <= record.id <= last for first, last in where.view.ranges):
            hashed.update(_stamp(record))
            covered += 1
    return hashed.digest() if covered == sum(last - first + 1 for first, last in where.view.ranges) else None


def _write_hits(hits: Hits) -> bytes:
    return b"".join(id_.bytes for id_ in hits.ids) + hits.similarities.astype("<f4").tobytes()


def _read_hits(data: bytes) -> Hits:
    count = len(data) // 20
    ids = tuple(UUID(bytes=data[start : start + 16]) for start in range(0, 16 * count, 16))
    return Hits(ids, np.frombuffer(data, dtype="<f4", offset=16 * count).astype(np.float32))


def _write_prototype(payload: Payload, vector: NDArray[Any], stamp: bytes) -> bytes:
    import orjson

    told = orjson.dumps({name: value for name, value in payload.items() if name != "retired_in"})
    return _HEAD.pack(stamp, vector.itemsize, len(told)) + told + vector.tobytes()


def _read_prototype(data: bytes, stamps: dict[int, bytes]) -> tuple[Payload, FloatArray] | None:
    """A remembered prototype; None when another revision wrote it than the one that bears its id now."""
    import orjson

    stamp, width, length = _HEAD.unpack_from(data)
    payload: dict[str, Any] = orjson.loads(data[_HEAD.size : _HEAD.size + length])
    if stamps.get(_added_in(payload)) != stamp:
        return None
    visual = np.frombuffer(data, dtype=f"<f{width}", offset=_HEAD.size + length)
    return payload, visual.astype(np.float32)


def _added_in(payload: Payload) -> int:
    added = payload.get("added_in")
    return added if isinstance(added, int) else -1
