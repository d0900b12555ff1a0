"""PAMR, pixel-adaptive mask refinement (Araslanov and Roth, CVPR 2020; method, online stage 9).

Each pixel's scores become a mean of its neighbours' scores, weighted by how alike their colours
are; ten rounds of it, over the eight neighbours at each of six distances. Slow on a CPU.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from freeda_segment.errors import OptionError

if TYPE_CHECKING:
    import torch

_AROUND = tuple((y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if (y, x) != (0, 0))
_SHARPNESS = 0.1
_TINY = 1e-8


@dataclass(frozen=True)
class Refinement:
    """Settings of PAMR.

    Attributes:
        iterations: rounds.
        dilations: distances of the neighbours, in pixels of the working picture.

    Raises:
        OptionError: no round, no distance, or a distance below 1.
    """

    iterations: int = 10
    dilations: tuple[int, ...] = (1, 2, 4, 8, 12, 24)

    def __post_init__(self) -> None:
        if self.iterations < 1 or not self.dilations or min(self.dilations) < 1:
            raise OptionError("PAMR needs at least one iteration and dilations of at least 1.")


def refine(image_3hw: torch.Tensor, scores_chw: torch.Tensor, settings: Refinement) -> torch.Tensor:
    """Refine scores along the colours of the picture.

    Args:
        image_3hw: float32 (3, H, W); its scale does not matter.
        scores_chw: float32 (C, H, W); classes do not influence each other.
        settings: rounds and distances.

    Returns:
        float32 (C, H, W).
    """
    import torch

    weights = _affinity(image_3hw, settings.dilations)
    for _ in range(settings.iterations):
        refined = torch.zeros_like(scores_chw)
        for neighbour, weight in zip(_neighbours(scores_chw, settings.dilations), weights, strict=True):
            refined.addcmul_(neighbour, weight)
        scores_chw = refined
    return scores_chw


def _affinity(image_3hw: torch.Tensor, dilations: tuple[int, ...]) -> torch.Tensor:
    """Weight of each neighbour for each pixel, summing to 1: float32 (8 * distances, H, W)."""
    import torch

    deviation = _local_deviation(image_3hw, dilations)
    unlike = [
        ((image_3hw - neighbour).abs() / (_TINY + _SHARPNESS * deviation)).mean(0)
        for neighbour in _neighbours(image_3hw, dilations)
    ]
    return torch.softmax(-torch.stack(unlike), dim=0)


def _local_deviation(image_3hw: torch.Tensor, dilations: tuple[int, ...]) -> torch.Tensor:
    """Standard deviation of each channel over the neighbours, the pixel counted once per distance."""
    import torch

    copies = len(dilations)
    count = copies * (len(_AROUND) + 1)
    total = image_3hw * copies
    for neighbour in _neighbours(image_3hw, dilations):
        total = total + neighbour
    mean = total / count
    squares = (image_3hw - mean).square() * copies
    for neighbour in _neighbours(image_3hw, dilations):
        squares = squares + (neighbour - mean).square()
    return torch.sqrt(squares / (count - 1))


def _neighbours(values_chw: torch.Tensor, dilations: tuple[int, ...]) -> Iterator[torch.Tensor]:
    """Views of (C, H, W) shifted to each neighbour; beyond the edge lies the edge's own value."""
    import torch.nn.functional as F

    margin = max(dilations)
    height, width = values_chw.shape[1:]
    padded = F.pad(values_chw[None], [margin] * 4, mode="replicate")[0]
    for distance in dilations:
        for y, x in _AROUND:
            top, left = margin + y * distance, margin + x * distance
            yield padded[:, top : top + height, left : left + width]
