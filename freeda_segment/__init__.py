"""The online stage: a picture and classes in, a label map with its reasons out.

Start at :mod:`freeda_segment.segmenter` (what a user holds) and
:mod:`freeda_segment.result` (what it gives). Names are imported when first used, so that
``import freeda_segment`` imports no network library.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from freeda_segment.classes import ClassList, ClassName, parse_classes, read_classes_file
    from freeda_segment.correcting import Comparison, retire_and_compare
    from freeda_segment.encoding import EncodedImage
    from freeda_segment.explain.explanation import Explanation
    from freeda_segment.images import Picture, open_image, read_picture
    from freeda_segment.pixels.background import Background, BackgroundStrategy
    from freeda_segment.pixels.refinement import Pamr, RandomWalk
    from freeda_segment.regions.providers import GivenRegions, RegionProvider
    from freeda_segment.regions.superpixels import parse_superpixels
    from freeda_segment.result import Segmentation
    from freeda_segment.retrieval.prototypes import ClassPrototypes
    from freeda_segment.segmenter import Segmenter, open_segmenter
    from freeda_segment.settings import SegmentSettings

_HOMES = {
    "Background": "pixels.background",
    "BackgroundStrategy": "pixels.background",
    "ClassList": "classes",
    "ClassName": "classes",
    "ClassPrototypes": "retrieval.prototypes",
    "Comparison": "correcting",
    "EncodedImage": "encoding",
    "Explanation": "explain.explanation",
    "GivenRegions": "regions.providers",
    "Pamr": "pixels.refinement",
    "Picture": "images",
    "RandomWalk": "pixels.refinement",
    "RegionProvider": "regions.providers",
    "SegmentSettings": "settings",
    "Segmentation": "result",
    "Segmenter": "segmenter",
    "open_image": "images",
    "open_segmenter": "segmenter",
    "parse_classes": "classes",
    "parse_superpixels": "regions.superpixels",
    "read_classes_file": "classes",
    "read_picture": "images",
    "retire_and_compare": "correcting",
}

__all__ = [
    "Background",
    "BackgroundStrategy",
    "ClassList",
    "ClassName",
    "ClassPrototypes",
    "Comparison",
    "EncodedImage",
    "Explanation",
    "GivenRegions",
    "Pamr",
    "Picture",
    "RandomWalk",
    "RegionProvider",
    "SegmentSettings",
    "Segmentation",
    "Segmenter",
    "open_image",
    "open_segmenter",
    "parse_classes",
    "parse_superpixels",
    "read_classes_file",
    "read_picture",
    "retire_and_compare",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'freeda_segment' has no attribute '{name}'")
    return getattr(import_module(f"freeda_segment.{_HOMES[name]}"), name)
