"""What moves when a bank is shared: committed revisions, in parts small enough to hold in memory.

A bank, an archive and a dataset repository are all a :class:`Source` and, the other way, a
:class:`Sink`. Copying keeps the ids of revisions and prototypes, so that every version shows the same
prototypes on both sides and a later copy need only bring the revisions that are new.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from freeda_store.fields import Holder, thumbnails_of
from freeda_store.history import RevisionRecord
from freeda_store.manifest import Manifest
from freeda_store.records import Caption, FloatArray, Origin, Prototype

HalfArray = NDArray[np.float16]

PART_GENERATIONS = 256
"""Generations in one part; with their vectors and thumbnails some tens of megabytes."""


@dataclass(frozen=True)
class SharedGeneration:
    """A drawn caption.

    Attributes:
        key: names the caption and seed.
        complete: False when a repair found some of its prototypes lost.
        prototypes: those that are left, in the order of their ids.
    """

    key: UUID
    caption: Caption
    seed: int
    picture_key: str
    notes: tuple[str, ...]
    complete: bool
    prototypes: tuple[Prototype, ...]
    origin: str = Origin.GENERATED.value


@dataclass(frozen=True, eq=False)
class Part:
    """Some generations of one revision, in the order of their keys.

    Attributes:
        generations: ``PART_GENERATIONS`` of them, fewer only in the last part of a revision. So every
            source cuts a revision at the same places, and a copy that stopped can be continued.
        texts: float32 (N, D_text), unit length, zeros for a prototype without a noun; N counts the prototypes
            of the generations, in their order.
        visuals: float16 (N, D_visual), as the bank holds them.
        thumbnails: bytes of the pictures and maps, by key; a missing one is left out.
        semantics: float16 (N, D_clip), zeros for prototypes that have none; None where none has any.
    """

    generations: tuple[SharedGeneration, ...]
    texts: FloatArray
    visuals: HalfArray
    thumbnails: Mapping[str, bytes]
    semantics: HalfArray | None = None

    @property
    def prototypes(self) -> tuple[Prototype, ...]:
        """All prototypes, one per row of ``texts`` and ``visuals``."""
        return tuple(prototype for generation in self.generations for prototype in generation.prototypes)

    @property
    def thumbnail_keys(self) -> Sequence[str]:
        """Keys of all its pictures and maps, those that are missing included."""
        return thumbnail_keys(self.generations)

    @property
    def size_bytes(self) -> int:
        """Bytes of its vectors and thumbnails."""
        semantics = 0 if self.semantics is None else self.semantics.nbytes
        vectors = self.texts.nbytes + self.visuals.nbytes + semantics
        return vectors + sum(map(len, self.thumbnails.values()))


def thumbnail_keys(generations: Iterable[SharedGeneration]) -> Sequence[str]:
    """Keys of all pictures and maps of generations, each once; of those never kept there is none."""
    keys: dict[str, None] = {}
    for generation in generations:
        keys |= dict.fromkeys(thumbnails_of(Holder.GENERATION, generation))
        for prototype in generation.prototypes:
            keys |= dict.fromkeys(thumbnails_of(Holder.PROTOTYPE, prototype))
    return [key for key in keys if key]


class Source(Protocol):
    """Where revisions come from. Only committed revisions are seen."""

    @property
    def name(self) -> str:
        """What to call it in messages."""

    def manifest(self) -> Manifest:
        """What made the bank."""

    def records(self) -> Sequence[RevisionRecord]:
        """The committed revisions, oldest first, with their ids, numbers, parents and times."""

    def tags(self) -> Mapping[str, int]:
        """Ids of committed revisions by tag."""

    def parts(self, revision: int, skip: int = 0) -> Iterator[Part]:
        """What a revision added, after leaving out the first ``skip`` parts unread.

        Raises:
            BankDamagedError: something it should hold is gone or altered.
        """

    def retirements(self, revision: int) -> Sequence[UUID]:
        """Prototypes that a revision retired, in the order of their ids."""


class Sink(Protocol):
    """Where revisions go. A revision counts only after :meth:`finish`; a dead copy leaves no trace."""

    @property
    def name(self) -> str:
        """What to call it in messages."""

    def records(self) -> Sequence[RevisionRecord]:
        """The revisions it has, oldest first."""

    def tags(self) -> Mapping[str, int]:
        """The tags it has: ids of revisions."""

    def expect(self, records: Sequence[RevisionRecord]) -> None:
        """What will be begun, oldest first; called once, before anything is read.

        Raises:
            BankError: they cannot come in.
        """

    def begin(self, record: RevisionRecord) -> int:
        """Start, or resume, a revision; returns how many parts of it are there already."""

    def add(self, part: Part) -> None:
        """Store one more part of the revision that was begun."""

    def finish(self, retirements: Sequence[UUID]) -> None:
        """Make the revision count, with what it retired."""

    def end(self, tags: Mapping[str, int]) -> None:
        """Set these tags, keeping the others it has, and finish whatever there is to finish once."""
