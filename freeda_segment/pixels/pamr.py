"""PAMR, pixel-adaptive mask refinement (Araslanov and Roth, CVPR 2020; method, online stage 9).

Each pixel's scores become a mean of its neighbours' scores, weighted by how alike their colours are; some
rounds of it, over the eight neighbours at each of some distances. :func:`refine` does so for all pixels, as
published; :class:`PixelMixing` for some, which is what a border needs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from freeda_models.protocols import BoolArray, FloatArray, ImageArray, IndexArray

if TYPE_CHECKING:
    import torch

AROUND = tuple((y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if (y, x) != (0, 0))
"""The eight directions, as steps of rows and columns."""

_SHARPNESS = 0.1
_TINY = 1e-8
_BLOCK = 16_384
"""Pixels whose neighbours' colours are looked at together, so that they stay in the cache."""


def refine(
    image_3hw: torch.Tensor, scores_chw: torch.Tensor, iterations: int, dilations: tuple[int, ...]
) -> torch.Tensor:
    """Refine scores along the colours of the picture.

    Args:
        image_3hw: float32 (3, H, W); its scale does not matter.
        scores_chw: float32 (C, H, W); classes do not influence each other.
        iterations: rounds.
        dilations: distances of the neighbours, in pixels.

    Returns:
        float32 (C, H, W).
    """
    import torch

    weights = _affinity(image_3hw, dilations)
    for _ in range(iterations):
        refined = torch.zeros_like(scores_chw)
        for neighbour, weight in zip(_neighbours(scores_chw, dilations), weights, strict=True):
            refined.addcmul_(neighbour, weight)
        scores_chw = refined
    return scores_chw


class PixelMixing:
    """PAMR of some pixels; the others keep their scores and are only looked at.

    With all pixels chosen it is :func:`refine`.

    Args:
        image_hwc: uint8 (H, W, 3).
        chosen_hw: bool (H, W), which pixels.
        dilations: as for :func:`refine`.
    """

    def __init__(self, image_hwc: ImageArray, chosen_hw: BoolArray, dilations: tuple[int, ...]) -> None:
        from scipy.sparse import csr_matrix

        chosen = np.flatnonzero(chosen_hw)
        neighbours = _neighbour_indices(chosen, chosen_hw.shape, dilations)
        involved = chosen_hw.copy().ravel()
        involved[neighbours] = True
        number = np.cumsum(involved, dtype=np.int32) - np.int32(1)
        colours = np.ascontiguousarray(image_hwc.reshape(-1, 3).T, dtype=np.float32)
        weights = np.empty(neighbours.shape, dtype=np.float32)
        for start in range(0, len(chosen), _BLOCK):
            part = slice(start, start + _BLOCK)
            near = colours[:, neighbours[part]]
            weights[part] = _pixel_affinity(colours[:, chosen[part]], near, len(dilations))
        starts = np.arange(len(chosen) + 1, dtype=np.int32) * np.int32(neighbours.shape[1])
        shape = (len(chosen), int(np.count_nonzero(involved)))
        self._mixing = csr_matrix((weights.ravel(), number[neighbours].ravel(), starts), shape=shape)
        self._involved, self._chosen, self._among = np.flatnonzero(involved), chosen, number[chosen]

    def apply(self, scores_chw: torch.Tensor, iterations: int) -> None:
        """Refine scores in place: float32 (C, H, W), contiguous."""
        flat_cn = scores_chw.numpy().reshape(len(scores_chw), -1)
        scores_nc = np.ascontiguousarray(flat_cn[:, self._involved].T)
        for _ in range(iterations):
            scores_nc[self._among] = self._mixing @ scores_nc
        flat_cn[:, self._chosen] = scores_nc[self._among].T


def _neighbour_indices(
    pixels: IndexArray, size_hw: tuple[int, ...], dilations: tuple[int, ...]
) -> np.ndarray[tuple[int, int], np.dtype[np.int32]]:
    """Flat index of each neighbour: int32 (N, 8 * distances); beyond the edge lies the edge."""
    steps = np.array([(y * distance, x * distance) for distance in dilations for y, x in AROUND], np.int32)
    rows, columns = np.divmod(pixels.astype(np.int32), np.int32(size_hw[1]))
    near_rows = np.clip(rows[:, None] + steps[:, 0], 0, size_hw[0] - 1)
    near_columns = np.clip(columns[:, None] + steps[:, 1], 0, size_hw[1] - 1)
    indices: np.ndarray[tuple[int, int], np.dtype[np.int32]] = near_rows * size_hw[1] + near_columns
    return indices


def _pixel_affinity(own_3n: FloatArray, near_3nk: FloatArray, distances: int) -> FloatArray:
    """Weight of each neighbour for each pixel, summing to 1: float32 (N, K)."""
    count = distances * (len(AROUND) + 1)
    unlike = np.zeros(near_3nk.shape[1:], dtype=np.float32)
    for own, near in zip(own_3n, near_3nk, strict=True):
        change = near - own[:, None]
        mean = change.sum(axis=1) / np.float32(count)
        squares = np.einsum("nk,nk->n", change, change) / np.float32(count)
        variance = np.maximum(squares - mean**2, 0) * np.float32(count / (count - 1))
        np.abs(change, out=change)
        change /= (np.float32(_TINY) + np.float32(_SHARPNESS) * np.sqrt(variance))[:, None]
        unlike += change
    unlike *= np.float32(1 / 3)
    weights: FloatArray = np.exp(unlike.min(axis=1, keepdims=True) - unlike)
    weights /= weights.sum(axis=1, keepdims=True)
    return weights


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
    count = copies * (len(AROUND) + 1)
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
        for y, x in AROUND:
            top, left = margin + y * distance, margin + x * distance
            yield padded[:, top : top + height, left : left + width]
