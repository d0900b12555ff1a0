"""From scores to a label map at the original size, in bounded memory.

Classes are expanded to pixels a few at a time, and pixels of the original size a band of rows at a
time; of a band's pixels only the best class so far and its score are kept. What stays is a band's
labels, so memory is that of a small picture but for the label map itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from freeda_models.protocols import BoolArray, FloatArray, ImageArray, IndexArray
from freeda_segment.pixels.background import Background, WindowBackground
from freeda_segment.pixels.pamr import PixelMixing, refine
from freeda_segment.pixels.random_walk import walk
from freeda_segment.pixels.refinement import Pamr, RandomWalk, Refinement
from freeda_segment.regions.similarity import PixelScores, WindowScores
from freeda_segment.regions.windows import Box, overlap_count, upsample_rows

if TYPE_CHECKING:
    import torch

    from freeda_segment.retrieval.bank_nouns import BankNouns

BACKGROUND = -1
"""Label of pixels that belong to no class."""

LabelMap = NDArray[np.int16]
"""Class indices, or :data:`BACKGROUND`."""

CHUNK_BYTES = 24 * 2**20
"""Size of one block of scores, classes times working pixels: small enough for memory to be reused."""

BAND_PIXELS = 1_000_000
"""Pixels of the original size that are labelled at a time."""

_BLOCK_BYTES = 4 * 2**20
"""Size of one block of scores, classes times pixels of the original size."""

_KEPT_BYTES = 256 * 2**20
_KEPT_REFINED_BYTES = 512 * 2**20
"""Scores over the working picture are computed once when they fit in this, and once a band when not."""

_UNKEPT_BANDS = 8
"""How many times larger bands are when their scores must be computed again for each."""


@dataclass(frozen=True, eq=False)
class LabelledPixels:
    """The winner of every pixel of a picture, or of some rows of it.

    Attributes:
        labels: int16 (H, W), index of the class, or -1 for background.
        scores: float32 (H, W), score of the best class, also where background won.
        top: the first row.
    """

    labels: LabelMap
    scores: FloatArray
    top: int = 0

    @property
    def rows(self) -> slice:
        """Its rows in the picture."""
        return slice(self.top, self.top + len(self.labels))


@dataclass(frozen=True, eq=False)
class LabelRequest:
    """What to label and how.

    Attributes:
        working: uint8 (h, w, 3), the working picture.
        size_hw: height and width of the label map wanted.
        boxes: the windows over the working picture.
        windows: their scores, in the same order.
        alpha: weight of the local similarity.
        background, refinement: see their modules; None for none.
        others: whether the last column of the windows' scores is no class's; where it reaches the best class,
            pixels belong to none. There is no other background then.
        nouns: of the bank, for how sure labels are; None where nothing can be said of that.
    """

    working: ImageArray
    size_hw: tuple[int, int]
    boxes: tuple[Box, ...]
    windows: Sequence[WindowScores]
    alpha: float
    background: Background | None = None
    refinement: Refinement | None = None
    others: bool = False
    nouns: BankNouns | None = None

    @property
    def classes(self) -> int:
        """How many there are."""
        return len(self.windows[0].global_score) - int(self.others)

    @property
    def working_hw(self) -> tuple[int, int]:
        """Height and width of the working picture."""
        return self.working.shape[0], self.working.shape[1]


def label_pixels(
    request: LabelRequest, chunk_bytes: int = CHUNK_BYTES, band_pixels: int = BAND_PIXELS
) -> LabelledPixels:
    """Give every pixel of the original picture the class with the highest score.

    Of equal scores the class that comes first wins, and background wins over classes.
    """
    whole = LabelledPixels(np.empty(request.size_hw, np.int16), np.empty(request.size_hw, np.float32))
    for band in label_bands(request, chunk_bytes, band_pixels):
        whole.labels[band.rows], whole.scores[band.rows] = band.labels, band.scores
    return whole


def label_bands(
    request: LabelRequest, chunk_bytes: int = CHUNK_BYTES, band_pixels: int = BAND_PIXELS
) -> Iterator[LabelledPixels]:
    """:func:`label_pixels` a band of rows at a time, from top to bottom."""
    working = _working_scores(request, chunk_bytes)
    height, width = request.size_hw
    step = max(1, band_pixels * (1 if working.kept else _UNKEPT_BANDS) // width)
    for top in range(0, height, step):
        rows = slice(top, min(top + step, height))
        labels, best = _label_rows(working, request.size_hw, rows, chunk_bytes)
        background = working.background()
        if background is not None:
            _put_background(background, request.size_hw, rows, best, labels, chunk_bytes)
        yield LabelledPixels(labels.numpy(), best.numpy(), top)


def _label_rows(
    working: _WorkingScores, size_hw: tuple[int, int], rows: slice, chunk_bytes: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """The best class of some rows' pixels, int16 (rows, W), and its score, float32 (rows, W)."""
    import torch

    best = torch.full((rows.stop - rows.start, size_hw[1]), -torch.inf)
    labels = torch.full(best.shape, BACKGROUND, dtype=torch.int16)
    for classes, scores in working.chunks():
        _keep_best(scores, classes, size_hw, rows, best, labels, chunk_bytes)
    return labels, best


