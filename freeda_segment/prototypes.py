"""Class prototypes: what a bank knows of each class (method, online stage 1 to 3).

Retrieval happens in the bank's key space, which need not be CLIP's; the global similarity is always
CLIP's. A class with several texts is a union: it has the prototypes and embeddings of all of them,
and the most similar one counts (unless an aggregation pools them otherwise).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

import numpy as np

from freeda_models.protocols import FloatArray, TextEncoder
from freeda_models.text_keys import embed_classes
from freeda_segment.aggregation import AGGREGATIONS, Aggregation, Pooling, pool_max, pool_mean, vote
from freeda_segment.classes import ClassName
from freeda_segment.errors import ModelOutputError, NoPrototypesError
from freeda_segment.settings import SegmentSettings
from freeda_segment.similarity import normalised
from freeda_store import Filter
from freeda_store.records import PrototypeInfo, Retrieved

logger = logging.getLogger(__name__)

_QUERY_MEMORY = 64 * 2**20
"""Bytes of visual vectors that one retrieval call may bring."""


class PrototypeSource(Protocol):
    """What retrieval needs of a bank."""

    def nearest(self, queries: FloatArray, k: int, where: Filter = ...) -> list[Retrieved]:
        """The k nearest prototypes of each query."""


@dataclass(frozen=True)
class Support:
    """The prototypes of the bank behind one text of a class, most similar first.

    Attributes:
        text: what was looked up.
        query: float32 (D_text,), its embedding in the key space.
        ids: of the prototypes that were used.
        similarities: float32 (K,), cosine of each text key with the query.
        infos: what the bank knows of each.
    """

    text: str
    query: FloatArray
    ids: tuple[UUID, ...]
    similarities: FloatArray
    infos: tuple[PrototypeInfo, ...]


@dataclass(frozen=True)
class ClassPrototypes:
    """Classes ready to be compared with pictures.

    Attributes:
        classes: in the order of the label map's indices.
        vectors: float32 (P, D), L2-normalised prototypes, class after class; at least one a class.
        vector_starts: int64 (C,), where each class's prototypes start.
        embeddings: float32 (T, D_clip), L2-normalised CLIP embeddings, class after class.
        embedding_starts: int64 (C,), where each class's embeddings start.
        support: for each class, one :class:`Support` a text.
        notes: what a person should know.
        pooling: how the prototypes of a class speak with one voice.
        text_starts: int64 (T',), where the prototypes of each text start; needed for ``MEAN``.
        voters: how many prototypes vote, for ``VOTE``.
    """

    classes: tuple[ClassName, ...]
    vectors: FloatArray
    vector_starts: np.ndarray[tuple[int], np.dtype[np.int64]]
    embeddings: FloatArray
    embedding_starts: np.ndarray[tuple[int], np.dtype[np.int64]]
    support: tuple[tuple[Support, ...], ...] = ()
    notes: tuple[str, ...] = field(default=())
    pooling: Pooling = Pooling.MAX
    text_starts: np.ndarray[tuple[int], np.dtype[np.int64]] | None = None
    voters: int = 1

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the classes."""
        return tuple(each.name for each in self.classes)

    def local_cosines(self, features_nd: FloatArray) -> FloatArray:
        """L2-normalised features (N, D) to float32 (N, C): cosine with each class, see ``pooling``.

        Raises:
            ModelOutputError: features and prototypes have different lengths.
        """
        _check_lengths(features_nd, self.vectors)
        if self.pooling is Pooling.VOTE:
            return vote(features_nd, self.vectors, self.vector_starts, self.voters)
        cosines = features_nd @ self.vectors.T
        if self.pooling is Pooling.MEAN and self.text_starts is not None:
            of_text = pool_mean(cosines, self.text_starts)
            return pool_max(of_text, np.searchsorted(self.text_starts, self.vector_starts))
        return pool_max(cosines, self.vector_starts)

    def global_cosines(self, embeddings_nd: FloatArray) -> FloatArray:
        """CLIP embeddings (N, D_clip) to float32 (N, C): cosine with the nearest text.

        Raises:
            ModelOutputError: the embeddings have different lengths.
        """
        _check_lengths(embeddings_nd, self.embeddings)
        return pool_max(embeddings_nd @ self.embeddings.T, self.embedding_starts)


def _check_lengths(features: FloatArray, rows: FloatArray) -> None:
    if features.shape[1] != rows.shape[1]:
        raise ModelOutputError(
            f"features have {features.shape[1]} numbers and the bank's vectors {rows.shape[1]}; "
            "use the preset that made the bank."
        )


def build_prototypes(
    classes: Sequence[ClassName],
    source: PrototypeSource,
    keys: TextEncoder,
    clip: TextEncoder,
    templates: Sequence[str],
    settings: SegmentSettings,
    notes: tuple[str, ...] = (),
) -> ClassPrototypes:
    """Embed the classes' texts, retrieve their prototypes and aggregate them.

    Args:
        classes: at least one.
        source: the bank.
        keys: encoder of the bank's key space; may be ``clip`` itself, then texts are embedded once.
        clip: encoder of the global similarity.
        templates: prompt templates, each with ``{}``.
        settings: ``k``, ``where``, ``similarity_threshold``, ``aggregation``, ``prototypes`` and
            ``neighbours`` count here.
        notes: passed on.

    Raises:
        NoPrototypesError: names the classes for which nothing usable came back.
    """
    aggregation = AGGREGATIONS[settings.aggregation]
    texts = [text for each in classes for text in each.texts]
    embeddings = embed_classes(clip, texts, templates)
    queries = embeddings if keys is clip else embed_classes(keys, texts, templates)
    owners = np.repeat(np.arange(len(classes)), [len(each.texts) for each in classes])
    vectors: list[FloatArray] = []
    owner_of_vector: list[int] = []
    text_starts: list[int] = []
    support: list[list[Support]] = [[] for _ in classes]
    retrieved = _retrieve(source, queries, settings)
    for owner, text, query, found in zip(owners, texts, queries, retrieved, strict=True):
        used = _usable(found, settings.similarity_threshold)
        rows = _prototypes(used, aggregation, settings.prototypes)
        if len(rows):
            text_starts.append(len(vectors))
        vectors += list(rows)
        owner_of_vector += [int(owner)] * len(rows)
        support[owner].append(Support(text, query, used.ids, used.similarities, used.infos))
    _refuse_empty(classes, owner_of_vector, settings.where)
    return ClassPrototypes(
        classes=tuple(classes),
        vectors=normalised(np.stack(vectors)),
        vector_starts=np.searchsorted(owner_of_vector, np.arange(len(classes))),
        embeddings=embeddings,
        embedding_starts=np.searchsorted(owners, np.arange(len(classes))),
        support=tuple(tuple(each) for each in support),
        notes=notes,
        pooling=aggregation.pooling,
        text_starts=np.array(text_starts, dtype=np.int64),
        voters=settings.neighbours,
    )


def _retrieve(source: PrototypeSource, queries: FloatArray, settings: SegmentSettings) -> Iterator[Retrieved]:
    """Retrieve in batches, so that 500 classes of 350 vectors need not fit in memory together."""
    size = 16
    start = 0
    while start < len(queries):
        batch = source.nearest(queries[start : start + size], settings.k, settings.where)
        yield from batch
        start += size
        largest = max((found.visuals.nbytes for found in batch), default=0)
        size = max(1, _QUERY_MEMORY // max(largest, 1))


def _usable(found: Retrieved, threshold: float | None) -> Retrieved:
    """Leave out vectors that are not finite, and those under the threshold but for the nearest."""
    keep = np.isfinite(found.visuals).all(axis=1) if len(found.ids) else np.zeros(0, dtype=bool)
    if not keep.all():
        logger.warning("left out %d prototypes that are not finite", int((~keep).sum()))
    if threshold is not None and keep.any():
        near = found.similarities >= threshold
        near[int(np.argmax(keep))] = True
        keep &= near
    chosen = np.flatnonzero(keep)
    return Retrieved(
        ids=tuple(found.ids[index] for index in chosen),
        similarities=found.similarities[chosen],
        visuals=found.visuals[chosen],
        infos=tuple(found.infos[index] for index in chosen),
    )


def _prototypes(used: Retrieved, aggregation: Aggregation, count: int) -> FloatArray:
    """Prototypes (P, D) of one text; zero vectors, which have no direction, are left out."""
    if not used.ids:
        return used.visuals
    rows = aggregation.gather(used.visuals, used.similarities, count)
    kept: FloatArray = rows[np.linalg.norm(rows, axis=1) > 0]
    return kept


def _refuse_empty(classes: Sequence[ClassName], owner_of_vector: Sequence[int], where: Filter) -> None:
    missing = sorted(set(range(len(classes))) - set(owner_of_vector))
    if not missing:
        return
    named = ", ".join(f"'{classes[index].name}'" for index in missing[:5])
    more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
    filtered = f" under the filter '{where}'" if str(where) else ""
    advice = "widen the filter" if filtered else "ingest captions first (freeda ingest)"
    raise NoPrototypesError(f"the bank has no usable prototype for {named}{more}{filtered}; {advice}.")
