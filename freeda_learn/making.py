"""What a run makes of pictures: the words between reading them and writing what comes of them."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, Protocol, TypeVar
from uuid import UUID

from freeda_learn.examples import Rejected
from freeda_learn.pictures import LearnPicture
from freeda_models.protocols import ImageArray
from freeda_store import Filter
from freeda_store.records import NewGeneration


class Pictured(Protocol):
    """Something to be learned of one picture."""

    @property
    def picture(self) -> Path | ImageArray:
        """Path of its file, or uint8 (H, W, 3) RGB."""

    @property
    def place(self) -> str:
        """Names it in messages."""


T = TypeVar("T", bound=Pictured)
TakenT = TypeVar("TakenT", bound=Pictured, contravariant=True)


@dataclass(frozen=True, eq=False)
class Read(Generic[T]):
    """Something to be learned, whose picture was read.

    Attributes:
        item: what is to be learned.
        picture: its picture; one object for all that is learned of it.
        seed: names it by its content, 0 to 2**63 - 1; it stands where drawings have the seed of their noise.
        by: who marked or gave it.
        thumbnails: whether the picture is kept.
    """

    item: T
    picture: LearnPicture
    seed: int
    by: str = ""
    thumbnails: bool = True

    @property
    def place(self) -> str:
        """Names it in messages."""
        return self.item.place


@dataclass(frozen=True, eq=False)
class Extracted:
    """What a batch came to.

    Attributes:
        generations: in the order of their items.
        rejected: those that cannot be used.
        seconds: of each stage.
    """

    generations: tuple[NewGeneration, ...]
    rejected: tuple[Rejected, ...]
    seconds: Mapping[str, float] = field(default_factory=dict)


class Naming(Protocol[TakenT]):
    """How things to be learned are known again."""

    @property
    def known(self) -> Filter:
        """Finds a prototype of each that a bank has."""

    def seed(self, item: TakenT, digest: str) -> int:
        """Names one by its content.

        Args:
            item: what is to be learned.
            digest: SHA-256 of its picture's file, in hex.
        """

    def key(self, item: TakenT, digest: str) -> UUID:
        """Of the generation that is made of it."""


@dataclass(frozen=True)
class Turns:
    """What threads wait for that share networks.

    Attributes:
        networks: entered while a network is asked.
        regions: entered while regions are found.
    """

    networks: AbstractContextManager[object] = field(default_factory=nullcontext)
    regions: AbstractContextManager[object] = field(default_factory=nullcontext)

    @classmethod
    def taken(cls) -> Turns:
        """One thread at a time."""
        return cls(threading.Lock(), threading.Lock())


class Maker(Protocol[T]):
    """Makes generations of pictures."""

    def shared(self) -> Maker[T]:
        """The same for several threads: one at a time asks the networks, and what finds regions."""

    def extract(self, batch: Sequence[Read[T]]) -> Extracted:
        """Prototypes of a batch, from nothing but it: any process may compute it.

        Args:
            batch: what is to be learned, that of one picture with the same :class:`LearnPicture`.

        Raises:
            ModelOutputError: a network gave values that are not finite.
        """
