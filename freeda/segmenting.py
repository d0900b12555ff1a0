"""The online stage: a picture and classes in, a label map with its reasons out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from freeda_segment import (
    Background,
    Comparison,
    Explanation,
    GivenRegions,
    Pamr,
    RandomWalk,
    RegionProvider,
    Segmentation,
    Segmenter,
    SegmentSettings,
    open_segmenter,
    retire_and_compare,
)
from freeda_segment.result import ClassShare

if TYPE_CHECKING:
    from PIL import Image

    from freeda_models.presets import Preset
    from freeda_models.protocols import ImageArray

__all__ = [
    "Background",
    "ClassShare",
    "Comparison",
    "Explanation",
    "GivenRegions",
    "Pamr",
    "RandomWalk",
    "RegionProvider",
    "SegmentSettings",
    "Segmentation",
    "Segmenter",
    "open_segmenter",
    "retire_and_compare",
    "segment",
]


def segment(
    picture: ImageArray | Image.Image | str | Path,
    classes: str | Sequence[str],
    *,
    bank: str | Path,
    preset: str | Preset | None = None,
    device: str = "auto",
    settings: SegmentSettings | None = None,
    keep_evidence: bool = False,
) -> Segmentation:
    """Segment one picture. For several, :func:`open_segmenter` opens bank and networks once.

    Args:
        picture: a path, a Pillow picture, or uint8 (H, W, 3) RGB.
        classes: expressions such as ``"red car,tree,car|automobile"``.
        bank: a folder or the name of a profile, with or without a version.
        preset: name or ``.toml`` path of a preset, or one that was read; the one that made the bank if
            None.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``mps``.
        settings: the preset's defaults if None.
        keep_evidence: keep what :meth:`Segmentation.explain_at` needs.

    Raises:
        FreedaError: the picture, the classes, the bank or its networks; see :func:`open_segmenter` and
            :meth:`Segmenter.segment`.
    """
    with open_segmenter(bank, preset=preset, device=device, settings=settings) as segmenter:
        return segmenter.segment(picture, classes, keep_evidence=keep_evidence)
