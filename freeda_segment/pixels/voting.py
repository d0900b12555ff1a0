"""The majority of a region's pixels decides for all of them, once labels are made."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from freeda_models.protocols import LabelArray
from freeda_segment.pixels.labelling import BACKGROUND, LabelledPixels, LabelMap


def vote_in_bands(
    bands: Iterable[LabelledPixels], regions_hw: LabelArray, size_hw: tuple[int, int], classes: int
) -> Iterator[LabelledPixels]:
    """Bands of rows after the vote, which needs all of them first.

    Args:
        bands: of the whole picture, from top to bottom.
        regions_hw: int32 (h, w) at working size; see :class:`RegionVote`.
        size_hw: height and width of the picture.
        classes: how many.
    """
    vote = RegionVote(regions_hw, size_hw, classes)
    kept = []
    for band in bands:
        vote.add(band.labels, band.rows)
        kept.append(band)
    for band in kept:
        yield replace(band, labels=vote.decide(band.labels, band.rows))


class RegionVote:
    """Counts labels per region a band of rows at a time, and then gives each region its commonest one.

    Of equally common ones background wins, and then the class that comes first. Pixels in no region keep
    theirs.

    Args:
        regions_hw: int32 (h, w) at working size, 0..R-1, -1 for none; pixels of the original size take that
            of the nearest.
        size_hw: height and width of the label map.
        classes: how many.
    """

    def __init__(self, regions_hw: LabelArray, size_hw: tuple[int, int], classes: int) -> None:
        self._regions, self._classes = regions_hw, classes
        self._rows, self._columns = (
            np.arange(side) * working // side for side, working in zip(size_hw, regions_hw.shape, strict=True)
        )
        count = int(regions_hw.max(initial=-1)) + 1
        self._counts = np.zeros((count, classes + 1), dtype=np.int64)

    def add(self, labels: LabelMap, rows: slice) -> None:
        """Count some rows of the label map."""
        regions = self._regions_of(rows)
        inside = regions >= 0
        self._counts += count_labels(regions[inside], labels[inside], len(self._counts), self._classes)

    def decide(self, labels: LabelMap, rows: slice) -> LabelMap:
        """The labels of some rows after the vote: int16, of the shape of ``labels``."""
        regions = self._regions_of(rows)
        winners = np.append(commonest(self._counts), 0).astype(np.int16)  # -1 is the last
        decided: LabelMap = np.where(regions >= 0, winners[regions], labels)
        return decided

    def _regions_of(self, rows: slice) -> NDArray[np.int32]:
        regions: NDArray[np.int32] = self._regions[np.ix_(self._rows[rows], self._columns)]
        return regions


def count_labels(
    regions: NDArray[np.integer[Any]], labels: LabelMap, count: int, classes: int
) -> NDArray[np.int64]:
    """How many pixels of each region have each label.

    Args:
        regions: integers (N,), 0..R-1, the region of each pixel.
        labels: int16 (N,), its label, -1 for none.
        count: R.
        classes: C.

    Returns:
        int64 (R, 1 + C), background first.
    """
    votes = regions.astype(np.int64) * (classes + 1) + (labels.astype(np.int64) - BACKGROUND)
    counts = np.bincount(votes, minlength=count * (classes + 1))
    return counts.reshape(count, classes + 1)


def commonest(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """The label of most pixels of each region: int64 (R,); of equals the first, background foremost."""
    labels: NDArray[np.int64] = counts.argmax(axis=1) + BACKGROUND
    return labels
