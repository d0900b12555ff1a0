"""What a picture costs once: superpixels, patch features and CLIP embeddings of its windows."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from freeda_models.protocols import DenseBackbone, FloatArray, ImageArray, LabelArray, TextImageEncoder
from freeda_models.unit_vectors import normalised
from freeda_segment.errors import ModelOutputError
from freeda_segment.images import Picture
from freeda_segment.regions.similarity import RegionFeatures, pool_regions
from freeda_segment.regions.windows import Box, resize_picture, window_boxes, working_size
from freeda_segment.settings import SegmentSettings


@dataclass(frozen=True, eq=False)
class EncodedWindow:
    """One window of the working picture.

    Attributes:
        box: where it lies in the working picture.
        labels: int32 (H, W), its superpixels (each window is divided on its own, as the authors do).
        regions: their features.
        tokens: float32 (h, w, D), L2-normalised patch features.
        embedding: float32 (D_clip,), its CLIP embedding.
    """

    box: Box
    labels: LabelArray
    regions: RegionFeatures
    tokens: FloatArray
    embedding: FloatArray


@dataclass(frozen=True, eq=False)
class EncodedImage:
    """A picture ready to be labelled with any classes.

    Attributes:
        picture: the original.
        working: uint8 (h, w, 3), the resized picture that the networks saw.
        windows: at least one, together covering ``working``.
        settings: that it was made with; None when made by hand.
    """

    picture: Picture
    working: ImageArray
    windows: tuple[EncodedWindow, ...]
    settings: SegmentSettings | None = None

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width of the original picture."""
        return self.picture.size_hw

    @property
    def boxes(self) -> tuple[Box, ...]:
        """Where the windows lie."""
        return tuple(window.box for window in self.windows)


def encode_image(
    picture: Picture, clip: TextImageEncoder, backbone: DenseBackbone, settings: SegmentSettings
) -> EncodedImage:
    """Resize, divide into windows, and run the networks over them in batches.

    Raises:
        ModelOutputError: a network gave values that are not finite.
    """
    wanted = working_size(picture.size_hw, settings.shorter_side, settings.longest_side)
    working = resize_picture(picture.pixels, wanted, settings.resize)
    boxes = window_boxes((working.shape[0], working.shape[1]), settings.window, settings.stride)
    windows: list[EncodedWindow] = []
    # Superpixels let go of the interpreter, so that windows are divided while the networks work.
    with ThreadPoolExecutor(min(len(boxes), os.cpu_count() or 1)) as pool:
        divided = [pool.submit(settings.superpixels, working[box.slices]) for box in boxes]
        for start in range(0, len(boxes), settings.batch_size):
            batch = slice(start, start + settings.batch_size)
            windows += _encode_batch(working, boxes[batch], divided[batch], clip, backbone)
    return EncodedImage(picture, working, tuple(windows), settings)


def _encode_batch(
    working: ImageArray,
    boxes: Sequence[Box],
    divided: Sequence[Future[LabelArray]],
    clip: TextImageEncoder,
    backbone: DenseBackbone,
) -> list[EncodedWindow]:
    crops = np.stack([working[box.slices] for box in boxes])
    tokens = _finite(backbone.encode(crops), "backbone", backbone.identity.id)
    embeddings = _finite(clip.encode_images(crops), "CLIP", clip.identity.id)
    encoded = []
    for box, future, grid, embedding in zip(boxes, divided, tokens, embeddings, strict=True):
        labels = future.result()
        encoded.append(EncodedWindow(box, labels, pool_regions(grid, labels), normalised(grid), embedding))
    return encoded


def _finite(values: FloatArray, role: str, name: str) -> FloatArray:
    if not np.isfinite(values).all():
        raise ModelOutputError(
            f"the {role} model {name} gave values that are not numbers; try another device (--device cpu)."
        )
    return values.astype(np.float32, copy=False)