def _working_scores(request: LabelRequest, chunk_bytes: int) -> _WorkingScores:
    """The scores of a request, refined as it says."""
    windows, refinement = request.windows, request.refinement
    every = np.arange(request.classes)
    if not isinstance(refinement, RandomWalk):
        return _WorkingScores(request, windows, every, chunk_bytes)
    windows = [
        walk(window, request.working[box.slices], refinement)
        for box, window in zip(request.boxes, windows, strict=True)
    ]
    rough = _WorkingScores(request, windows, every, chunk_bytes)
    if not refinement.iterations:
        return rough
    size_hw = request.working_hw
    rows = slice(0, size_hw[0])
    labels, best = _label_rows(rough, size_hw, rows, chunk_bytes)
    shown = np.unique(labels.numpy()).astype(np.intp)
    background = rough.background()
    if background is not None:
        _put_background(background, size_hw, rows, best, labels, chunk_bytes)
    border = _border(labels.numpy(), max(refinement.dilations))
    fine = _WorkingScores(request, windows, shown, chunk_bytes)
    fine.refine_border(PixelMixing(request.working, border, refinement.dilations), refinement, background)
    return fine


def _border(labels_hw: LabelMap, reach: int) -> BoolArray:
    """Which pixels have another label no further away than ``reach``, in rows and columns."""
    from scipy.ndimage import maximum_filter, minimum_filter

    side = 2 * reach + 1
    border: BoolArray = minimum_filter(labels_hw, side) != maximum_filter(labels_hw, side)
    return border


