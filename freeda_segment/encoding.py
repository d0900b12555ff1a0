"""What a picture costs once: regions, patch features and CLIP embeddings of its windows."""

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
from freeda_segment.regions.merging import merge_similar
from freeda_segment.regions.numbering import numbered
from freeda_segment.regions.providers import DividedPicture, RegionProvider, divide_picture
from freeda_segment.regions.similarity import RegionFeatures, pool_regions
from freeda_segment.regions.windows import Box, resize_picture, window_boxes, working_size
from freeda_segment.settings import SegmentSettings


@dataclass(frozen=True, eq=False)
class EncodedWindow:
    """One window of the working picture.

    Attributes:
        box: where it lies in the working picture.
        labels: int32 (H, W), its regions: 0..S-1 without gaps, or -1.
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
        divided: the whole working picture, from which the windows' regions were cut; None where each window
            was divided on its own.
    """

    picture: Picture
    working: ImageArray
    windows: tuple[EncodedWindow, ...]
    settings: SegmentSettings | None = None
    divided: DividedPicture | None = None

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width of the original picture."""
        return self.picture.size_hw

    @property
    def boxes(self) -> tuple[Box, ...]:
        """Where the windows lie."""
        return tuple(window.box for window in self.windows)


def encode_image(
    picture: Picture,
    clip: TextImageEncoder,
    backbone: DenseBackbone,
    settings: SegmentSettings,
    regions: RegionProvider | None = None,
) -> EncodedImage:
    """Resize, divide into windows and regions, and run the networks over the windows in batches.

    Without a provider each window is divided into superpixels on its own, as the authors do.

    Raises:
        ModelOutputError: a network gave values that are not finite.
        OptionError: the provider of regions gave no such map.
    """
    wanted = working_size(picture.size_hw, settings.shorter_side, settings.longest_side)
    working = resize_picture(picture.pixels, wanted, settings.resize)
    boxes = window_boxes((working.shape[0], working.shape[1]), settings.window, settings.stride)
    whole = None
    if regions is not None:
        whole = divide_picture(regions, picture.pixels, working, settings.superpixels)
    merged = settings.merge_similarity if regions is None else None
    windows: list[EncodedWindow] = []
    # Superpixels let go of the interpreter, so that windows are divided while the networks work.
    with ThreadPoolExecutor(min(len(boxes), os.cpu_count() or 1)) as pool:
        if whole is None:
            divided = [pool.submit(settings.superpixels, working[box.slices]) for box in boxes]
        else:
            divided = [pool.submit(numbered, whole.labels[box.slices]) for box in boxes]
        for start in range(0, len(boxes), settings.batch_size):
            batch = slice(start, start + settings.batch_size)
            windows += _encode_batch(working, boxes[batch], divided[batch], clip, backbone, merged)
    return EncodedImage(picture, working, tuple(windows), settings, whole)


def _encode_batch(
    working: ImageArray,
    boxes: Sequence[Box],
    divided: Sequence[Future[LabelArray]],
    clip: TextImageEncoder,
    backbone: DenseBackbone,
    merged: float | None,
) -> list[EncodedWindow]:
    crops = np.stack([working[box.slices] for box in boxes])
    tokens = _finite(backbone.encode(crops), "backbone", backbone.identity.id)
    embeddings = _finite(clip.encode_images(crops), "CLIP", clip.identity.id)
    encoded = []
    for box, future, grid, embedding in zip(boxes, divided, tokens, embeddings, strict=True):
        labels = future.result()
        if merged is not None:
            labels = merge_similar(labels, grid, merged)
        encoded.append(EncodedWindow(box, labels, pool_regions(grid, labels), normalised(grid), embedding))
    return encoded


def _finite(values: FloatArray, role: str, name: str) -> FloatArray:
    if not np.isfinite(values).all():
        raise ModelOutputError(
            f"the {role} model {name} gave values that are not numbers; try another device (--device cpu)."
        )
    return values.astype(np.float32, copy=False)
