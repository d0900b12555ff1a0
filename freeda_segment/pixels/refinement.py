"""Refinement of borders (method, online stage 9): which kinds there are, and their settings.

Add one by adding a class to :data:`REFINEMENTS` and its name to ``freeda_models.segmentation``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import ClassVar

from freeda_segment.errors import OptionError

NO_REFINEMENT = "none"
"""What a preset or an option says for scores to be taken as they are."""


@dataclass(frozen=True)
class Pamr:
    """PAMR as published: every class, over the whole of every window. Slow on a CPU.

    Attributes:
        iterations: rounds.
        dilations: distances of the neighbours, in pixels of the working picture.

    Raises:
        OptionError: no round, no distance, or a distance below 1.
    """

    name: ClassVar[str] = "pamr"
    iterations: int = 10
    dilations: tuple[int, ...] = (1, 2, 4, 8, 12, 24)

    def __post_init__(self) -> None:
        _check_pamr(self.iterations, self.dilations)


@dataclass(frozen=True)
class RandomWalk:
    """A random walk over the superpixels of a window, then PAMR along the borders alone.

    See :mod:`freeda_segment.pixels.random_walk`. The defaults were chosen on rendered scenes of twelve
    objects, none of which is among the scenes that figures are reported on; across a wide range they matter
    little.

    Attributes:
        step: colour difference at which the tie of two touching superpixels falls to 1/e, in CIELAB units:
            the mean of the difference of their mean colours and of that along their border.
        likeness: deviation of the colour difference of superpixels that are near each other, in CIELAB units.
        near: tie of such a pair for each two cells of tokens that they fill, against that of touching along
            the side of one cell.
        reach: what is near, in tokens.
        tie: that of touching along the side of a token's cell, against the evidence of one token.
        sure: by how much a superpixel's best class has to lead for its evidence to count fully.
        iterations, dilations: of PAMR along the borders; no iteration leaves it out.

    Raises:
        OptionError: a number outside its range.
    """

    name: ClassVar[str] = "walk"
    step: float = 3.0
    likeness: float = 1.5
    near: float = 0.7
    reach: int = 2
    tie: float = 3.2
    sure: float = 0.03
    iterations: int = 3
    dilations: tuple[int, ...] = (1, 2)

    def __post_init__(self) -> None:
        for name in ("step", "likeness", "sure"):
            if not 0 < getattr(self, name) < float("inf"):
                raise OptionError(f"the walk's {name} is {getattr(self, name)}; expected a number above 0.")
        for name in ("near", "reach", "tie"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise OptionError(f"the walk's {name} is {getattr(self, name)}; expected at least 0.")
        if self.iterations:
            _check_pamr(self.iterations, self.dilations)


Refinement = Pamr | RandomWalk

REFINEMENTS: Mapping[str, Callable[[], Refinement]] = MappingProxyType(
    {RandomWalk.name: RandomWalk, Pamr.name: Pamr}
)
"""Kinds of refinement, by name."""


def parse_refinement(name: str) -> Refinement | None:
    """The refinement of a preset or an option, with its default settings; None for none.

    Raises:
        OptionError: there is none of this name.
    """
    if name == NO_REFINEMENT:
        return None
    if name not in REFINEMENTS:
        raise OptionError(f"unknown refinement '{name}'; choose one of {', '.join([*REFINEMENTS, 'none'])}.")
    return REFINEMENTS[name]()


def between_masks(refinement: Refinement | None) -> Refinement | None:
    """The refinement of a picture that proposed masks divide: scores walk, masks keep their borders."""
    return replace(refinement, iterations=0) if isinstance(refinement, RandomWalk) else refinement


def _check_pamr(iterations: int, dilations: tuple[int, ...]) -> None:
    if iterations < 1 or not dilations or min(dilations) < 1:
        raise OptionError("PAMR needs at least one iteration and dilations of at least 1.")
