"""What a bank knows of a text: embedded, retrieved and aggregated once (method, online stage 1 to 3).

Retrieval happens in the bank's key space, which need not be CLIP's; the global similarity is always
CLIP's. What was found is remembered by revision, text, k, filter and whatever else shapes it, so that
naming a class again costs nothing.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import UUID

import numpy as np

from freeda_models.protocols import FloatArray, TextEncoder
from freeda_models.text.keys import embed_classes, prompts_named
from freeda_segment.errors import ModelOutputError
from freeda_segment.retrieval.aggregation import AGGREGATIONS
from freeda_segment.retrieval.learned import (
    NOTHING_LEARNED,
    SAME_TEXT,
    LearnedLooks,
    PrototypeSource,
    chosen_of,
    holds_examples,
    look_up_examples,
    without_examples,
)
from freeda_store import Filter
from freeda_store.records import PrototypeInfo, Retrieved, RevisionInfo

if TYPE_CHECKING:
    from freeda_segment.settings import SegmentSettings

logger = logging.getLogger(__name__)

_SAME_TEXT_KEY = 1e-4
"""Cosines that differ by no more are those of one text key, up to rounding."""

_QUERY_MEMORY = 64 * 2**20
"""Bytes of visual vectors that one retrieval call may bring."""

REMEMBERED = 1024
"""Texts that are remembered: more than any data set has classes."""


@dataclass(frozen=True, eq=False)
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


@dataclass(frozen=True, eq=False)
class TextEvidence:
    """All that a text of a class brings.

    Attributes:
        embedding: float32 (D_clip,), L2-normalised CLIP embedding, mean over templates.
        rows: float32 (P, D), its prototypes; (0, D) when nothing usable came back.
        support: the prototypes of the bank behind them, learned ones included.
        examples: what was learned of it from pictures.
    """

    embedding: FloatArray
    rows: FloatArray
    support: Support
    examples: LearnedLooks = NOTHING_LEARNED

    @property
    def looks(self) -> FloatArray:
        """float32 (E, D), the prototypes of examples and of their parts, whole ones first."""
        visuals = self.examples.found.visuals
        return visuals.reshape(-1, self.rows.shape[1]) if not len(visuals) else visuals


@dataclass(frozen=True)
class LookedUp:
    """What texts brought, in their order, and the revision that the bank showed."""

    revision: RevisionInfo | None
    evidence: tuple[TextEvidence, ...]


class TextCache:
    """The evidence of the texts looked up last, under all that shapes it: revision, text and settings.

    Attributes:
        learned: whether the bank learned anything, by revision and filter.
    """

    def __init__(self, capacity: int = REMEMBERED) -> None:
        self.learned: dict[Hashable, bool] = {}
        self._found: OrderedDict[Hashable, TextEvidence] = OrderedDict()
        self._capacity = capacity

    def get(self, key: Hashable) -> TextEvidence | None:
        """The evidence under a key, which counts as used now; None when there is none."""
        found = self._found.get(key)
        if found is not None:
            self._found.move_to_end(key)
        return found

    def put(self, key: Hashable, evidence: TextEvidence) -> None:
        """Keep evidence under a key; beyond the capacity the least recently used is dropped."""
        self._found[key] = evidence
        self._found.move_to_end(key)
        if len(self._found) > self._capacity:
            self._found.popitem(last=False)


@dataclass(frozen=True)
class TextLookup:
    """Looks texts up in a bank.

    Attributes:
        source: the bank.
        key_encoder: of the bank's key space; may be ``clip`` itself, then texts are embedded once.
        clip: encoder of the global similarity.
        templates: name of the prompt templates, one of ``TEMPLATE_SETS``.
        settings: ``k``, ``where``, ``similarity_threshold``, ``aggregation`` and ``prototypes`` count.
        revision: returns the revision that the bank shows.
        cache: what was found before, with this bank and these encoders.
    """

    source: PrototypeSource
    key_encoder: TextEncoder
    clip: TextEncoder
    templates: str
    settings: SegmentSettings
    revision: Callable[[], RevisionInfo | None] = lambda: None
    cache: TextCache = field(default_factory=TextCache)

    def __call__(self, texts: Sequence[str]) -> LookedUp:
        """What each text brings. All of it comes from one revision, also when another is committed."""
        while True:
            revision = self.revision()
            found = self._look_up(texts, revision)
            if self.revision() == revision:
                self._remember(found, revision)
                return LookedUp(revision, tuple(found[text] for text in texts))

    def _look_up(self, texts: Sequence[str], revision: RevisionInfo | None) -> dict[str, TextEvidence]:
        wanted = {text: self._cache_key(revision, text) for text in texts}
        found = {text: kept for text, key in wanted.items() if (kept := self.cache.get(key)) is not None}
        missing = [text for text in wanted if text not in found]
        return found | dict(zip(missing, self._find(missing, revision), strict=True))

    def _remember(self, found: Mapping[str, TextEvidence], revision: RevisionInfo | None) -> None:
        for text, evidence in found.items():
            self.cache.put(self._cache_key(revision, text), evidence)

    def _cache_key(self, revision: RevisionInfo | None, text: str) -> Hashable:
        chosen, number = self.settings, None if revision is None else revision.number
        shaping = (chosen.k, chosen.where, chosen.similarity_threshold, chosen.aggregation, chosen.prototypes)
        return (number, self.templates, text, *shaping)

    def _find(self, texts: Sequence[str], revision: RevisionInfo | None) -> Iterator[TextEvidence]:
        if not texts:
            return
        settings = self.settings
        prompts = prompts_named(self.templates)
        embeddings = _finite(embed_classes(self.clip, texts, prompts), texts, self.clip)
        queries = embeddings
        if self.key_encoder is not self.clip:
            queries = _finite(embed_classes(self.key_encoder, texts, prompts), texts, self.key_encoder)
        taught = None
        state = (None if revision is None else revision.number, settings.where)
        if state not in self.cache.learned:
            self.cache.learned[state] = holds_examples(self.source, queries, settings)
        if self.cache.learned[state]:
            taught = look_up_examples(self.source, queries, settings)
        where = settings.where if taught is None else without_examples(settings.where)
        retrieved = _retrieve(self.source, queries, settings, where)
        for place, (text, embedding, query) in enumerate(zip(texts, embeddings, queries, strict=True)):
            used = _usable(next(retrieved), settings.similarity_threshold)
            looks = NOTHING_LEARNED if taught is None else taught[place]
            if len(looks.found.ids) and float(used.similarities.max(initial=-1)) < SAME_TEXT:
                # the bank drew other things only, and was shown this one
                used = chosen_of(used, np.arange(0))
            both = (looks.found, used)
            support = Support(
                text,
                query,
                ids=tuple(id_ for each in both for id_ in each.ids),
                similarities=np.concatenate([each.similarities for each in both]),
                infos=tuple(info for each in both for info in each.infos),
            )
            yield TextEvidence(embedding, _prototypes(used, settings), support, looks)


def _finite(embeddings: FloatArray, texts: Sequence[str], encoder: TextEncoder) -> FloatArray:
    """One text without numbers would leave its class, and every class after it, without a pixel."""
    broken = [text for text, row in zip(texts, embeddings, strict=True) if not np.isfinite(row).all()]
    if broken:
        raise ModelOutputError(
            f"the text encoder {encoder.identity.id} gave values that are not numbers for '{broken[0]}'; "
            "try another device (--device cpu)."
        )
    return embeddings


def _retrieve(
    source: PrototypeSource, queries: FloatArray, settings: SegmentSettings, where: Filter
) -> Iterator[Retrieved]:
    """Retrieve in batches, so that 500 classes of 350 vectors need not fit in memory together."""
    size = 16
    start = 0
    while start < len(queries):
        batch = source.nearest(queries[start : start + size], settings.k, where)
        yield from batch
        start += size
        largest = max((found.visuals.nbytes for found in batch), default=0)
        size = max(1, _QUERY_MEMORY // max(largest, 1))


def _usable(found: Retrieved, threshold: float | None) -> Retrieved:
    """Leave out vectors that are not finite, and those under the threshold.

    The nearest stays, and with it those that are as near: prototypes of one noun often share their
    text key, and which of them comes first says nothing.
    """
    keep = np.isfinite(found.visuals).all(axis=1) if len(found.ids) else np.zeros(0, dtype=bool)
    if not keep.all():
        logger.warning("left out %d prototypes that are not finite", int((~keep).sum()))
    if threshold is not None and keep.any():
        nearest = float(found.similarities[keep].max())
        keep &= found.similarities >= min(threshold, nearest - _SAME_TEXT_KEY)
    return chosen_of(found, np.flatnonzero(keep))


def _prototypes(used: Retrieved, settings: SegmentSettings) -> FloatArray:
    """Prototypes (P, D) of one text; zero vectors, which have no direction, are left out."""
    if not used.ids:
        return used.visuals
    rows = AGGREGATIONS[settings.aggregation].gather(used.visuals, used.similarities, settings.prototypes)
    kept: FloatArray = rows[np.linalg.norm(rows, axis=1) > 0]
    return kept
