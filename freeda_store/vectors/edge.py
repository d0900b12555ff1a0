"""Qdrant Edge: the server's engine inside this process, in one folder. The default.

The engine is in beta, pinned, and seen by nobody but this file. Its write-ahead log stays on: what
``upsert`` wrote survives SIGKILL, and the log's lock keeps a second opener out.
"""

from __future__ import annotations

import logging
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Self
from uuid import UUID

import numpy as np
import qdrant_edge as engine
from pydantic import Field, ValidationError
from typing_extensions import override

from freeda_errors.documents import Excerpt
from freeda_store.errors import BankDamagedError, BankError, StorageError
from freeda_store.fields import REVISION_FIELDS, Holds, names
from freeda_store.files.room import free_bytes, held_below, room_to_merge
from freeda_store.limits import MAX_DIM
from freeda_store.records import Direction, FloatArray
from freeda_store.vectors.edge_faults import (
    opening_error,
    quiet_panics,
    refusal,
    require_memory,
    require_room,
)
from freeda_store.vectors.edge_trial import require_openable
from freeda_store.vectors.filters import PointFilter, QdrantDialect, translate
from freeda_store.vectors.protocol import (
    Fetched,
    Hits,
    Payload,
    Point,
    VectorSizes,
    VectorStore,
    named_vectors,
    texts_fit,
)
from freeda_store.vectors.scan import VisualScan
from freeda_store.vectors.ties import RawHits, nearest_with_fixed_ties

logger = logging.getLogger(__name__)

INDEX_FROM = 400_000
"""Points from which the text vectors get an HNSW graph and search becomes approximate.

Below, a scan is both exact and faster: at 100,000 points of 512 numbers, 150 filtered queries with
k = 350 take 0.6 s by a scan, and 2.0 s by HNSW for a recall of 0.95.
"""
SEMANTIC = "semantic"
_WRITE_BATCH = 512
_READ_BATCH = 1024
_ID_BATCH = 10_000
_SCROLL_BATCH = 2048
_INDEXED_FIELDS = dict.fromkeys(REVISION_FIELDS, engine.PayloadSchemaType.Integer) | dict.fromkeys(
    names(Holds.TEXT, hot=True), engine.PayloadSchemaType.Keyword
)
_DIALECT = QdrantDialect(
    engine.FieldCondition, engine.MatchAny, engine.RangeFloat, engine.Filter, engine.IsEmptyCondition
)


