"""Superpixels (method, online stage 5): one frozen dataclass of options per algorithm.

Each is callable, uint8 (H, W, 3) to int32 (H, W) labels 0..S-1 without gaps. ``none`` gives -1
everywhere: a pixel in no superpixel keeps its patch's similarity. Presets override the defaults. Those
of Felzenszwalb are what the authors configure for ADE20K and Pascal Context; they configure others for
VOC, COCO-Stuff and Cityscapes, which ``freeda evaluate`` takes (``freeda_segment/evaluation/sets``). The
other algorithms have the defaults of their code. Add an algorithm by adding a class to :data:`ALGORITHMS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, Protocol

import numpy as np

from freeda_models.options import number, with_numbers
from freeda_models.protocols import FloatArray, ImageArray, LabelArray
from freeda_segment.errors import OptionError
from freeda_segment.regions.numbering import NO_REGION, numbered


class Superpixels(Protocol):
    """An algorithm with its options, ready to divide pictures."""

    name: ClassVar[str]

    def __call__(self, image_hwc: ImageArray) -> LabelArray:
        """uint8 (H, W, 3) to int32 (H, W) labels 0..S-1."""


@dataclass(frozen=True)
class Felzenszwalb:
    """Felzenszwalb and Huttenlocher's graph-based regions, the authors' choice; by default as they
    configure it for ADE20K and Pascal Context.

    Attributes:
        scale: larger gives larger regions.
        sigma: deviation of the Gaussian that smooths the picture first, in pixels.
        min_size: smaller regions are merged, in pixels.
    """

    name: ClassVar[str] = "felzenszwalb"
    scale: float = number(100.0, above=0)
    sigma: float = number(1.0, least=0, most=100)
    min_size: int = number(20, least=1)

    def __call__(self, image_hwc: ImageArray) -> LabelArray:
        """Divide a picture; see :class:`Superpixels`."""
        from skimage.segmentation import felzenszwalb

        return numbered(
            felzenszwalb(_as_float(image_hwc), scale=self.scale, sigma=self.sigma, min_size=self.min_size)
        )


@dataclass(frozen=True)
class Slic:
    """k-means in colour and position.

    Attributes:
        n_segments: about how many regions.
        compactness: larger gives squarer regions.
        sigma: smoothing before, in pixels.
        min_size_factor: regions below this share of the mean size are merged.
        max_num_iter: rounds of k-means.
    """

    name: ClassVar[str] = "slic"
    n_segments: int = number(200, least=1, most=1e6)
    compactness: float = number(10.0, above=0)
    sigma: float = number(1.0, least=0, most=100)
    min_size_factor: float = number(0.5, least=0)
    max_num_iter: int = number(10, least=1, most=1000)

    def __call__(self, image_hwc: ImageArray) -> LabelArray:
        """Divide a picture; see :class:`Superpixels`."""
        from skimage.segmentation import slic

        return numbered(
            slic(
                _as_float(image_hwc),
                n_segments=self.n_segments,
                compactness=self.compactness,
                sigma=self.sigma,
                min_size_factor=self.min_size_factor,
                max_num_iter=self.max_num_iter,
                enforce_connectivity=True,
                start_label=0,
            )
        )


@dataclass(frozen=True)
class Quickshift:
    """Mode seeking in colour and position; slow (its cost grows with ``kernel_size`` squared).

    Attributes:
        ratio: weight of colour against position.
        kernel_size: deviation of the density kernel, in pixels.
        max_dist: longest link between a pixel and its parent.
        sigma: smoothing before, in pixels.
    """

    name: ClassVar[str] = "quickshift"
    ratio: float = number(5.0, least=0)
    kernel_size: float = number(10.0, least=1, most=100)
    max_dist: float = number(10.0, above=0)
    sigma: float = number(1.0, least=0, most=100)

    def __call__(self, image_hwc: ImageArray) -> LabelArray:
        """Divide a picture; see :class:`Superpixels`. The same picture gives the same regions."""
        from skimage.segmentation import quickshift

        return numbered(
            quickshift(
                _as_float(image_hwc),
                ratio=self.ratio,
                kernel_size=self.kernel_size,
                max_dist=self.max_dist,
                sigma=self.sigma,
                rng=42,
            )
        )


@dataclass(frozen=True)
class Watershed:
    """Basins of the Sobel gradient.

    Attributes:
        markers: about how many regions.
        compactness: larger gives more regular regions.
    """

    name: ClassVar[str] = "watershed"
    markers: int = number(200, least=1, most=1e6)
    compactness: float = number(1e-5, least=0)

    def __call__(self, image_hwc: ImageArray) -> LabelArray:
        """Divide a picture; see :class:`Superpixels`."""
        from skimage.color import rgb2gray
        from skimage.filters import sobel
        from skimage.segmentation import watershed

        gradient = sobel(rgb2gray(_as_float(image_hwc)))
        return numbered(watershed(gradient, markers=self.markers, compactness=self.compactness))


@dataclass(frozen=True)
class NoSuperpixels:
    """No regions: every pixel keeps the similarity of its patch."""

    name: ClassVar[str] = "none"

    def __call__(self, image_hwc: ImageArray) -> LabelArray:
        """int32 (H, W), -1 everywhere."""
        return np.full(image_hwc.shape[:2], NO_REGION, dtype=np.int32)


ALGORITHMS: Mapping[str, type[Any]] = MappingProxyType(
    {kind.name: kind for kind in (Felzenszwalb, Slic, Quickshift, Watershed, NoSuperpixels)}
)


def parse_superpixels(name: str, options: Mapping[str, float] = MappingProxyType({})) -> Superpixels:
    """An algorithm by name, with numbers for some of its options.

    Args:
        name: one of :data:`ALGORITHMS`.
        options: option names to numbers; whole numbers may come as floats.

    Raises:
        OptionError: unknown algorithm or option, or a number outside its range.
    """
    if name not in ALGORITHMS:
        raise OptionError(f"unknown superpixel algorithm '{name}'; choose one of {', '.join(ALGORITHMS)}.")
    try:
        algorithm: Superpixels = with_numbers(ALGORITHMS[name], name, options)
    except ValueError as error:
        raise OptionError(str(error)) from error
    return algorithm


def _as_float(image_hwc: ImageArray) -> FloatArray:
    return image_hwc.astype(np.float32) / np.float32(255)
