"""The result of labelling one picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from freeda_segment.errors import OptionError
from freeda_segment.labelling import BACKGROUND, LabelledPixels
from freeda_segment.prototypes import ClassPrototypes
from freeda_segment.similarity import WindowScores
from freeda_segment.windows import Box, central_window

LabelArray = NDArray[np.int32]
Setting = str | int | float | None

_BAND_PIXELS = 4_000_000


@dataclass(frozen=True)
class ClassShare:
    """What one class got of a picture.

    Attributes:
        index: its label.
        name: what it is called.
        pixels: how many it won.
        area: their share of the picture, 0..1.
        score: mean final score over them; None when it won none.
    """

    index: int
    name: str
    pixels: int
    area: float
    score: float | None


@dataclass(frozen=True)
class Origin:
    """Where a result comes from.

    Attributes:
        bank: address of the bank.
        revision: number of the revision it showed, None before its first commit.
        models: model names by role.
        settings: every setting that shaped the result.
    """

    bank: str = ""
    revision: int | None = None
    models: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Setting] = field(default_factory=dict)


@dataclass(frozen=True)
class Evidence:
    """What explaining needs: the scores of every region, not of every pixel.

    Attributes:
        boxes: the windows over the working picture.
        windows: their scores, a superpixel and a patch.
        prototypes: the classes with the prototypes behind them.
    """

    boxes: tuple[Box, ...]
    windows: tuple[WindowScores, ...]
    prototypes: ClassPrototypes


@dataclass(frozen=True)
class RegionPlace:
    """One superpixel: its window, and its label there (-1 when the pixel is in no superpixel)."""

    window: int
    label: int


@dataclass(frozen=True)
class Segmentation:
    """A labelled picture.

    Attributes:
        labels: int32 (H, W) at the original size; index into ``class_names``, -1 for background.
        class_names: names by label.
        shares: what each class got, by label.
        background_area: share of the picture that no class got, 0..1.
        region_map: int32 (h, w) at working size; superpixels numbered through all windows, each
            pixel taking that of the window in which it lies most centrally; -1 for none.
        evidence: for explaining.
        origin: bank, revision, models and settings.
        notes: what a person should know, e.g. classes that the preset's models do not know.
    """

    labels: LabelArray
    class_names: tuple[str, ...]
    shares: tuple[ClassShare, ...]
    background_area: float
    region_map: LabelArray
    evidence: Evidence
    origin: Origin = Origin()
    notes: tuple[str, ...] = ()

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width."""
        return self.labels.shape[0], self.labels.shape[1]

    def mask(self, name: str) -> NDArray[np.bool_]:
        """Where a class is: bool (H, W).

        Raises:
            OptionError: there is no such class.
        """
        if name not in self.class_names:
            raise OptionError(f"there is no class '{name}'; the classes are {', '.join(self.class_names)}.")
        found: NDArray[np.bool_] = self.labels == self.class_names.index(name)
        return found

    def region_at(self, x: int, y: int) -> RegionPlace:
        """The superpixel at a pixel of the original picture.

        Raises:
            OptionError: the pixel lies outside.
        """
        height, width = self.size_hw
        if not (0 <= x < width and 0 <= y < height):
            raise OptionError(
                f"pixel {x},{y} lies outside the picture of {width} x {height}; choose another."
            )
        rows, columns = self.region_map.shape
        row, column = min(y * rows // height, rows - 1), min(x * columns // width, columns - 1)
        window = int(central_window((rows, columns), self.evidence.boxes)[row, column])
        box = self.evidence.boxes[window]
        return RegionPlace(
            window, int(self.evidence.windows[window].labels[row - box.top, column - box.left])
        )


def summarise(pixels: LabelledPixels, names: tuple[str, ...]) -> tuple[tuple[ClassShare, ...], float]:
    """Count what each class got; the second value is the background's area."""
    total = pixels.labels.size
    counts = np.zeros(len(names) + 1, dtype=np.int64)
    sums = np.zeros(len(names) + 1)
    rows = max(1, _BAND_PIXELS // pixels.labels.shape[1])
    for start in range(0, pixels.labels.shape[0], rows):
        shifted = pixels.labels[start : start + rows].ravel() - BACKGROUND
        scores = pixels.scores[start : start + rows].ravel()
        counts += np.bincount(shifted, minlength=len(counts))
        sums += np.bincount(shifted, weights=scores, minlength=len(counts))
    shares = tuple(
        ClassShare(
            index=index,
            name=name,
            pixels=int(counts[index + 1]),
            area=float(counts[index + 1] / total),
            score=float(sums[index + 1] / counts[index + 1]) if counts[index + 1] else None,
        )
        for index, name in enumerate(names)
    )
    return shares, float(counts[0] / total)


def merge_regions(
    size_hw: tuple[int, int], boxes: tuple[Box, ...], windows: tuple[WindowScores, ...]
) -> LabelArray:
    """One map of the superpixels of all windows; see ``Segmentation.region_map``."""
    nearest = central_window(size_hw, boxes)
    merged = np.full(size_hw, -1, dtype=np.int32)
    first = 0
    for index, (box, window) in enumerate(zip(boxes, windows, strict=True)):
        here = (nearest[box.slices] == index) & (window.labels >= 0)
        merged[box.slices][here] = window.labels[here] + first
        first += len(window.covered)
    return merged
