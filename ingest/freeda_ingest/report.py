"""The progress of a run, and its report at the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from freeda_ingest.batches import BatchResult
from freeda_ingest.captions.records import Reject
from freeda_ingest.masks import DropReason
from freeda_store.records import Caption, RevisionInfo

SHOWN_NOTES = 20


@dataclass(frozen=True)
class IngestProgress:
    """Where a run is.

    Attributes:
        captions_done: distinct captions dealt with, those that the bank had included.
        captions_drawn: those drawn by this run, from which the speed follows.
        captions_total: how many there seem to be, None when nobody knows.
        prototypes: read so far by this run.
        stopping: Ctrl-C was pressed; the batch in hand is being finished.
    """

    captions_done: int = 0
    captions_drawn: int = 0
    captions_total: int | None = None
    prototypes: int = 0
    stopping: bool = False


ProgressCallback = Callable[[IngestProgress], None]


@dataclass(frozen=True)
class IngestReport:
    """What a run did.

    Attributes:
        captions: captions read, duplicates included; rejects are counted apart.
        duplicates: equal to an earlier caption of the input, not drawn again.
        done_before: distinct captions that the bank already had.
        written: captions drawn and stored by this run.
        without_nouns: captions with nothing to look for; not drawn.
        prototypes: stored by this run.
        undrawn: captions whose pictures cannot be used, e.g. with pixels that are not finite. They are
            not stored: the next run draws them again, this one does not.
        halved: how often a batch had to be halved to fit the device's memory.
        dropped: nouns that gave no prototype, by :class:`~freeda_ingest.masks.DropReason`.
        unknown_nouns: words that the preset's models do not know, with how often they came.
        cut_captions: captions with nouns beyond the text encoder's window.
        notes: the first few captions that were refused, cut or not drawn, in words.
        blank_lines: lines with nothing in them, skipped; known once all was read.
        rejected: records that are no caption.
        first_rejects: the first few of them.
        rejects_path: file with all of them, None when there are none or nowhere to write.
        seconds: duration of each stage. Stages overlap, so they may come to more than the whole.
        total_seconds: of the whole run.
        revision: what was committed, None when nothing was new or the run was interrupted before.
        interrupted: Ctrl-C ended the run; the same command goes on from here.
        refused: captions that the noun extractor does not read, as in another language; not drawn.
    """

    captions: int
    duplicates: int
    done_before: int
    written: int
    without_nouns: int
    prototypes: int
    undrawn: int
    halved: int
    dropped: Mapping[str, int]
    unknown_nouns: Mapping[str, int]
    cut_captions: int
    notes: tuple[str, ...]
    blank_lines: int
    rejected: int
    first_rejects: tuple[Reject, ...]
    rejects_path: Path | None
    seconds: Mapping[str, float]
    total_seconds: float
    revision: RevisionInfo | None
    interrupted: bool
    refused: int = 0

    @property
    def nouns_beyond_window(self) -> int:
        """Nouns that the text encoder never saw."""
        return self.dropped.get(DropReason.OUTSIDE_WINDOW, 0)


class Tally:
    """Adds up batches."""

    def __init__(self) -> None:
        self.done_before = 0
        self.written = 0
        self.without_nouns = 0
        self.refused = 0
        self.prototypes = 0
        self.undrawn = 0
        self.halved = 0
        self.sound = 0
        self.cut_captions = 0
        self.dropped: Counter[str] = Counter()
        self.unknown: Counter[str] = Counter()
        self.notes: list[str] = []
        self.seconds: dict[str, float] = {}

    @property
    def captions_done(self) -> int:
        """Distinct captions dealt with."""
        return self.done_before + self.written + self.without_nouns + self.refused + self.undrawn

    def add(self, result: BatchResult) -> None:
        """Count one computed batch."""
        self.done_before += sum(item.stored for item in result.batch)
        self.written += len(result.generations)
        self.without_nouns += len(result.without_nouns)
        self.refused += len(result.refused)
        self.prototypes += sum(len(generation.prototypes) for generation in result.generations)
        self.undrawn += len(result.undrawn)
        self.halved += result.halved
        self.sound += result.sound
        self.dropped.update(result.dropped)
        self.unknown.update(result.unknown)
        for name, took in result.seconds.items():
            self.seconds[name] = self.seconds.get(name, 0.0) + took
        for failed in (*result.refused, *result.undrawn):
            self._note(failed.caption, failed.reason)
        for generation in result.generations:
            self.cut_captions += bool(generation.notes)
            for note in generation.notes:
                self._note(generation.caption, note)

    def _note(self, caption: Caption, note: str) -> None:
        if len(self.notes) < SHOWN_NOTES:
            start = caption.text if len(caption.text) <= 60 else caption.text[:60] + "…"
            name = f"caption {caption.external_id}" if caption.external_id else f"'{start}'"
            self.notes.append(f"{name}: {note}")
