"""What the bank asks of a vector engine. Points carry the named vector ``visual`` and, where there are such,
``text`` and ``semantic``.

**How to write another engine.** A class of its own module implements :class:`VectorStore` and passes
``tests/store/test_vectors.py``, which runs on every engine. What filters ask is translated once
(:func:`freeda_store.vectors.filters.translate`); an engine gives the words
(:class:`~freeda_store.vectors.filters.FilterDialect`). Which engine a bank has is decided where it is
opened: ``opening/folder.py`` and ``opening/hindrances.py`` for the writer of a folder,
``opening/reading.py`` for its readers, ``hosted/opening.py`` for servers. Verifying and repairing
what lies in an engine's own files (``repair/``, ``salvage.py``) know
:class:`~freeda_store.vectors.edge.EdgeVectors` alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from freeda_store.records import Direction, FloatArray, JsonValue
from freeda_store.vectors.filters import PointFilter

Payload = Mapping[str, JsonValue]
_LENGTH_TOLERANCE = 0.1


@dataclass(frozen=True)
class VectorSizes:
    """Lengths of the vectors of every point.

    ``semantic`` is 0 in a store that has no place for such vectors yet, and is not compared: the first point
    that has one makes the place.
    """

    text: int
    visual: int
    semantic: int = field(default=0, compare=False)

    def names(self, *, texts: bool, visuals: bool, semantics: bool) -> list[str]:
        """Names of the vectors that are asked for and that there is a place for."""
        asked = (("text", texts), ("visual", visuals), ("semantic", semantics and self.semantic > 0))
        return [name for name, wanted in asked if wanted]


@dataclass(frozen=True, eq=False)
class Point:
    """A prototype as an engine holds it.

    Attributes:
        id: UUIDv5 of content.
        text: float32 (D_text,), searched by cosine. None for a point that no text is to find.
        visual: float32 (D_visual,), kept as float16; its direction is searched.
        payload: JSON values; ``added_in`` is an integer, ``retired_in`` a list of integers.
        semantic: float32 (D_clip,), only fetched; kept as float16. None for a point that has none.
    """

    id: UUID
    text: FloatArray | None
    visual: FloatArray
    payload: Payload
    semantic: FloatArray | None = None


def named_vectors(point: Point) -> dict[str, FloatArray]:
    """The vectors that a point has, by their names."""
    vectors = {"text": point.text, "visual": point.visual, "semantic": point.semantic}
    return {name: vector for name, vector in vectors.items() if vector is not None}


def rows_or_none(vectors: NDArray[Any]) -> list[NDArray[Any] | None]:
    """Vectors that a point may lack, (N, D), one by one: None for zeros, which stand for none."""
    return [row if row.any() else None for row in vectors]


def texts_fit(texts: FloatArray, payloads: Sequence[Payload]) -> NDArray[np.bool_]:
    """Whether text vectors (N, D_text) can be those of points: bool (N,).

    Their length is about 1, or 0 where the payload says that there is no noun; a payload that cannot be read
    says neither.
    """
    lengths = np.linalg.norm(texts.astype(np.float64), axis=1)
    nouns = [payload.get("noun") for payload in payloads]
    may_be = np.array([noun != "" for noun in nouns], dtype=np.bool_)
    may_lack = np.array([not noun for noun in nouns], dtype=np.bool_)
    is_unit = np.abs(lengths - 1) < _LENGTH_TOLERANCE
    fit: NDArray[np.bool_] = (may_be & is_unit) | (may_lack & (lengths == 0))
    return fit


@dataclass(frozen=True, eq=False)
class Hits:
    """Nearest points of one query: ids, and float32 (K,) cosines, most similar first.

    Equal cosines are in the order of their ids.
    """

    ids: tuple[UUID, ...]
    similarities: FloatArray


@dataclass(frozen=True, eq=False)
class Fetched:
    """Points by id.

    Attributes:
        ids: those found, in the order asked for.
        payloads: one each.
        texts: float32 (N, D_text), unit length, zeros for points that have none; (0, D_text) when not asked
            for.
        visuals: float32 (N, D_visual); (0, D_visual) when not asked for.
        semantics: float32 (N, D_clip), zeros for points that have none; (0, 0) when not asked for.
    """

    ids: tuple[UUID, ...]
    payloads: tuple[Payload, ...]
    texts: FloatArray
    visuals: FloatArray
    semantics: FloatArray = field(default_factory=lambda: np.zeros((0, 0), dtype=np.float32))


class VectorStore(Protocol):
    """A vector engine. All methods raise ``StorageError`` when the engine refuses."""

    @property
    def sizes(self) -> VectorSizes:
        """Lengths of the vectors it holds."""

    def upsert(self, points: Sequence[Point]) -> None:
        """Write points; a point with a known id is replaced. On return a kill cannot lose them."""

    def complete_directions(self) -> int:
        """Let regions be searched where an earlier version left out what that takes; returns at how many
        points there was something to do. Stopped, the same again goes on where it was."""

    def delete(self, ids: Sequence[UUID]) -> None:
        """Remove points; unknown ids are ignored."""

    def set_payload(self, ids: Sequence[UUID], payload: Payload) -> None:
        """Set these payload fields on each point and keep its other fields."""

    def nearest(
        self, queries: FloatArray, k: int, where: PointFilter, direction: Direction = Direction.CLASSES
    ) -> list[Hits]:
        """The k points nearest to each query, by cosine, in one batch.

        Args:
            queries: float32 (Q, D_text) for text vectors, (Q, D_visual) for visual ones.
            k: how many, at least 1.
            where: which points may come back.
            direction: classes are searched among text vectors, regions among visual ones. A point without the
                vector is not found.
        """

    def fetch(
        self, ids: Sequence[UUID], *, texts: bool = False, visuals: bool = False, semantics: bool = False
    ) -> Fetched:
        """Points by id, with the vectors asked for.

        Unknown ids are left out, and points without a visual vector that was asked for.
        """

    def set_semantics(self, ids: Sequence[UUID], semantics: FloatArray) -> None:
        """Give points that exist their semantic vectors, float32 (N, D_clip), in place of any they have."""

    def scroll(self, where: PointFilter, *, payloads: bool = True) -> Iterator[tuple[UUID, Payload]]:
        """All prototypes that match, in the order of their ids; empty payloads when not asked for."""

    def count(self, where: PointFilter) -> int:
        """How many points match, exactly."""

    def optimize(self) -> None:
        """Merge and index what was written; worth its time after a large load."""

    def flush(self) -> None:
        """Make everything written survive a power cut."""

    def size_bytes(self) -> int | None:
        """Bytes on disk; None where that is unknown."""

    def close(self) -> None:
        """Let go of files and locks. Closing twice is fine."""