class _WorkingScores:
    """Averaged scores over the working picture, a few classes at a time, as often as they are wanted.

    Args:
        request: what is labelled.
        windows: its windows' scores.
        classes: int64 (C,), which classes, in their order.
        chunk_bytes: size of one block of scores.
    """

    def __init__(
        self,
        request: LabelRequest,
        windows: Sequence[WindowScores],
        classes: IndexArray,
        chunk_bytes: int,
    ) -> None:
        import torch

        self._request, self._windows = request, windows
        self._count = torch.from_numpy(overlap_count(request.working_hw, request.boxes))
        self._pixels = [PixelScores(window) for window in windows]
        height, width = request.working_hw
        size = max(1, chunk_bytes // (4 * height * width))
        self._chunks = [classes[start : start + size] for start in range(0, len(classes), size)]
        self._background: torch.Tensor | None = None
        self._border: tuple[PixelMixing, int] | None = None
        most = _KEPT_BYTES if request.refinement is None else _KEPT_REFINED_BYTES
        fits = 4 * height * width * len(classes) <= most
        self._kept: list[tuple[IndexArray, torch.Tensor]] | None = [] if fits else None
        self._seen = False

    def refine_border(
        self, mixing: PixelMixing, settings: RandomWalk, background: torch.Tensor | None
    ) -> None:
        """Refine along the borders, the background's score (1, h, w) with those of the classes."""
        self._border = (mixing, settings.iterations)
        if background is not None:
            mixing.apply(background, settings.iterations)
        self._background = background

    @property
    def kept(self) -> bool:
        """Whether they are computed once and kept."""
        return self._kept is not None

    def chunks(self) -> Iterator[tuple[IndexArray, torch.Tensor]]:
        """The classes of each chunk, and their scores float32 (c, h, w)."""
        if self._seen and self._kept is not None:
            yield from self._kept
            return
        first = not self._seen and self._border is None
        strategy = self._request.background if first else None
        states = [strategy.of_window(box.size_hw) for box in self._request.boxes] if strategy else []
        for classes in self._chunks:
            scores = self._average(classes, states)
            if self._border is not None:
                mixing, iterations = self._border
                mixing.apply(scores, iterations)
            if self._kept is not None:
                self._kept.append((classes, scores))
            yield classes, scores
        if states:
            self._background = self._average_background(states)
        if self._request.others and first:
            self._background = self._average(np.array([self._request.classes]), ())
        self._seen = True

    def background(self) -> torch.Tensor | None:
        """The averaged background score, float32 (1, h, w), once all chunks were seen; None for none."""
        return self._background

    def _average_background(self, states: Sequence[WindowBackground]) -> torch.Tensor:
        import torch

        total = torch.zeros(1, *self._request.working_hw)
        for box, state in zip(self._request.boxes, states, strict=True):
            total[(0, *box.slices)] += state.score()
        return total / self._count

    def _average(self, classes: IndexArray, backgrounds: Sequence[WindowBackground]) -> torch.Tensor:
        """Scores of some classes over the working picture, float32 (c, h, w); backgrounds observe them."""
        import torch

        request = self._request
        total = torch.zeros(0)
        if len(request.boxes) > 1:
            total = torch.zeros(len(classes), *request.working_hw)
        for index, box in enumerate(request.boxes):
            local = self._pixels[index].local(classes)
            scores = _window_scores(request, self._windows[index], box, local, classes)
            if backgrounds:
                backgrounds[index].observe(local, scores)
            if len(request.boxes) == 1:
                return scores
            total[(slice(None), *box.slices)] += scores
        return total.div_(self._count)


def _window_scores(
    request: LabelRequest, window: WindowScores, box: Box, local: torch.Tensor, classes: IndexArray
) -> torch.Tensor:
    """alpha * local + (1 - alpha) * global, by PAMR when asked for: float32 (c, H, W)."""
    import torch

    global_score = torch.from_numpy(window.global_score[classes])[:, None, None]
    scores = torch.add((1 - request.alpha) * global_score, local, alpha=request.alpha)
    if not isinstance(request.refinement, Pamr):
        return scores
    crop = torch.from_numpy(request.working[box.slices].astype(np.float32)).permute(2, 0, 1)
    return refine(crop, scores, request.refinement.iterations, request.refinement.dilations)


def _bands(classes: int, rows: slice, width: int, chunk_bytes: int) -> Iterator[slice]:
    """Slices of some rows of the original size whose scores fit in a block."""
    step = max(1, min(chunk_bytes, _BLOCK_BYTES) // (4 * classes * width))
    for start in range(rows.start, rows.stop, step):
        yield slice(start, min(start + step, rows.stop))


def _keep_best(
    scores_chw: torch.Tensor,
    classes: IndexArray,
    size_hw: tuple[int, int],
    rows: slice,
    best: torch.Tensor,
    labels: torch.Tensor,
    chunk_bytes: int,
) -> None:
    """Let some classes compete for rows; changes ``best`` and ``labels``."""
    import torch

    for part in _bands(scores_chw.shape[0], rows, size_hw[1], chunk_bytes):
        inside = slice(part.start - rows.start, part.stop - rows.start)
        best_here, labels_here = best[inside], labels[inside]
        for index, scores in zip(classes.tolist(), upsample_rows(scores_chw, size_hw, part), strict=True):
            labels_here.masked_fill_(scores > best_here, index)
            torch.maximum(best_here, scores, out=best_here)


def _put_background(
    scores_1hw: torch.Tensor,
    size_hw: tuple[int, int],
    rows: slice,
    best: torch.Tensor,
    labels: torch.Tensor,
    chunk_bytes: int,
) -> None:
    """Set the label of those rows' pixels whose background score reaches the best class."""
    for part in _bands(1, rows, size_hw[1], chunk_bytes):
        inside = slice(part.start - rows.start, part.stop - rows.start)
        background = upsample_rows(scores_1hw, size_hw, part)[0]
        labels[inside].masked_fill_(background >= best[inside], BACKGROUND)
