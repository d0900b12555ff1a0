"""What the backbone sees of a picture: features of all windows, as segmentation makes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from freeda_ingest.prototypes import token_weights
from freeda_ingest.resampling import resample
from freeda_learn.pictures import LearnPicture
from freeda_models.protocols import BoolArray, DenseBackbone, FloatArray, ImageArray, LabelArray
from freeda_segment.errors import ModelOutputError
from freeda_segment.regions.sampling import resized_nearest
from freeda_segment.regions.windows import Box, overlap_count, resize_picture, window_boxes, working_size
from freeda_segment.settings import SegmentSettings


@dataclass(frozen=True, eq=False)
class SeenPicture:
    """A picture with the features of its windows.

    Attributes:
        picture: as it was read.
        working: uint8 (h, w, 3), as the networks saw it.
        boxes: the windows over ``working``.
        tokens: float32 (B, rows, columns, D), raw patch features of each window.
    """

    picture: LearnPicture
    working: ImageArray
    boxes: tuple[Box, ...]
    tokens: FloatArray

    def weights(self, mask_hw: BoolArray) -> FloatArray:
        """How much of each token a mask covers: float32 (B, rows, columns), 0..1.

        Args:
            mask_hw: bool, at the working picture's size.
        """
        grid = (self.tokens.shape[1], self.tokens.shape[2])
        return token_weights(np.stack([mask_hw[box.slices] for box in self.boxes]), grid)

    def shares(self, mask_hw: BoolArray) -> FloatArray:
        """How much each token counts in a mean over a mask's pixels, each of which counts once.

        Args:
            mask_hw: bool, at the working picture's size.

        Returns:
            float32 (B, rows, columns), >= 0.
        """
        size_hw = (self.working.shape[0], self.working.shape[1])
        weights = mask_hw / overlap_count(size_hw, self.boxes)
        grid = (self.tokens.shape[1], self.tokens.shape[2])
        crops = np.stack([weights[box.slices] for box in self.boxes]).astype(np.float32)
        return resample(crops, grid, "area")

    def sums(self, labels_hw: LabelArray) -> FloatArray:
        """Sum of the features under the pixels of each region: float32 (R, D).

        Args:
            labels_hw: int32, at the working picture's size, 0..R-1 or -1. Where windows overlap, a pixel
                counts in each.
        """
        from freeda_segment.regions.merging import sum_features

        count = int(labels_hw.max(initial=-1)) + 1
        total = np.zeros((count, self.tokens.shape[-1]), dtype=np.float32)
        for box, tokens in zip(self.boxes, self.tokens, strict=True):
            total += sum_features(labels_hw[box.slices], tokens, count)
        return total

    def to_working(self, mask_hw: BoolArray) -> BoolArray:
        """An upright mask at the working picture's size; a small one keeps at least one pixel."""
        size_hw = (self.working.shape[0], self.working.shape[1])
        resized = resized_nearest(mask_hw, size_hw)
        if mask_hw.any() and not resized.any():
            rows, columns = (axis.mean() for axis in np.nonzero(mask_hw))
            y, x = (
                int(place * new // old)
                for place, new, old in zip((rows, columns), size_hw, mask_hw.shape, strict=True)
            )
            resized[y, x] = True
        return resized


@dataclass(frozen=True, eq=False)
class WorkingPicture:
    """A picture at the size at which the networks see it, and the windows over it.

    Attributes:
        picture: as it was read.
        working: uint8 (h, w, 3).
        boxes: the windows.
    """

    picture: LearnPicture
    working: ImageArray
    boxes: tuple[Box, ...]


def prepare(picture: LearnPicture, settings: SegmentSettings) -> WorkingPicture:
    """Decode and resize a picture.

    Raises:
        ImageError: it is no picture, or broken.
    """
    wanted = working_size(picture.size_hw, settings.shorter_side, settings.longest_side)
    working = resize_picture(picture.pixels, wanted, settings.resize)
    return WorkingPicture(picture, working, window_boxes(wanted, settings.window, settings.stride))


def encode_windows(
    prepared: Sequence[WorkingPicture], backbone: DenseBackbone, settings: SegmentSettings
) -> list[SeenPicture]:
    """Run the backbone over the windows of all pictures, in batches.

    Raises:
        ModelOutputError: the backbone gave values that are not finite.
    """
    tokens: list[list[FloatArray]] = [[] for _ in prepared]
    for indices in _by_size([each.boxes for each in prepared]):
        for start in range(0, len(indices), settings.batch_size):
            batch = indices[start : start + settings.batch_size]
            crops = np.stack(
                [prepared[place].working[prepared[place].boxes[window].slices] for place, window in batch]
            )
            for (place, _), grid in zip(batch, _finite(backbone.encode(crops), backbone), strict=True):
                tokens[place].append(grid)
    return [
        SeenPicture(each.picture, each.working, each.boxes, np.stack(grids))
        for each, grids in zip(prepared, tokens, strict=True)
    ]


def see(
    pictures: Sequence[LearnPicture], backbone: DenseBackbone, settings: SegmentSettings
) -> list[SeenPicture]:
    """:func:`prepare` and :func:`encode_windows`.

    Raises:
        ImageError, ModelOutputError: as they do.
    """
    return encode_windows([prepare(picture, settings) for picture in pictures], backbone, settings)


def _by_size(boxes: Sequence[tuple[Box, ...]]) -> list[list[tuple[int, int]]]:
    """Picture and window of all windows, those of one size together, in order."""
    found: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for picture, own in enumerate(boxes):
        for window, box in enumerate(own):
            found.setdefault(box.size_hw, []).append((picture, window))
    return list(found.values())


def _finite(values: FloatArray, backbone: DenseBackbone) -> FloatArray:
    if not np.isfinite(values).all():
        raise ModelOutputError(
            f"the backbone model {backbone.identity.id} gave values that are not numbers; try another device "
            "(--device cpu)."
        )
    return values.astype(np.float32, copy=False)
