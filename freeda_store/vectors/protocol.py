"""What the bank asks of a vector engine. Points carry two named vectors, ``text`` and ``visual``.

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
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from freeda_store.records import FloatArray, JsonValue
from freeda_store.vectors.filters import PointFilter

Payload = Mapping[str, JsonValue]


@dataclass(frozen=True)
class VectorSizes:
    """Lengths of the two vectors of every point."""

    text: int
    visual: int


@dataclass(frozen=True, eq=False)
class Point:
    """A prototype as an engine holds it.

    Attributes:
        id: UUIDv5 of content.
        text: float32 (D_text,), searched by cosine.
        visual: float32 (D_visual,), only fetched; kept as float16.
        payload: JSON values; ``added_in`` is an integer, ``retired_in`` a list of integers.
    """

    id: UUID
    text: FloatArray
    visual: FloatArray
    payload: Payload


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
        texts: float32 (N, D_text), unit length; (0, D_text) when not asked for.
        visuals: float32 (N, D_visual); (0, D_visual) when not asked for.
    """

    ids: tuple[UUID, ...]
    payloads: tuple[Payload, ...]
    texts: FloatArray
    visuals: FloatArray


class VectorStore(Protocol):
    """A vector engine. All methods raise ``StorageError`` when the engine refuses."""

    @property
    def sizes(self) -> VectorSizes:
        """Lengths of the vectors it holds."""

    def upsert(self, points: Sequence[Point]) -> None:
        """Write points; a point with a known id is replaced. On return a kill cannot lose them."""

    def delete(self, ids: Sequence[UUID]) -> None:
        """Remove points; unknown ids are ignored."""

    def set_payload(self, ids: Sequence[UUID], payload: Payload) -> None:
        """Set these payload fields on each point and keep its other fields."""

    def nearest(self, queries: FloatArray, k: int, where: PointFilter) -> list[Hits]:
        """The k nearest text vectors of each row of float32 (Q, D_text), in one batch."""

    def fetch(self, ids: Sequence[UUID], *, texts: bool = False, visuals: bool = False) -> Fetched:
        """Points by id, with the vectors asked for. Unknown ids are left out, and points without those."""

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
