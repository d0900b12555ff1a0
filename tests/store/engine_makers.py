"""Vector engines to test, and what reads a folder's revisions without one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4, uuid5

import numpy as np
import pytest
from hosted_makers import API_KEY, connect, some_server
from reader_makers import full_payload, make_reader

from freeda_store.vectors.filters import View
from freeda_store.vectors.protocol import Point, VectorSizes, VectorStore

SIZES = VectorSizes(text=16, visual=24)
NAMESPACE = UUID(int=7)


def open_edge(folder: Path) -> VectorStore:
    from freeda_store.vectors.edge import EdgeVectors

    return EdgeVectors.create(folder / "vectors", SIZES)


@contextmanager
def edge(folder: Path) -> Iterator[VectorStore]:
    yield open_edge(folder)


@contextmanager
def memory(_: Path) -> Iterator[VectorStore]:
    from qdrant_client import QdrantClient

    from freeda_store.vectors.server import ServerVectors

    yield ServerVectors.create(QdrantClient(":memory:"), "bank", SIZES)


@contextmanager
def server(_: Path) -> Iterator[VectorStore]:
    """A real server when FREEDA_TEST_QDRANT_URL names one, and its stand-in otherwise."""
    from freeda_store.vectors.server import ServerVectors

    with some_server() as (url, _stub):
        collection, own = f"test-{uuid4()}", connect(url, API_KEY)
        yield ServerVectors.create(connect(url, API_KEY), collection, SIZES)
        own.delete_collection(collection)
        own.close()


ENGINES = [
    pytest.param(edge, id="edge"),
    pytest.param(memory, id="memory", marks=pytest.mark.filterwarnings("ignore:Local mode")),
    pytest.param(server, id="server"),
]


@pytest.fixture(params=ENGINES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[VectorStore]:
    with request.param(tmp_path) as opened:
        yield opened
        opened.close()


Holding = Callable[[Sequence[Point]], VectorStore]


HOLDERS = [*ENGINES, pytest.param(None, id="reader")]


@contextmanager
def _holding(engine: Any, folder: Path) -> Iterator[Holding]:
    with ExitStack() as stack:

        def make(points: Sequence[Point]) -> VectorStore:
            if engine is None:
                made: VectorStore = make_reader(folder / "bank", points, SIZES)
            else:
                made = stack.enter_context(engine(folder))
                made.upsert(points)
            stack.callback(made.close)
            return made

        yield make


@pytest.fixture(params=HOLDERS)
def holding(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Holding]:
    """Makes what holds some points: an engine, or what reads the files and the rows of a bank with them."""
    with _holding(request.param, tmp_path) as make:
        yield make


@pytest.fixture(scope="module", params=HOLDERS)
def sixty(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[VectorStore]:
    """Holds ``make_points(60)``, for tests that only ask; the same for all of them."""
    with _holding(request.param, tmp_path_factory.mktemp("sixty")) as make:
        yield make(make_points(60))


def make_points(count: int, *, seed: int = 0) -> list[Point]:
    rng = np.random.default_rng(seed)
    texts = rng.standard_normal((count, SIZES.text)).astype(np.float32)
    texts /= np.linalg.norm(texts, axis=1, keepdims=True)
    visuals = (10 * rng.standard_normal((count, SIZES.visual))).astype(np.float32)
    return [
        Point(
            uuid5(NAMESPACE, f"{seed}-{index}"),
            texts[index],
            visuals[index],
            full_payload(
                uuid5(NAMESPACE, f"{seed}-{index}"),
                1000 * seed + index,
                {
                    "noun": ("car", "bus", "tree")[index % 3],
                    "source": ("coco", "flickr")[index % 2],
                    "license": "nc" if index % 5 == 0 else "by",
                    "contrast": index % 7 / 2,
                    "seed": 2**62 + index,
                    "added_in": 1 + index % 4,
                    "retired_in": [3] if index % 11 == 0 else [],
                    "origin": ("generated", "learned", "imported")[index % 8 % 3],
                    "part": index % 4,
                },
            ),
        )
        for index in range(count)
    ]


def shown(point: Point, view: View) -> bool:
    def inside(value: int) -> bool:
        return any(first <= value <= last for first, last in view.ranges)

    payload: dict[str, Any] = dict(point.payload)
    added, retired = payload["added_in"], payload["retired_in"]
    return inside(int(added)) and not any(inside(int(value)) for value in retired)
