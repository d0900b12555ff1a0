"""Where one grid samples another, axis by axis: pixels, patches and cells of masks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from freeda_models.protocols import FloatArray, IndexArray

N = TypeVar("N", bound=np.generic)


@dataclass(frozen=True, eq=False)
class AxisSamples:
    """Where the targets of one axis sample its sources, each between two of them.

    Attributes:
        low, high: int64 (targets,), the two sources; equal at the far end.
        weight: float32 (targets,), of ``high``; ``low`` has 1 - weight.
    """

    low: IndexArray
    high: IndexArray
    weight: FloatArray

    def at(self, indices: IndexArray) -> AxisSamples:
        """The samples of some targets."""
        return AxisSamples(self.low[indices], self.high[indices], self.weight[indices])


def axis_samples(pixels: int, tokens: int) -> AxisSamples:
    """Bilinear samples of pixels by tokens, corners aligned, in the float32 arithmetic of ``F.interpolate``.

    Whether a superpixel at the edge is touched hangs on the last bit. Each step here is one operation
    of numpy, which every processor rounds alike.
    """
    positions = np.arange(tokens, dtype=np.float32)
    if pixels != tokens:
        positions *= np.float32(pixels - 1) / np.float32(tokens - 1) if tokens > 1 else np.float32(0)
    low = np.minimum(positions.astype(np.int64), pixels - 1)
    high = np.minimum(low + 1, pixels - 1)
    weight = np.clip(positions - low.astype(np.float32), 0, 1)
    return AxisSamples(low, high, weight.astype(np.float32))


def half_pixel_samples(sources: int, targets: int, extent: float | None = None) -> AxisSamples:
    """Bilinear samples of one axis where centres of pixels are aligned, and not corners.

    Args:
        sources: how many there are.
        targets: how many sample them.
        extent: how many of the sources the targets span; all if None.
    """
    span = sources if extent is None else extent
    centres = np.clip((np.arange(targets) + 0.5) * (span / targets) - 0.5, 0, sources - 1)
    low = centres.astype(np.int64)
    return AxisSamples(low, np.minimum(low + 1, sources - 1), (centres - low).astype(np.float32))


def cells_of_pixels(size_hw: tuple[int, ...], grid_hw: tuple[int, int]) -> IndexArray:
    """The cell of a grid that each pixel lies in, numbered row by row: int64 (H, W)."""
    rows, columns = (
        np.arange(pixels) * cells // pixels for pixels, cells in zip(size_hw, grid_hw, strict=True)
    )
    numbers: IndexArray = rows[:, None] * grid_hw[1] + columns
    return numbers


def resized_nearest(labels_hw: NDArray[N], size_hw: tuple[int, int]) -> NDArray[N]:
    """Labels at another size, each pixel taking the nearest."""
    rows, columns = (
        nearest_samples(sources, np.arange(targets), targets)
        for sources, targets in zip(labels_hw.shape, size_hw, strict=True)
    )
    return labels_hw[np.ix_(rows, columns)]


def nearest_samples(sources: int, chosen: IndexArray, targets: int) -> IndexArray:
    """The sources under the middles of some of the targets of one axis."""
    return (2 * chosen + 1) * sources // (2 * targets)
