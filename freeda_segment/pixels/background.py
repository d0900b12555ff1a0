"""Background: which pixels belong to none of the classes (method, online stage 8).

By the bank, what the list of classes does not name competes with it as one more class would
(:mod:`freeda_segment.retrieval.competitors`). By a threshold, a strategy gives every pixel of a window a
background score, which is averaged over windows and resized like the score of a class; where it reaches the
best class, the pixel is background.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

from freeda_segment.errors import OptionError

if TYPE_CHECKING:
    import torch


OTHER = "other"
"""What pixels of no class are called in summaries and masks, where no class is called so."""

SHORT_LIST = 32
"""Up to so many classes AUTO takes a list for one that leaves much out.

No list of up to 22 classes was the worse for it in the tiny world (``benchmarks/open_lists.py``). Lists
of 59 and more are vocabularies of data sets, whose pixels all have a class.
"""


class BackgroundStrategy(StrEnum):
    """What a class has to be above.

    AUTO: as BANK for lists of at most :data:`SHORT_LIST` classes; for longer ones every pixel gets a class.
    BANK: the similarity with the bank's nouns that the list does not name.

    The others compare with a threshold:

    CONSTANT: the final score; the threshold competes as one more class.
    LOCAL: the highest local similarity, before the global one is added.
    WINNER: the local similarity of the class that wins with the global one added.
    """

    AUTO = "auto"
    BANK = "bank"
    CONSTANT = "constant"
    LOCAL = "local"
    WINNER = "winner"


@dataclass(frozen=True)
class Background:
    """A strategy, and the threshold of those that have one.

    Local similarities are sigmoids of cosines: 0.27 to 0.73, with 0.5 for no similarity. The
    authors use thresholds from 0.4 to 0.5.

    Raises:
        OptionError: unknown strategy, or a threshold outside 0..1.
    """

    strategy: BackgroundStrategy = BackgroundStrategy.CONSTANT
    threshold: float = 0.5

    @property
    def by_threshold(self) -> bool:
        """Whether the threshold counts."""
        return self.strategy in _WINDOW_BACKGROUNDS

    def by_bank(self, classes: int) -> bool:
        """Whether the bank's other nouns compete with so many classes."""
        if self.strategy == BackgroundStrategy.AUTO:
            return classes <= SHORT_LIST
        return self.strategy == BackgroundStrategy.BANK

    def __post_init__(self) -> None:
        if self.strategy not in list(BackgroundStrategy):
            names = ", ".join(BackgroundStrategy)
            raise OptionError(f"unknown background strategy '{self.strategy}'; choose one of {names}.")
        if not (math.isfinite(self.threshold) and 0 <= self.threshold <= 1):
            raise OptionError(f"background threshold is {self.threshold}; expected a number from 0 to 1.")

    def of_window(self, size_hw: tuple[int, int]) -> WindowBackground:
        """Start the background of one window."""
        return _WINDOW_BACKGROUNDS[BackgroundStrategy(self.strategy)](size_hw, self.threshold)


class WindowBackground(Protocol):
    """The background of one window; it observes the classes a few at a time."""

    def observe(self, local_chw: torch.Tensor, scores_chw: torch.Tensor) -> None:
        """Take in the local similarities and final scores of some classes, float32 (c, H, W)."""

    def score(self) -> torch.Tensor:
        """The background score of each pixel, float32 (H, W)."""


class _Constant:
    def __init__(self, size_hw: tuple[int, int], threshold: float) -> None:
        self._size_hw, self._threshold = size_hw, threshold

    def observe(self, local_chw: torch.Tensor, scores_chw: torch.Tensor) -> None:
        """Nothing to learn."""

    def score(self) -> torch.Tensor:
        import torch

        return torch.full(self._size_hw, self._threshold)


class _Local:
    def __init__(self, size_hw: tuple[int, int], threshold: float) -> None:
        import torch

        self._threshold = threshold
        self._highest = torch.full(size_hw, -torch.inf)

    def observe(self, local_chw: torch.Tensor, scores_chw: torch.Tensor) -> None:
        """Keep the highest local similarity."""
        self._highest = self._highest.maximum(local_chw.amax(0))

    def score(self) -> torch.Tensor:
        return (self._highest < self._threshold).float()


class _Winner:
    def __init__(self, size_hw: tuple[int, int], threshold: float) -> None:
        import torch

        self._threshold = threshold
        self._best = torch.full(size_hw, -torch.inf)
        self._local_of_best = torch.full(size_hw, -torch.inf)

    def observe(self, local_chw: torch.Tensor, scores_chw: torch.Tensor) -> None:
        """Keep the local similarity of the class with the highest score."""
        import torch

        best, index = scores_chw.max(0)
        local = local_chw.gather(0, index[None])[0]
        self._local_of_best = torch.where(best > self._best, local, self._local_of_best)
        self._best = self._best.maximum(best)

    def score(self) -> torch.Tensor:
        return (self._local_of_best < self._threshold).float()


class _MakeWindowBackground(Protocol):
    def __call__(self, size_hw: tuple[int, int], threshold: float) -> WindowBackground: ...


_WINDOW_BACKGROUNDS: Mapping[BackgroundStrategy, _MakeWindowBackground] = MappingProxyType(
    {
        BackgroundStrategy.CONSTANT: _Constant,
        BackgroundStrategy.LOCAL: _Local,
        BackgroundStrategy.WINNER: _Winner,
    }
)
