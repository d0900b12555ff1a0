"""The values that cross from a run to an executor and back: a batch of captions, and what came of it.

Both are plain data that can be sent to another process.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field

from freeda_store.records import Caption, NewGeneration

_SHOWN = 60


@dataclass(frozen=True)
class SeededCaption:
    """A caption on its way through the stages.

    Attributes:
        caption: what to draw.
        seed: the seed its picture is drawn with.
        stored: the bank has it already. It is drawn again only beside others that are missing, since
            rounding depends on what a batch holds.
    """

    caption: Caption
    seed: int
    stored: bool = False

    @property
    def place(self) -> str:
        """Names it in messages: its id, if it has one, and how it begins."""
        text = self.caption.text
        short = text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
        told = f"'{short}'"
        return f"caption {self.caption.external_id} ({told})" if self.caption.external_id else told


@dataclass(frozen=True)
class Undrawn:
    """A caption that was not drawn, and why: ``reason`` is a few words."""

    caption: Caption
    reason: str


Results = Generator["BatchResult", None, None]
"""Results of batches, in any order; it can be closed early."""


@dataclass(frozen=True)
class BatchResult:
    """What came of a batch.

    Attributes:
        generations: one for each caption that has nouns and is not stored, in the order given, even when
            every noun of it was dropped, so that nobody draws it again.
        without_nouns: the captions that have none; they are not drawn.
        dropped: nouns that gave no prototype, by reason.
        unknown: nouns that the models do not know, with how often they came.
        seconds: duration of each stage; ``load`` is what the first batch waits for.
        batch: the captions that it came of, those that were stored included.
        undrawn: captions whose pictures cannot be used. They are not stored, so that a later run,
            perhaps on another device, draws them; this one does not try again.
        halved: how often a batch had to be halved to fit the device's memory.
        sound: usable pictures, those of stored captions included.
        refused: captions that the noun extractor does not read, as in another language; they are not drawn.
    """

    generations: tuple[NewGeneration, ...]
    without_nouns: tuple[Caption, ...] = ()
    dropped: Mapping[str, int] = field(default_factory=dict)
    unknown: Mapping[str, int] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    batch: tuple[SeededCaption, ...] = ()
    undrawn: tuple[Undrawn, ...] = ()
    halved: int = 0
    sound: int = 0
    refused: tuple[Undrawn, ...] = ()
