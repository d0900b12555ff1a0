"""From scores to a label map at the original size, in bounded memory.

Classes are expanded to pixels a few at a time, and pixels of the original size a band of rows at a
time; of every pixel only the best class so far and its score are kept. So memory grows with the
picture, never with picture times classes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from freeda_models.protocols import FloatArray, ImageArray
from freeda_segment.background import Background, WindowBackground
from freeda_segment.refinement import Refinement, refine
from freeda_segment.similarity import PixelScores, WindowScores
from freeda_segment.windows import Box, overlap_count, upsample_rows

if TYPE_CHECKING:
    import torch

BACKGROUND = -1
"""Label of pixels that belong to no class."""

CHUNK_BYTES = 24 * 2**20
"""Size of one block of scores, classes times pixels: small enough for memory to be reused."""


@dataclass(frozen=True)
class LabelledPixels:
    """The winner of every pixel.

    Attributes:
        labels: int32 (H, W), index of the class, or -1 for background.
        scores: float32 (H, W), score of the best class, also where background won.
    """

    labels: NDArray[np.int32]
    scores: FloatArray


@dataclass(frozen=True)
class LabelRequest:
    """What to label and how.

    Attributes:
        working: uint8 (h, w, 3), the working picture.
        size_hw: height and width of the label map wanted.
        boxes: the windows over the working picture.
        windows: their scores, in the same order.
        alpha: weight of the local similarity.
        background, refinement: see their modules; None for none.
    """

    working: ImageArray
    size_hw: tuple[int, int]
    boxes: tuple[Box, ...]
    windows: Sequence[WindowScores]
    alpha: float
    background: Background | None = None
    refinement: Refinement | None = None

    @property
    def working_hw(self) -> tuple[int, int]:
        """Height and width of the working picture."""
        return self.working.shape[0], self.working.shape[1]


def label_pixels(request: LabelRequest, chunk_bytes: int = CHUNK_BYTES) -> LabelledPixels:
    """Give every pixel of the original picture the class with the highest score.

    Of equal scores the class that comes first wins, and background wins over classes.
    """
    import torch

    count = torch.from_numpy(overlap_count(request.working_hw, request.boxes))
    background = request.background
    pixels = [PixelScores(window) for window in request.windows]
    backgrounds = [background.of_window(box.size_hw) for box in request.boxes] if background else []
    best = torch.full(request.size_hw, -torch.inf)
    labels = torch.full(request.size_hw, BACKGROUND, dtype=torch.int32)
    for classes in _chunks(request, chunk_bytes):
        scores = _average_scores(request, pixels, classes, count, backgrounds)
        _keep_best(scores, classes.start, best, labels, chunk_bytes)
    if backgrounds:
        total = torch.zeros(1, *request.working_hw)
        for box, state in zip(request.boxes, backgrounds, strict=True):
            total[(0, *box.slices)] += state.score()
        _put_background(total / count, best, labels, chunk_bytes)
    return LabelledPixels(labels.numpy(), best.numpy())


def _chunks(request: LabelRequest, chunk_bytes: int) -> Iterator[slice]:
    """Slices of classes whose scores over the working picture fit in a block."""
    classes = len(request.windows[0].overall)
    size = max(1, chunk_bytes // (4 * request.working_hw[0] * request.working_hw[1]))
    for start in range(0, classes, size):
        yield slice(start, min(start + size, classes))


def _average_scores(
    request: LabelRequest,
    pixels: Sequence[PixelScores],
    classes: slice,
    count: torch.Tensor,
    backgrounds: Sequence[WindowBackground],
) -> torch.Tensor:
    """Scores of some classes over the working picture, float32 (c, h, w); tells backgrounds of them."""
    import torch

    total = torch.zeros(0)
    if len(request.boxes) > 1:
        total = torch.zeros(classes.stop - classes.start, *request.working_hw)
    for index, box in enumerate(request.boxes):
        local = pixels[index].local(classes)
        scores = _window_scores(request, request.windows[index], box, local, classes)
        if backgrounds:
            backgrounds[index].observe(local, scores)
        if len(request.boxes) == 1:
            return scores
        total[(slice(None), *box.slices)] += scores
    return total.div_(count)


def _window_scores(
    request: LabelRequest, window: WindowScores, box: Box, local: torch.Tensor, classes: slice
) -> torch.Tensor:
    """alpha * local + (1 - alpha) * global, refined when asked for: float32 (c, H, W)."""
    import torch

    overall = torch.from_numpy(window.overall[classes])[:, None, None]
    scores = torch.add((1 - request.alpha) * overall, local, alpha=request.alpha)
    if request.refinement is None:
        return scores
    crop = torch.from_numpy(request.working[box.slices].astype(np.float32)).permute(2, 0, 1)
    return refine(crop, scores, request.refinement)


def _bands(classes: int, size_hw: tuple[int, int], chunk_bytes: int) -> Iterator[slice]:
    """Slices of rows of the original size whose scores fit in a block."""
    height, width = size_hw
    rows = max(1, chunk_bytes // (4 * classes * width))
    for start in range(0, height, rows):
        yield slice(start, min(start + rows, height))


def _keep_best(
    scores_chw: torch.Tensor, first: int, best: torch.Tensor, labels: torch.Tensor, chunk_bytes: int
) -> None:
    """Let some classes, numbered from ``first``, compete at the original size; changes the last two."""
    import torch

    size_hw = (best.shape[0], best.shape[1])
    for rows in _bands(scores_chw.shape[0], size_hw, chunk_bytes):
        best_here, labels_here = best[rows], labels[rows]
        for offset, scores in enumerate(upsample_rows(scores_chw, size_hw, rows)):
            labels_here.masked_fill_(scores > best_here, first + offset)
            torch.maximum(best_here, scores, out=best_here)


def _put_background(
    scores_1hw: torch.Tensor, best: torch.Tensor, labels: torch.Tensor, chunk_bytes: int
) -> None:
    """Set the label of pixels whose background score reaches the best class."""
    size_hw = (best.shape[0], best.shape[1])
    for rows in _bands(1, size_hw, chunk_bytes):
        background = upsample_rows(scores_1hw, size_hw, rows)[0]
        labels[rows].masked_fill_(background >= best[rows], BACKGROUND)
