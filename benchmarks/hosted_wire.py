"""What a client spends on a hosted bank: vectors, hits, uploads, and the cache.

A stand-in for a server on loopback sends answers that were made before, so that hardly any time is the
server's. Each side runs in this process, in turns, and processor time is counted (the stand-in's too, which
favours the slower side). The other side is qdrant-client as it is without orjson: points read into models by
pydantic. gRPC is the client's reading of messages alone.

Goals: beside the bytes' own way, vectors are read in at most two thirds of the time, and hits in at most
three quarters; requests under 1 MB cost less than qdrant-client's of 9 MB; the same classes ask nothing the
second time.

Usage: ``python -m benchmarks.hosted_wire [--prototypes 10000] [--classes 150] [--rounds 3]``
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID, uuid4

import numpy as np
import orjson

from benchmarks.synthetic import SIZES, unit_rows
from freeda_store.history import History, RevisionRecord
from freeda_store.hosted.disk_cache import DiskCache
from freeda_store.hosted.disk_recall import DiskRecall
from freeda_store.profiles.settings import Profile
from freeda_store.retrieval import retrieve
from freeda_store.vectors.client import connect_qdrant
from freeda_store.vectors.filters import PointFilter, View
from freeda_store.vectors.protocol import Point, VectorSizes
from freeda_store.vectors.server import ServerVectors
from freeda_store.writing.stores import Stores

K = 350
BATCH = 256
NUMPY = orjson.OPT_SERIALIZE_NUMPY


def payload(id_: UUID) -> dict[str, Any]:
    """One like those that freeda writes."""
    caption = "a red car parked under a tree on a quiet street, seen from across the road"
    scores = {"contrast": 2.34567890123, "area": 0.2345, "clip_agreement": 0.2812, "outlier_distance": 0.31}
    told = {"source": "coco", "license": "cc-by", "url": "https://example.org/000000123456.jpg", "seed": 7}
    keys = {"picture_key": "a" * 64, "attribution_key": "b" * 64, "generation": str(uuid4())}
    words = {"noun": "red car", "kind": "phrase", "span": [2, 9], "caption": caption, "external_id": "123456"}
    return words | told | scores | keys | {"added_in": 1, "retired_in": []}


@dataclass
class Canned:
    """A server whose answers are made: records by id, and hits by class."""

    records: dict[str, bytes]
    hits: list[bytes]
    asked: list[str] = field(default_factory=list)

    def answer(self, path: str, body: bytes) -> bytes:
        """The JSON for a request."""
        self.asked.append(path)
        if path.endswith("/count"):
            result = b'{"count":%d}' % len(self.records)
        elif path.endswith("/query/batch"):
            count = body.count(b'"using"')
            result = b"[" + b",".join(self.hits[:count]) + b"]"
        elif b'"with_vector"' in body:
            result = b"[" + b",".join(self.records[id_] for id_ in orjson.loads(body)["ids"]) + b"]"
        else:
            result = b'{"operation_id":1,"status":"completed"}'
        return b'{"result":' + result + b',"status":"ok","time":0.0}'


def make_canned(prototypes: int, classes: int) -> tuple[Canned, dict[str, np.ndarray]]:
    rng = np.random.default_rng(0)
    visuals = unit_rows(rng, prototypes, SIZES.visual).astype(np.float16).astype(np.float32)
    ids = [uuid4() for _ in range(prototypes)]
    records = {
        str(id_): orjson.dumps(
            {"id": str(id_), "payload": payload(id_), "vector": {"visual": row}}, option=NUMPY
        )
        for id_, row in zip(ids, visuals, strict=True)
    }
    hits = []
    for _ in range(classes):
        chosen = rng.choice(prototypes, min(K + 1, prototypes), replace=False)
        scores = np.sort(rng.random(len(chosen)).astype(np.float32))[::-1]
        found = [
            {"id": str(ids[i]), "version": 3, "score": float(s)} for i, s in zip(chosen, scores, strict=True)
        ]
        hits.append(orjson.dumps({"points": found}))
    return Canned(records, hits), dict(zip(map(str, ids), visuals, strict=True))


@contextmanager
def serving(canned: Canned) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1

        def reply(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            answer = canned.answer(self.path.partition("?")[0], body)
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: Any) -> None:
            pass

    for method in ("GET", "PUT", "POST"):
        setattr(Handler, f"do_{method}", Handler.reply)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def without_orjson() -> Iterator[None]:
    """qdrant-client as it is where orjson is not installed."""
    import qdrant_client.common.response_parsing as parsing
    from pydantic_core import from_json

    kept, parsing._loads = parsing._loads, from_json  # type: ignore[assignment]
    try:
        yield
    finally:
        parsing._loads = kept


def spent(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def compare(name: str, sides: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Medians of processor time, sides in turns; the last side is the measure of the others."""
    times: dict[str, list[float]] = {side: [] for side in sides}
    for _ in range(rounds):
        for side, work in sides.items():
            times[side].append(spent(work))
    medians = {side: median(values) for side, values in times.items()}
    measure = list(medians.values())[-1]
    for side, seconds in medians.items():
        print(f"{name:<28}{side:<34}{seconds:8.2f} s   {seconds / measure:5.2f}")
    return {side: seconds / measure for side, seconds in medians.items()}