def _settings(sizes: VectorSizes) -> Any:
    """The shard's configuration; thresholds are kilobytes of the larger vector of a point."""
    widest = max(sizes.text * 4, sizes.visual * 2)
    threshold = max(1, INDEX_FROM * widest // 1024)
    text_scan = max(1, INDEX_FROM * sizes.text * 4 // 1024)
    fetched = {"visual": sizes.visual} | ({SEMANTIC: sizes.semantic} if sizes.semantic else {})
    return engine.EdgeConfig(
        vectors={
            "text": engine.EdgeVectorParams(
                size=sizes.text,
                distance=engine.Distance.Cosine,
                hnsw_config=engine.HnswIndexConfig(m=16, ef_construct=128, full_scan_threshold=text_scan),
            ),
        }
        | {
            name: engine.EdgeVectorParams(
                size=size,
                distance=engine.Distance.Dot,
                datatype=engine.VectorStorageDatatype.Float16,
                memory=engine.Memory.Cold,
                hnsw_config=engine.HnswIndexConfig(m=0, ef_construct=4, full_scan_threshold=text_scan),
            )
            for name, size in fetched.items()
        },
        optimizers=engine.EdgeOptimizersConfig(indexing_threshold=threshold, max_segment_size=64 * threshold),
        wal_enabled=True,
    )


class EdgeVectors(VectorStore):
    """A :class:`~freeda_store.vectors.protocol.VectorStore` in a folder of its own."""

    def __init__(self, shard: Any, folder: Path, sizes: VectorSizes) -> None:
        self._shard = shard
        self._folder = folder
        self._sizes = sizes

    @classmethod
    def create(cls, folder: Path, sizes: VectorSizes) -> EdgeVectors:
        """Make an empty store.

        Raises:
            BankInUseError: another process is making one in the same folder.
            StorageError: the folder holds vectors already, or cannot be written.
        """
        folder.mkdir(parents=True, exist_ok=True)
        require_room(folder)
        require_memory(folder)
        shard = _open(lambda: engine.EdgeShard.create(str(folder), _settings(sizes)), folder, StorageError)
        store = cls(shard, folder, sizes)
        try:
            for field, kind in _INDEXED_FIELDS.items():
                store._ask("update", engine.UpdateOperation.create_field_index(field, kind))
            store.flush()
        except BaseException:
            store.close()
            raise
        return store

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Open a store, locking it for this process.

        Raises:
            BankInUseError: it is open elsewhere.
            BankDamagedError: files are missing or truncated.
        """
        if not (folder / "edge_config.json").is_file():
            raise BankDamagedError(
                f"{folder} holds no vectors, for edge_config.json is missing; restore the bank from a copy, "
                "or run `freeda bank verify --repair` to keep what is whole."
            )
        require_memory(folder)
        sizes = read_sizes(folder)
        require_openable(folder)
        shard = _open(lambda: engine.EdgeShard.load(str(folder), _settings(sizes)), folder, BankDamagedError)
        return cls(shard, folder, sizes)

    @property
    @override
    def sizes(self) -> VectorSizes:
        return self._sizes

    @override
    def upsert(self, points: Sequence[Point]) -> None:
        self._make_place(next((each.semantic for each in points if each.semantic is not None), None))
        rest = iter(points)
        while batch := list(islice(rest, _WRITE_BATCH)):
            made = [
                engine.Point(
                    point.id,
                    {name: vector.tolist() for name, vector in named_vectors(point).items()},
                    dict(point.payload),
                )
                for point in batch
            ]
            self._update(engine.UpdateOperation.upsert_points(made))

    @override
    def set_semantics(self, ids: Sequence[UUID], semantics: FloatArray) -> None:
        self._make_place(semantics[0] if len(semantics) else None)
        for start in range(0, len(ids), _WRITE_BATCH):
            rows = zip(ids[start : start + _WRITE_BATCH], semantics[start:], strict=False)
            made = [engine.PointVectors(id_, {SEMANTIC: row.tolist()}) for id_, row in rows]
            self._update(engine.UpdateOperation.update_vectors(made))

    @override
    def complete_directions(self) -> int:
        """Nothing: visual vectors are compared as they are."""
        return 0

    def _make_place(self, semantic: FloatArray | None) -> None:
        """Make the place of semantic vectors, if this is the first of a store that has none."""
        if semantic is None or self._sizes.semantic:
            return
        half = engine.VectorStorageDatatype.Float16
        made = engine.UpdateOperation.create_dense_vector(
            SEMANTIC, len(semantic), engine.Distance.Dot, datatype=half
        )
        self._update(made)
        self._sizes = replace(self._sizes, semantic=len(semantic))

    @override
    def delete(self, ids: Sequence[UUID]) -> None:
        for start in range(0, len(ids), _ID_BATCH):
            self._update(engine.UpdateOperation.delete_points(list(ids[start : start + _ID_BATCH])))

    @override
    def set_payload(self, ids: Sequence[UUID], payload: Payload) -> None:
        for start in range(0, len(ids), _ID_BATCH):
            batch = ids[start : start + _ID_BATCH]
            self._update(engine.UpdateOperation.set_payload(list(batch), dict(payload)))

    @override
    def nearest(
        self, queries: FloatArray, k: int, where: PointFilter, direction: Direction = Direction.CLASSES
    ) -> list[Hits]:
        """The k points nearest to each query; of text vectors exact below INDEX_FROM points.

        Visual vectors are read and compared one by one: the files of a bank's revisions, which readers
        search, are faster (:mod:`freeda_store.revisions.vectors`).
        """
        if direction is Direction.REGIONS:
            return self._nearest_visuals(queries, k, where)
        condition = translate(where, _DIALECT)
        vectors = [query.tolist() for query in queries]
        exact = self.exact
        params = engine.SearchParams(exact=exact, hnsw_ef=None if exact else max(512, 4 * k))

        def search(indices: Sequence[int], limit: int) -> list[RawHits]:
            requests = [
                engine.QueryRequest(
                    limit=limit,
                    query=engine.Query.Nearest(vectors[index], using="text"),
                    filter=condition,
                    params=params,
                    with_payload=False,
                    with_vector=False,
                )
                for index in indices
            ]
            answers = self._read("query_batch", engine.QueryBatchRequest(requests))
            return [[(hit.id, hit.score) for hit in answer] for answer in answers]

        return nearest_with_fixed_ties(search, len(queries), k, resolve=exact)

    def _nearest_visuals(self, queries: FloatArray, k: int, where: PointFilter) -> list[Hits]:
        ids = [id_ for id_, _ in self.scroll(where, payloads=False)]
        halves = [
            self.fetch(ids[start : start + _READ_BATCH], visuals=True).visuals.astype(np.float16)
            for start in range(0, len(ids), _READ_BATCH)
        ]
        rows = np.concatenate([np.empty((0, self._sizes.visual), dtype=np.float16), *halves])
        scan = VisualScan.of(lambda places: rows[places].astype(np.float32), len(rows), self._sizes.visual)
        return [
            Hits(tuple(ids[place] for place in found.places), found.similarities)
            for found in scan.nearest(queries, k, np.arange(len(rows)))
        ]

    @override
    def fetch(
        self, ids: Sequence[UUID], *, texts: bool = False, visuals: bool = False, semantics: bool = False
    ) -> Fetched:
        names = self._sizes.names(texts=texts, visuals=visuals, semantics=semantics)
        found: list[UUID] = []
        payloads: list[Payload] = []
        text_rows = _Rows(self._sizes.text, len(ids) if texts else 0)
        visual_rows = _Rows(self._sizes.visual, len(ids) if visuals else 0)
        semantic_rows = _Rows(self._sizes.semantic if semantics else 0, len(ids) if semantics else 0)
        for start in range(0, len(ids), _READ_BATCH):
            batch = list(ids[start : start + _READ_BATCH])
            records = self._read("retrieve", batch, True, names or False)
            by_id = {record.id: record for record in records}
            for id_ in batch:
                if (record := by_id.get(id_)) is None:
                    continue
                found.append(id_)
                payloads.append(record.payload or {})
                vectors = (record.vector or {}) if names else {}
                if visuals and "visual" not in vectors:
                    raise BankDamagedError(
                        f"vectors of prototype {id_} are missing in {self._folder}; restore the bank from a "
                        "copy, or run `freeda bank verify --repair` to keep what is whole."
                    )
                if texts:
                    text_rows.append(vectors.get("text"))
                if visuals:
                    visual_rows.append(vectors["visual"])
                if semantics:
                    semantic_rows.append(vectors.get(SEMANTIC))
        rows = (text_rows.array(), visual_rows.array(), semantic_rows.array())
        return Fetched(tuple(found), tuple(payloads), *rows)

    @override
    def scroll(self, where: PointFilter, *, payloads: bool = True) -> Iterator[tuple[UUID, Payload]]:
        condition = translate(where, _DIALECT)
        offset: UUID | None = None
        while True:
            request = engine.ScrollRequest(
                offset=offset, limit=_SCROLL_BATCH, filter=condition, with_payload=payloads, with_vector=False
            )
            records, offset = self._read("scroll", request)
            for record in records:
                yield record.id, record.payload or {}
            if offset is None:
                return

    @override
    def count(self, where: PointFilter) -> int:
        request = engine.CountRequest(exact=True, filter=translate(where, _DIALECT))
        return int(self._read("count", request))

    @override
    def optimize(self) -> None:
        """Merge segments, drop deleted points, and build the graph once the store is large.

        It takes as much room again for a while; where there is none, it is left for the next time.
        """
        if free_bytes(self._folder) < room_to_merge(self._folder):
            logger.warning("the disk of %s is too full to merge its vectors; left for later", self._folder)
            return
        self._ask("optimize")

    @override
    def flush(self) -> None:
        self._ask("flush")

    @override
    def size_bytes(self) -> int:
        return held_below(self._folder)

    @override
    def close(self) -> None:
        if self._shard is not None:
            self._shard.close()
            self._shard = None

    @property
    def points(self) -> int:
        """How many points it holds, without counting."""
        return int(self._ask("info").points_count)

    @property
    def exact(self) -> bool:
        """Whether nearest points are found by a scan, and none is missed."""
        return self.points < INDEX_FROM

    def check_readable(self) -> None:
        """Read every vector once.

        Raises:
            BankDamagedError: one cannot be read, or is no direction; or a noun has no text vector.
        """
        ids = (id_ for id_, _ in self.scroll(PointFilter(), payloads=True))
        while batch := list(islice(ids, _READ_BATCH)):
            fetched = self.fetch(batch, texts=True, visuals=True)
            whole = np.isfinite(fetched.visuals).all(axis=1) & texts_fit(fetched.texts, fetched.payloads)
            broken = ~whole
            if broken.any():
                raise BankDamagedError(
                    f"vectors of prototype {fetched.ids[int(broken.argmax())]} in {self._folder} hold other "
                    "values than were written; restore the bank from a copy, or run "
                    "`freeda bank verify --repair` to keep what is whole."
                )

    def _update(self, operation: Any) -> None:
        require_room(self._folder)
        self._ask("update", operation)

    def _read(self, method: str, *arguments: Any) -> Any:
        """Ask the engine what it holds; where its files are broken it panics, on standard error too."""
        with quiet_panics():
            return self._ask(method, *arguments)

    def _ask(self, method: str, *arguments: Any) -> Any:
        """Call the engine, which raises plain ``Exception``, or panics, for everything."""
        if self._shard is None:
            raise StorageError(f"the vectors in {self._folder} are closed; open the bank again.")
        try:
            return getattr(self._shard, method)(*arguments)
        except (KeyboardInterrupt, SystemExit, GeneratorExit):
            raise
        except BaseException as error:
            raise refusal(error, self._folder) from error


class _Rows:
    """Lists of floats into one float32 array; packing is several times faster than ``np.array``."""

    def __init__(self, width: int, capacity: int) -> None:
        self._data = np.zeros((capacity, width), dtype=np.float32)
        self._pack = struct.Struct(f"{width}f").pack
        self._used = 0

    def append(self, values: list[float] | None) -> None:
        """One more row; zeros for None."""
        if values:
            self._data[self._used] = np.frombuffer(self._pack(*values), dtype=np.float32)
        self._used += 1

    def array(self) -> FloatArray:
        return self._data[: self._used]


def _open(call: Callable[[], Any], folder: Path, otherwise: type[BankError]) -> Any:
    """Open or make a shard; a lock and damage give different errors.

    Broken files can make the engine panic, which is no ``Exception``.
    """
    try:
        with quiet_panics():
            return call()
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        raise opening_error(error, folder, otherwise) from error


class _Vector(Excerpt):
    size: Annotated[int, Field(ge=1, le=MAX_DIM)]


class _Vectors(Excerpt):
    text: _Vector
    visual: _Vector
    semantic: _Vector | None = None


class _Config(Excerpt):
    """What of the engine's own configuration is needed here."""

    vectors: _Vectors


def read_sizes(folder: Path) -> VectorSizes:
    """The lengths of vectors in a store's configuration.

    Raises:
        BankDamagedError: it cannot be read.
    """
    try:
        told = _Config.model_validate_json((folder / "edge_config.json").read_bytes()).vectors
        semantic = told.semantic.size if told.semantic else 0
        return VectorSizes(told.text.size, told.visual.size, semantic)
    except (OSError, ValidationError) as error:
        raise BankDamagedError(
            f"{folder / 'edge_config.json'} is damaged; restore the bank from a copy, or run "
            "`freeda bank verify --repair` to keep what is whole."
        ) from error
