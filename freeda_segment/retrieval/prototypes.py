"""Class prototypes: what a bank knows of each class (method, online stage 1 to 3).

Retrieval happens in the bank's key space, which need not be CLIP's; the global similarity is always
CLIP's. A class with several texts is a union: it has the prototypes and embeddings of all of them,
and the most similar one counts (unless an aggregation pools them otherwise).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from freeda_models.protocols import BoolArray, FloatArray, IndexArray
from freeda_models.unit_vectors import normalised
from freeda_segment.classes import ClassName
from freeda_segment.errors import ModelOutputError, NoPrototypesError
from freeda_segment.retrieval.aggregation import AGGREGATIONS, Pooling, pool_max, pool_mean, vote
from freeda_segment.retrieval.bank_nouns import BankNouns
from freeda_segment.retrieval.competitors import Competitors
from freeda_segment.retrieval.learned_classes import LearnedClasses
from freeda_segment.retrieval.lookup import Support, TextLookup
from freeda_store import Filter
from freeda_store.records import RevisionInfo

if TYPE_CHECKING:
    from freeda_segment.settings import SegmentSettings


@dataclass(frozen=True, eq=False)
class ClassPrototypes:
    """Classes ready to be compared with pictures.

    Attributes:
        classes: in the order of the label map's indices.
        vectors: float32 (P, D), L2-normalised prototypes, class after class; at least one per class.
        vector_starts: int64 (C,), where each class's prototypes start.
        embeddings: float32 (T, D_clip), L2-normalised CLIP embeddings, class after class.
        embedding_starts: int64 (C,), where each class's embeddings start.
        support: for each class, one :class:`Support` per text.
        notes: what a person should know.
        pooling: how the similarities to the prototypes of a class become one.
        text_starts: int64 (T',), where the prototypes of each text start; needed for ``MEAN``.
        voters: how many prototypes vote, for ``VOTE``.
        revision: that the bank showed when it was asked.
        settings: that the bank was asked with; None when made by hand.
        competitors: what may compete with the classes and is none of them; None for nothing.
        nouns: of the bank, named or not; None when they were not asked for.
        vector_texts: int64 (P,), of which text each prototype is, as a row of ``embeddings``.
        learned: what was learned of the classes from pictures; None where nothing was.
        mute: bool (T,), texts whose words say nothing to CLIP, and of which something was learned: to CLIP a
            window speaks of them as much as of the text that it speaks of most. None for none.
        unheld: bool (T,), texts for which the bank holds nothing, whatever is nearest to them: they resemble
            no region. None where all count.
        queries: float32 (T, D_text), embeddings of the texts in the bank's key space.
        unheld_cosine: what their similarity with every region is; -1 lets them have none, more leaves it to
            the neighbours of regions.
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
    revision: RevisionInfo | None = None
    settings: SegmentSettings | None = None
    competitors: Competitors | None = None
    nouns: BankNouns | None = None
    vector_texts: IndexArray | None = None
    learned: LearnedClasses | None = None
    mute: BoolArray | None = None
    unheld: BoolArray | None = None
    unheld_cosine: float = -1.0
    queries: FloatArray | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the classes."""
        return tuple(each.name for each in self.classes)

    @property
    def supports(self) -> tuple[Support, ...]:
        """What is behind each text, class after class: one for each row of ``embeddings``."""
        return tuple(each for texts in self.support for each in texts)

    def local_cosines(self, features_nd: FloatArray) -> FloatArray:
        """L2-normalised features (N, D) to float32 (N, C): cosine with each class, see ``pooling``.

        Of a class that was drawn and learned, the higher one counts.

        Raises:
            ModelOutputError: features and prototypes have different lengths.
        """
        _check_lengths(features_nd, self.vectors)
        drawn = self._drawn_cosines(features_nd)
        if self.learned is None:
            return drawn
        drawn[:, self.learned.undrawn] = -1
        higher: FloatArray = np.maximum(drawn, self.learned.cosines(features_nd))
        return higher

    def _drawn_cosines(self, features_nd: FloatArray) -> FloatArray:
        if self.pooling is Pooling.VOTE:
            return vote(features_nd, self.vectors, self.vector_starts, self.voters)
        cosines = features_nd @ self.vectors.T
        if self.unheld is not None:
            cosines[:, self.unheld[self.vector_texts]] = self.unheld_cosine
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
        cosines = embeddings_nd @ self.embeddings.T
        if self.unheld is not None and self.unheld_cosine == -1:
            cosines[:, self.unheld] = -1
        if self.mute is not None:
            heard = cosines[:, ~self.mute].max(axis=1, keepdims=True, initial=-1)
            cosines[:, self.mute] = heard
        return pool_max(cosines, self.embedding_starts)


def _check_lengths(features: FloatArray, rows: FloatArray) -> None:
    if features.shape[1] != rows.shape[1]:
        raise ModelOutputError(
            f"features have {features.shape[1]} numbers and the bank's vectors {rows.shape[1]}; "
            "use the preset that made the bank."
        )


def build_prototypes(
    classes: Sequence[ClassName],
    lookup: TextLookup,
    notes: tuple[str, ...] = (),
) -> ClassPrototypes:
    """Join what the bank knows of the classes' texts.

    Args:
        classes: at least one.
        lookup: embeds and retrieves texts; its settings count here.
        notes: passed on.

    Raises:
        NoPrototypesError: names the classes for which nothing usable came back.
    """
    settings = lookup.settings
    pooling = AGGREGATIONS[settings.aggregation].pooling
    texts = [text for each in classes for text in each.texts]
    owners = np.repeat(np.arange(len(classes)), [len(each.texts) for each in classes])
    vectors: list[FloatArray] = []
    owner_of_vector: list[int] = []
    text_of_vector: list[int] = []
    text_starts: list[int] = []
    support: list[list[Support]] = [[] for _ in classes]
    looked_up = lookup(texts)
    for text, (owner, found) in enumerate(zip(owners, looked_up.evidence, strict=True)):
        rows = found.rows
        if pooling is Pooling.VOTE:  # examples vote as all others do
            rows = np.concatenate([rows.reshape(-1, found.looks.shape[1]), found.looks])
        elif not len(rows):
            rows = found.looks[:1]
        if len(rows):
            text_starts.append(len(vectors))
        vectors += list(rows)
        owner_of_vector += [int(owner)] * len(rows)
        text_of_vector += [text] * len(rows)
        support[owner].append(found.support)
    _refuse_empty(classes, owner_of_vector, settings.where)
    return ClassPrototypes(
        classes=tuple(classes),
        vectors=normalised(np.stack(vectors)),
        vector_starts=np.searchsorted(owner_of_vector, np.arange(len(classes))),
        embeddings=np.stack([found.embedding for found in looked_up.evidence]),
        embedding_starts=np.searchsorted(owners, np.arange(len(classes))),
        support=tuple(tuple(each) for each in support),
        notes=notes,
        pooling=pooling,
        text_starts=np.array(text_starts, dtype=np.int64),
        voters=settings.neighbours,
        revision=looked_up.revision,
        settings=settings,
        vector_texts=np.array(text_of_vector, dtype=np.int64),
        learned=None if pooling is Pooling.VOTE else LearnedClasses.of(owners, looked_up.evidence),
        queries=np.stack([found.support.query for found in looked_up.evidence]),
    )


def _refuse_empty(classes: Sequence[ClassName], owner_of_vector: Sequence[int], where: Filter) -> None:
    missing = sorted(set(range(len(classes))) - set(owner_of_vector))
    if not missing:
        return
    named = ", ".join(f"'{classes[index].name}'" for index in missing[:5])
    more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
    filtered = f" under the filter '{where}'" if str(where) else ""
    advice = "widen the filter" if filtered else "ingest captions first (freeda ingest)"
    raise NoPrototypesError(f"the bank has no usable prototype for {named}{more}{filtered}; {advice}.")