def grpc_messages(visuals: dict[str, np.ndarray]) -> list[bytes]:
    from qdrant_client import grpc

    def point(id_: str, row: np.ndarray) -> Any:
        dense = grpc.VectorOutput(dense=grpc.DenseVector(data=row.tolist()))
        vectors = grpc.VectorsOutput(vectors=grpc.NamedVectorsOutput(vectors={"visual": dense}))
        return grpc.RetrievedPoint(id=grpc.PointId(uuid=id_), vectors=vectors)

    items = list(visuals.items())
    return [
        grpc.GetResponse(result=[point(*item) for item in items[start : start + BATCH]]).SerializeToString()
        for start in range(0, len(items), BATCH)
    ]


def read_grpc(messages: list[bytes]) -> None:
    from qdrant_client import grpc

    for message in messages:
        for point in grpc.GetResponse.FromString(message).result:
            np.array(point.vectors.vectors.vectors["visual"].dense.data, dtype=np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--prototypes", type=int, default=10_000)
    parser.add_argument("--classes", type=int, default=150)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    canned, visuals = make_canned(given.prototypes, given.classes)
    ids = [UUID(id_) for id_ in visuals]
    sizes = VectorSizes(SIZES.text, SIZES.visual)
    queries = unit_rows(np.random.default_rng(1), given.classes, SIZES.text)
    view = PointFilter(view=View(((1, 1),)))
    with serving(canned) as url:
        client = connect_qdrant(Profile(name="bench", collection="bench", qdrant_url=url))
        store = ServerVectors(client, "bench", sizes)
        goals = _reading(client, store, ids, visuals, queries, view, given.rounds)
        goals += _writing(client, sizes, given.rounds)
        goals += _again(store, canned, queries, view)
    for text, met in goals:
        print(f"{'met' if met else 'MISSED'}: {text}")


def _reading(
    client: Any,
    store: ServerVectors,
    ids: list[UUID],
    visuals: dict[str, np.ndarray],
    queries: np.ndarray,
    view: PointFilter,
    rounds: int,
) -> list[tuple[str, bool]]:
    from qdrant_client import models

    def old_fetch() -> None:
        with without_orjson():
            for start in range(0, len(ids), 1024):
                some = [str(id_) for id_ in ids[start : start + 1024]]
                for record in client.retrieve("bench", some, with_payload=True, with_vectors=["visual"]):
                    np.asarray(record.vector["visual"], dtype=np.float32)

    def old_search() -> None:
        asked = [models.QueryRequest(query=query.tolist(), using="text", limit=K + 1) for query in queries]
        with without_orjson():
            for answer in client.query_batch_points("bench", asked):
                [(UUID(str(hit.id)), float(hit.score)) for hit in answer.points]

    def bytes_alone() -> None:
        for start in range(0, len(ids), BATCH):
            wanted = {"ids": list(map(str, ids[start : start + BATCH])), "with_vector": ["visual"]}
            store._wire._send("POST", "/points", orjson.dumps(wanted))

    messages = grpc_messages(visuals)
    fetching = compare(
        f"{len(ids):,} vectors",
        {
            "gRPC, reading alone": lambda: read_grpc(messages),
            "JSON, the bytes alone": bytes_alone,
            "freeda": lambda: store.fetch(ids, visuals=True),
            "qdrant-client": old_fetch,
        },
        rounds,
    )
    alone = fetching["JSON, the bytes alone"]
    searching = compare(
        f"{len(queries)} x {K + 1} hits",
        {"freeda": lambda: store.nearest(queries, K, view), "qdrant-client": old_search},
        rounds,
    )
    return [
        ("vectors are read in two thirds of the time", fetching["freeda"] - alone <= (1 - alone) * 2 / 3),
        ("hits are read in three quarters of the time", searching["freeda"] <= 0.75),
    ]


def _writing(client: Any, sizes: VectorSizes, rounds: int) -> list[tuple[str, bool]]:
    from qdrant_client import models

    rng = np.random.default_rng(2)
    texts, visuals = unit_rows(rng, 1024, sizes.text), unit_rows(rng, 1024, sizes.visual)
    points = [Point(id_ := uuid4(), texts[i], visuals[i], payload(id_)) for i in range(1024)]
    small = ServerVectors(client, "bench", sizes, 900_000)
    large = ServerVectors(client, "bench", sizes, 20_000_000)

    def old() -> None:
        for start in range(0, 1024, BATCH):
            made = [
                models.PointStruct(
                    id=str(point.id),
                    vector={"text": point.text.tolist(), "visual": point.visual.tolist()},
                    payload=dict(point.payload),
                )
                for point in points[start : start + BATCH]
            ]
            client.upsert("bench", made, wait=True)

    sides = {
        "freeda, 0.9 MB requests": lambda: small.upsert(points),
        "freeda, 20 MB requests": lambda: large.upsert(points),
        "qdrant-client, 9 MB requests": old,
    }
    found = compare("1,024 points to write", sides, rounds)
    return [("requests under 1 MB cost less than large ones did", found["freeda, 0.9 MB requests"] < 1)]


def _again(
    store: ServerVectors, canned: Canned, queries: np.ndarray, view: PointFilter
) -> list[tuple[str, bool]]:
    record = RevisionRecord(1, 1, None, "", "m", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z", 9, 0)
    history = History([record], {})
    with tempfile.TemporaryDirectory() as folder:
        cache = DiskCache(Path(folder), 2 * 10**9)
        stores = SimpleNamespace(vectors=store, recall=DiskRecall(cache, "bench"), folder=Path("bench"))

        def run() -> None:
            retrieve(cast(Stores, stores), queries, K, view, history)

        search = spent(lambda: store.nearest(queries, K, view))
        first = spent(run)
        canned.asked.clear()
        again = spent(run)
        asked = len(canned.asked)
        kept = sum(path.stat().st_size for path in Path(folder).iterdir())
        cache.close()
    for name, seconds in (("search alone", search), ("first time", first), ("second time", again)):
        print(f"{f'{len(queries)} classes':<28}{name:<34}{seconds:8.2f} s   {seconds / first:5.2f}")
    print(f"requests the second time: {asked}; the cache holds {kept / 1e6:.0f} MB")
    return [("the second time asks nothing", asked == 0)]


if __name__ == "__main__":
    main()
