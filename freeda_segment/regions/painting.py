"""From proposed masks, which overlap and leave pixels out, to a label map that covers the picture.

Masks are painted one after another, the largest first: where they overlap the smaller one is on top, and of
two of one size the one of higher quality. Each is upsampled from the network's resolution within its own
box, so that there is never a stack of masks of the picture's size. What no mask covers keeps superpixels.

A region need not be connected: an object behind a post is one region in two pieces.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from freeda_models.protocols import BoolArray, FloatArray, IndexArray, LabelArray, MaskProposals
from freeda_segment.regions.numbering import NO_REGION, numbered
from freeda_segment.regions.sampling import AxisSamples, half_pixel_samples

_GAP = 0.005
"""Half the width of gaps between masks that are closed, as a share of the picture's shorter side."""


def paint(proposals: MaskProposals, size_hw: tuple[int, int], min_size: int = 1) -> LabelArray:
    """Paint masks over one another.

    Args:
        proposals: N masks, possibly none.
        size_hw: height and width of the label map.
        min_size: masks of which fewer pixels are left in sight are taken away in the end.

    Returns:
        int32 (H, W), the index of the mask on top, or -1 where there is none. Masks that others cover wholly
        are missing from it.
    """
    labels = np.full(size_hw, NO_REGION, dtype=np.int32)
    if not len(proposals):
        return labels
    inside = proposals.logits_nhw > 0
    order = np.lexsort((np.arange(len(inside)), proposals.quality, -inside.sum(axis=(1, 2), dtype=np.int64)))
    grid_hw = (inside.shape[1], inside.shape[2])
    down, across = (
        half_pixel_samples(cells, pixels, extent)
        for pixels, cells, extent in zip(size_hw, grid_hw, proposals.extent_hw, strict=True)
    )
    for index in order:
        cells = _box(inside[index])
        if cells is None:
            continue
        rows, columns = _reaching(down, cells[0]), _reaching(across, cells[1])
        upsampled = _upsampled(proposals.logits_nhw[index], down.at(rows), across.at(columns))
        labels[np.ix_(rows, columns)] = np.where(upsampled > 0, index, labels[np.ix_(rows, columns)])
    in_sight = np.bincount(labels.ravel() + 1, minlength=len(proposals) + 1) >= min_size
    return np.where(in_sight[labels + 1], labels, np.int32(NO_REGION))


def _box(mask: BoolArray) -> tuple[slice, slice] | None:
    """The rows and columns that a mask fills; None when it is empty."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not rows.size:
        return None
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def _reaching(axis: AxisSamples, cells: slice) -> IndexArray:
    """The pixels of an axis that sample any of some cells."""
    return np.flatnonzero((axis.high >= cells.start) & (axis.low < cells.stop))


def _upsampled(logits_hw: NDArray[np.float16], down: AxisSamples, across: AxisSamples) -> FloatArray:
    """Some pixels of the bilinear resize: float32 (rows, columns)."""
    one = np.float32(1)
    logits = logits_hw.astype(np.float32)
    rows = logits[down.low] * (one - down.weight)[:, None] + logits[down.high] * down.weight[:, None]
    values: FloatArray = rows[:, across.low] * (one - across.weight) + rows[:, across.high] * across.weight
    return values


def cover(labels_hw: LabelArray, superpixels_hw: LabelArray, min_size: int) -> LabelArray:
    """Divide what no mask covers into superpixels, and number all regions.

    Gaps between masks that are only some pixels wide go to the nearest mask, and what is left of a superpixel
    beside masks goes to its nearest neighbour where it is small.

    Args:
        labels_hw: int32 (H, W), -1 where no mask is.
        superpixels_hw: int32 (H, W), of the whole picture, or -1 everywhere: then uncovered pixels stay -1.
        min_size: of what is left of a superpixel, in pixels.

    Returns:
        int32 (H, W), 0..R-1 without gaps, and -1 only where both are.
    """
    from scipy.ndimage import binary_opening

    uncovered = labels_hw == NO_REGION
    if not uncovered.any():
        return numbered(labels_hw)
    whole = labels_hw.copy()
    if not uncovered.all():
        radius = max(1, round(_GAP * min(labels_hw.shape)))
        padded = np.pad(uncovered, radius, mode="edge")
        wide = binary_opening(padded, np.ones((2 * radius + 1,) * 2))[radius:-radius, radius:-radius]
        whole = _nearest(whole, uncovered & ~wide)
        uncovered &= wide
    first = int(labels_hw.max(initial=NO_REGION)) + 1
    filled = uncovered & (superpixels_hw >= 0)
    whole[filled] = superpixels_hw[filled] + first
    small = np.bincount(whole.ravel() + 1) < min_size
    small[: first + 1] = False
    return numbered(_nearest(whole, small[whole + 1]))


def _nearest(labels_hw: LabelArray, replaced_hw: BoolArray) -> LabelArray:
    """Give some pixels the label of the nearest other one that has a label; without one they stay."""
    from scipy.ndimage import distance_transform_edt

    sources = ~replaced_hw & (labels_hw != NO_REGION)
    if not replaced_hw.any() or not sources.any():
        return labels_hw
    rows, columns = distance_transform_edt(~sources, return_distances=False, return_indices=True)
    result: LabelArray = np.where(replaced_hw, labels_hw[rows, columns], labels_hw)
    return result
