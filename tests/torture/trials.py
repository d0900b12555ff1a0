"""What a kind of torture gives: trials that can be repeated one by one, and what went wrong in each."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


@dataclass
class Trial:
    """One thing that was done to freeda.

    Attributes:
        kind: kills, damages, disks or inputs.
        number: with the seed, it names the trial for ever.
        story: what was done, in a few words.
        faults: what freeda did that it must not do; empty when it held.
        result: in a word, what came of it; the reports count these.
        seconds: the longest that a command took.
        memory: the most that a command held, in bytes.
    """

    kind: str
    number: int
    story: str = ""
    faults: list[str] = field(default_factory=list)
    result: str = ""
    seconds: float = 0.0
    memory: int = 0


def rng_of(kind: str, seed: int, number: int) -> np.random.Generator:
    """The same numbers for the same trial, whichever trials run before it."""
    return np.random.default_rng([seed, number, *kind.encode()])
