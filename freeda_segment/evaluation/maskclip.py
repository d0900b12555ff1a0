"""A baseline without a bank: CLIP's own patch features against class text.

After MaskCLIP (Zhou et al., ECCV 2022): the last block's attention is replaced by its value path, so
that each patch lies in the space of texts. Windows, their averaging, the resize to the original size
and the prompt templates are those of the method it is compared with.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from freeda_models.presets import Preset
from freeda_models.protocols import FloatArray, ImageArray, TextEncoder
from freeda_models.text.keys import embed_classes, prompts_named
from freeda_segment.classes import ClassList
from freeda_segment.errors import OptionError
from freeda_segment.pixels.labelling import LabelMap, LabelRequest, label_pixels
from freeda_segment.regions.numbering import NO_REGION
from freeda_segment.regions.similarity import WindowScores
from freeda_segment.regions.windows import Box, resize_picture, window_boxes, working_size
from freeda_segment.retrieval.aggregation import pool_max
from freeda_segment.settings import SegmentSettings


@runtime_checkable
class DenseClip(TextEncoder, Protocol):
    """A CLIP that places patches among texts."""

    def encode_dense(self, images_bhwc: ImageArray) -> FloatArray:
        """uint8 (B, H, W, 3) to float32 (B, h, w, D), L2-normalised."""


def load_dense_clip(preset: Preset, device: str) -> DenseClip:
    """The preset's CLIP.

    Raises:
        OptionError: it gives no patch features.
    """
    from freeda_models.loading import load_text_image_encoder

    clip = load_text_image_encoder(preset, device)
    if not isinstance(clip, DenseClip):
        raise OptionError(f"the CLIP of preset '{preset.name}' gives no patch features; use another preset.")
    return clip


@dataclass(frozen=True, eq=False)
class MaskClipClasses:
    """Embedded classes.

    Attributes:
        embeddings: float32 (T, D), L2-normalised, class after class.
        starts: int64 (C,), where each class's texts start.
    """

    embeddings: FloatArray
    starts: NDArray[np.int64]

    @classmethod
    def embed(cls, clip: TextEncoder, classes: ClassList, templates: str) -> MaskClipClasses:
        """Embed the texts of classes with a set of prompt templates.

        Args:
            clip: of the patch features.
            classes: at least one.
            templates: a name of :data:`freeda_models.text.keys.TEMPLATE_SETS`.
        """
        texts = [text for each in classes.classes for text in each.texts]
        counts = [len(each.texts) for each in classes.classes]
        starts = np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.int64)
        return cls(embed_classes(clip, texts, prompts_named(templates)), starts)


@dataclass(frozen=True)
class MaskClip:
    """Labels pictures; see :class:`freeda_segment.evaluation.labellers.Labeller`.

    Attributes:
        clip: gives patch features.
        classes: what pixels may be.
        settings: the sizes of picture, windows and batches count here.
    """

    clip: DenseClip
    classes: MaskClipClasses
    settings: SegmentSettings

    def __call__(self, image_hwc: ImageArray) -> LabelMap:
        """uint8 (H, W, 3) to int16 (H, W)."""
        size_hw = (image_hwc.shape[0], image_hwc.shape[1])
        settings = self.settings
        wanted = working_size(size_hw, settings.shorter_side, settings.longest_side)
        working = resize_picture(image_hwc, wanted, settings.resize)
        boxes = window_boxes((working.shape[0], working.shape[1]), settings.window, settings.stride)
        windows = tuple(self._windows(working, boxes))
        return label_pixels(LabelRequest(working, size_hw, boxes, windows, alpha=1.0)).labels

    def _windows(self, working: ImageArray, boxes: tuple[Box, ...]) -> Iterator[WindowScores]:
        """Cosines of patches with classes, as windows in which no pixel is in a superpixel."""
        for start in range(0, len(boxes), self.settings.batch_size):
            batch = boxes[start : start + self.settings.batch_size]
            patches = self.clip.encode_dense(np.stack([working[box.slices] for box in batch]))
            for box, grid in zip(batch, patches, strict=True):
                height, width, depth = grid.shape
                cosines = grid.reshape(-1, depth) @ self.classes.embeddings.T
                scores = pool_max(cosines, self.classes.starts)
                yield WindowScores(
                    labels=np.full(box.size_hw, NO_REGION, dtype=np.int32),
                    covered=np.zeros(0, dtype=np.bool_),
                    regions=np.zeros((0, scores.shape[1]), dtype=np.float32),
                    tokens=scores.reshape(height, width, -1),
                    global_score=np.zeros(scores.shape[1], dtype=np.float32),
                )
