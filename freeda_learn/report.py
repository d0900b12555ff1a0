"""How far a run is, and what it did."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from freeda_learn.examples import Rejected
from freeda_store.records import RevisionInfo


@dataclass(frozen=True)
class LearnProgress:
    """Where a run is.

    Attributes:
        done: examples dealt with, those that the bank had and those that cannot be used included.
        learned: examples learned by this run.
        total: how many there seem to be, None when nobody knows.
        stopping: Ctrl-C was pressed; the batch in hand is being finished.
    """

    done: int = 0
    learned: int = 0
    total: int | None = None
    stopping: bool = False


LearnProgressCallback = Callable[[LearnProgress], None]


@dataclass(frozen=True)
class LearnReport:
    """What a run did.

    Attributes:
        examples: examples, or pictures without any, that were given.
        learned: those stored by this run, by class; pictures whose regions nobody named under ``""``.
        done_before: those that the bank had.
        prototypes: prototypes stored by this run.
        rejected: those that cannot be used.
        first_rejected: the first of them.
        seconds: of each stage; they overlap.
        total_seconds: of the whole run.
        revision: what was committed; None when nothing was new or the run was interrupted.
        interrupted: Ctrl-C ended the run; the same command goes on from here.
    """

    examples: int
    learned: Mapping[str, int]
    done_before: int
    prototypes: int
    rejected: int
    first_rejected: tuple[Rejected, ...]
    seconds: Mapping[str, float]
    total_seconds: float
    revision: RevisionInfo | None
    interrupted: bool = False

    @property
    def in_vain(self) -> bool:
        """Whether there was something, and nothing of it could be used."""
        return self.rejected > 0 and not (self.learned or self.done_before or self.interrupted)
