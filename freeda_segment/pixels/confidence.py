"""How sure a label is, and whether a picture shows anything that the bank knows.

A region's label can be wrong for two reasons: something else looks nearly as much like the region, or the
region looks like nothing in the bank. Both are read on the bank's own scale of likeness, so that a number
means the same in every bank, and from one class to hundreds: what is not named competes all the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from freeda_models.protocols import FloatArray, LabelArray
from freeda_segment.pixels.labelling import BACKGROUND, LabelledPixels, LabelMap, LabelRequest
from freeda_segment.pixels.voting import commonest, count_labels
from freeda_segment.regions.sampling import nearest_samples, resized_nearest
from freeda_segment.regions.similarity import PixelScores, Resemblance, WindowScores
from freeda_segment.regions.windows import central_window

if TYPE_CHECKING:
    from freeda_segment.retrieval.bank_nouns import Likeness

GUESS = 0.5
"""Below, a label is called a guess."""

MOST = 0.5
"""A picture of which a larger share is unlike anything, or guessed, is worth a warning."""

_ENOUGH, _WIDTH = 0.3, 0.15
"""On the bank's scale, 0 for unrelated and 1 for the same: what is enough to be known, and over how much the
confidence rises from 0.5 to 0.73. Fitted to scenes of the tiny world: regions are parts of things, and less
like a noun than its prototypes are."""

_EDGE = 1e-6
_COLUMNS = ("score", "margin", "confidence", "resemblance")


@dataclass(frozen=True, eq=False)
class RegionSureness:
    """The regions of a picture, in the order of its region map.

    Attributes:
        pixels: int64 (R,), of the working picture.
        labels: int64 (R,), the label of most of its pixels, -1 for other.
        box_xyxy: int64 (R, 4), around its pixels, stops excluded, in the working picture.
        inside: int64 (R, 2), row and column of one of its pixels.
        score: float64 (R,), final score of what fits best, the class or other, before any refinement.
        margin: float64 (R,), how far it leads what fits next; NaN where nothing does.
        confidence: float64 (R,), 0..1.
        resemblance: float64 (R,), highest cosine with anything that the bank knows.
        resembles: the noun of the bank behind it; "" for regions without a feature of their own.
    """

    pixels: NDArray[np.int64]
    labels: NDArray[np.int64]
    box_xyxy: NDArray[np.int64]
    inside: NDArray[np.int64]
    score: NDArray[np.float64]
    margin: NDArray[np.float64]
    confidence: NDArray[np.float64]
    resemblance: NDArray[np.float64]
    resembles: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Sureness:
    """What is known of every pixel of the working picture, the regions' values spread over them.

    Attributes:
        score, margin, confidence, resemblance: float32 (h, w), see :class:`RegionSureness`.
        likeness: the bank's scale.
        resembles: for each region of the region map, the bank's noun that it looks most like; "" for none.
    """

    score: FloatArray
    margin: FloatArray
    confidence: FloatArray
    resemblance: FloatArray
    likeness: Likeness
    resembles: tuple[str, ...]

    @property
    def unlike(self) -> float:
        """The share of the picture that looks like nothing in the bank."""
        return float((self.resemblance < self.likeness.middle).mean())

    def doubt(self, labels_hw: LabelMap) -> str:
        """That most of the picture is a guess, and why, as a sentence; empty where it is not.

        Args:
            labels_hw: at any size.
        """
        unlike, guessed = self.unlike, self.guessed(labels_hw)
        if unlike > MOST:
            return (
                f"this picture resembles nothing in the bank: half of it has a highest similarity of "
                f"{float(np.median(self.resemblance)):.2f} or less, where things of one noun have "
                f"{self.likeness.same:.2f} and unrelated ones {self.likeness.unrelated:.2f}; its labels are "
                "guesses, and a bank made for such pictures would tell."
            )
        if guessed > MOST:
            return (
                f"{guessed:.0%} of this picture is a guess: other things resemble it nearly as much as the "
                "class that it got; name what it shows, or leave out what is unsure (--unsure 0.5)."
            )
        return ""

    def guessed(self, labels_hw: LabelMap) -> float:
        """The share of the picture that got a class, and got it by a guess.

        Args:
            labels_hw: at any size.
        """
        working = self.at_working_size(labels_hw)
        return float(((working != BACKGROUND) & (self.confidence < GUESS)).mean())

    def at_working_size(self, labels_hw: LabelMap) -> LabelMap:
        """A label map, sampled at the middles of the working picture's pixels."""
        height, width = self.confidence.shape
        return resized_nearest(labels_hw, (height, width))

    def below(self, threshold: float, size_hw: tuple[int, int], rows: slice) -> NDArray[np.bool_]:
        """Which pixels of some rows of the original picture lie below a threshold: bool (rows, W)."""
        height, width = self.confidence.shape
        down = nearest_samples(height, np.arange(rows.start, rows.stop), size_hw[0])
        right = nearest_samples(width, np.arange(size_hw[1]), size_hw[1])
        unsure: NDArray[np.bool_] = self.confidence[np.ix_(down, right)] < threshold
        return unsure

    def of_regions(self, region_map: LabelArray, labels_hw: LabelMap) -> RegionSureness:
        """The same region by region.

        Args:
            region_map: int32 (h, w), -1 for pixels of no region; regions without a pixel are left out.
            labels_hw: at any size.
        """
        known, region = np.unique(region_map[region_map >= 0], return_inverse=True)
        rows, columns = np.nonzero(region_map >= 0)
        count = len(known)
        pixels = np.bincount(region, minlength=count)
        places = np.stack([columns, rows], axis=1)
        low, high = np.full((count, 2), max(region_map.shape)), np.zeros((count, 2), dtype=np.int64)
        np.minimum.at(low, region, places)
        np.maximum.at(high, region, places)
        order = np.argsort(region, kind="stable")
        middle = order[np.cumsum(pixels) - pixels + pixels // 2]
        values = {name: getattr(self, name)[rows, columns] for name in _COLUMNS}
        return RegionSureness(
            pixels,
            _majority(region, self.at_working_size(labels_hw)[rows, columns], count),
            np.concatenate([low, high + 1], axis=1),
            np.stack([rows[middle], columns[middle]], axis=1),
            resembles=tuple(self.resembles[number] for number in known),
            **{name: np.bincount(region, value, minlength=count) / pixels for name, value in values.items()},
        )


def sureness(request: LabelRequest) -> Sureness | None:
    """How sure the labels of a picture are.

    Returns:
        None where the bank gives no scale of likeness, or regions are not compared by similarity.
    """
    nouns = request.nouns
    if nouns is None or nouns.likeness is None or request.alpha == 0:
        return None
    resembles: list[str] = []
    nearest = central_window(request.working_hw, request.boxes)
    whole = np.zeros((len(_COLUMNS), *request.working_hw), dtype=np.float32)
    for number, (box, window) in enumerate(zip(request.boxes, request.windows, strict=True)):
        if window.resemblance is None:
            return None
        here = nearest[box.slices] == number
        valued = _valued(window, window.resemblance, request, nouns.likeness)
        values = PixelScores(valued).local(slice(0, len(_COLUMNS))).numpy()
        whole[(slice(None), *box.slices)][:, here] = values[:, here]
        own = window.resemblance.nearest
        resembles += [nouns.group_names[index] if index >= 0 else "" for index in own]
    score, margin, confidence, resemblance = whole
    return Sureness(score, margin, confidence, resemblance, nouns.likeness, tuple(resembles))


def _valued(
    window: WindowScores, resemblance: Resemblance, request: LabelRequest, likeness: Likeness
) -> WindowScores:
    """A window with the four values in the place of scores for each class."""
    height, width, columns = window.tokens.shape
    regions = _values(window.regions, window.global_score, request, likeness)
    tokens = _values(window.tokens.reshape(-1, columns), window.global_score, request, likeness)
    tokens = np.column_stack([tokens, resemblance.tokens.reshape(-1)])
    return WindowScores(
        labels=window.labels,
        covered=window.covered,
        regions=np.column_stack([regions, resemblance.regions]).astype(np.float32),
        tokens=tokens.reshape(height, width, -1).astype(np.float32),
        global_score=np.zeros(len(_COLUMNS), dtype=np.float32),
    )


def _values(
    local_nc: FloatArray, global_c: FloatArray, request: LabelRequest, likeness: Likeness
) -> NDArray[np.float64]:
    """Score, margin and confidence of each row: float64 (N, 3)."""
    alpha = request.alpha
    scores = alpha * local_nc.astype(np.float64) + (1 - alpha) * global_c
    best = scores.argmax(axis=1)
    rows = np.arange(len(scores))
    highest = scores[rows, best]
    width = _WIDTH * likeness.step
    own = _cosine(local_nc[rows, best].astype(np.float64))
    enough = likeness.unrelated + _ENOUGH * likeness.step
    unlike = np.exp((enough - own) / width) * (best < request.classes)
    if scores.shape[1] == 1:
        return np.column_stack([highest, np.full(len(rows), np.nan), 1 / (1 + unlike)])
    scores[rows, best] = -np.inf
    next_score = scores.max(axis=1)
    rival = _cosine((next_score - (1 - alpha) * global_c[best]) / alpha)
    doubt = np.exp((rival - own) / width)
    return np.column_stack([highest, highest - next_score, 1 / (1 + doubt + unlike)])


def _cosine(local: NDArray[np.float64]) -> NDArray[np.float64]:
    """The cosine behind a local similarity, which is its sigmoid."""
    inside = np.clip(local, _EDGE, 1 - _EDGE)
    return np.log(inside / (1 - inside))


def _majority(region: NDArray[np.int64], labels: LabelMap, regions: int) -> NDArray[np.int64]:
    """The most frequent label of each region; of equal ones the first, other before all classes."""
    return commonest(count_labels(region, labels, regions, int(labels.max(initial=BACKGROUND)) + 1))


def leave_out_unsure(
    bands: Iterable[LabelledPixels], request: LabelRequest, threshold: float
) -> Iterator[LabelledPixels]:
    """Bands of labels in which regions of less confidence have none."""
    unsure = sureness(request)
    if unsure is None:
        yield from bands
        return
    for band in bands:
        less = unsure.below(threshold, request.size_hw, band.rows)
        yield replace(band, labels=np.where(less, np.int16(BACKGROUND), band.labels))
