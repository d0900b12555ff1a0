"""The majority of a region's pixels decides for all of them, once labels are made."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

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
        self._regions, self._choices = regions_hw, classes + 1
        self._rows, self._columns = (
            np.arange(side) * working // side for side, working in zip(size_hw, regions_hw.shape, strict=True)
        )
        count = int(regions_hw.max(initial=-1)) + 1
        self._counts = np.zeros((count, self._choices), dtype=np.int64)

    def add(self, labels: LabelMap, rows: slice) -> None:
        """Count some rows of the label map."""
        regions = self._regions_of(rows)
        inside = regions >= 0
        votes = regions[inside].astype(np.int64) * self._choices + (
            labels[inside].astype(np.int64) - BACKGROUND
        )
        self._counts += np.bincount(votes, minlength=self._counts.size).reshape(self._counts.shape)

    def decide(self, labels: LabelMap, rows: slice) -> LabelMap:
        """The labels of some rows after the vote: int16, of the shape of ``labels``."""
        regions = self._regions_of(rows)
        winners = np.append(self._counts.argmax(axis=1) + BACKGROUND, 0).astype(np.int16)  # -1 is the last
        decided: LabelMap = np.where(regions >= 0, winners[regions], labels)
        return decided

    def _regions_of(self, rows: slice) -> NDArray[np.int32]:
        regions: NDArray[np.int32] = self._regions[np.ix_(self._rows[rows], self._columns)]
        return regions
