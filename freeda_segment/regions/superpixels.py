"""Superpixels (method, online stage 5): one frozen dataclass of options per algorithm.

Each is callable, uint8 (H, W, 3) to int32 (H, W) labels 0..S-1 without gaps. ``none`` gives -1
everywhere: a pixel in no superpixel keeps its patch's similarity. Presets override the defaults. Those
of Felzenszwalb are what the authors configure for ADE20K and Pascal Context; they configure others for
VOC, COCO-Stuff and Cityscapes, which ``freeda evaluate`` takes (``freeda_segment/evaluation/sets``). The
other algorithms have the defaults of their code. Add an algorithm by adding a class to :data:`ALGORITHMS`.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from freeda_models.protocols import FloatArray, ImageArray, LabelArray
from freeda_segment.errors import OptionError

NO_SUPERPIXEL = -1


class Superpixels(Protocol):
    """An algorithm with its options, ready to divide pictures."""

    name: ClassVar[str]

    def __call__(self, image_hwc: ImageArray) -> LabelArray:
        """uint8 (H, W, 3) to int32 (H, W) labels 0..S-1."""


def _number(
    default: float, *, above: float | None = None, least: float | None = None, most: float = 1e9
) -> Any:
    """A field of options: a number over ``above``, or not under ``least``, and not over ``most``."""
    return dataclasses.field(default=default, metadata={"above": above, "least": least, "most": most})


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
    scale: float = _number(100.0, above=0)
    sigma: float = _number(1.0, least=0, most=100)
    min_size: int = _number(20, least=1)

    def __call__(self, image_hwc: ImageArray) -> LabelArray:
        """Divide a picture; see :class:`Superpixels`."""
        from skimage.segmentation import felzenszwalb

        return _numbered(
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
    n_segments: int = _number(200, least=1, most=1e6)
    compactness: float = _number(10.0, above=0)
    sigma: float = _number(1.0, least=0, most=100)
    min_size_factor: float = _number(0.5, least=0)
    max_num_iter: int = _number(10, least=1, most=1000)

    def __call__(self, image_hwc: ImageArray) -> LabelArray:
        """Divide a picture; see :class:`Superpixels`."""
        from skimage.segmentation import slic

        return _numbered(
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
    ratio: float = _number(5.0, least=0)
    kernel_size: float = _number(10.0, least=1, most=100)
    max_dist: float = _number(10.0, above=0)
    sigma: float = _number(1.0, least=0, most=100)

    def __call__(self, image_hwc: ImageArray) -> LabelArray:
        """Divide a picture; see :class:`Superpixels`. The same picture gives the same regions."""
        from skimage.segmentation import quickshift

        return _numbered(
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
    markers: int = _number(200, least=1, most=1e6)
    compactness: float = _number(1e-5, least=0)

    def __call__(self, image_hwc: ImageArray) -> LabelArray:
        """Divide a picture; see :class:`Superpixels`."""
        from skimage.color import rgb2gray
        from skimage.filters import sobel
        from skimage.segmentation import watershed

        gradient = sobel(rgb2gray(_as_float(image_hwc)))
        return _numbered(watershed(gradient, markers=self.markers, compactness=self.compactness))


@dataclass(frozen=True)
class NoSuperpixels:
    """No regions: every pixel keeps the similarity of its patch."""

    name: ClassVar[str] = "none"

    def __call__(self, image_hwc: ImageArray) -> LabelArray:
        """int32 (H, W), -1 everywhere."""
        return np.full(image_hwc.shape[:2], NO_SUPERPIXEL, dtype=np.int32)


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
    kind = ALGORITHMS[name]
    fields = {field.name: field for field in dataclasses.fields(kind)}
    for option in options:
        if option not in fields:
            known = ", ".join(fields) or "none"
            raise OptionError(f"{name} has no option '{option}'; its options are: {known}.")
    values = {option: _checked(name, fields[option], number) for option, number in options.items()}
    algorithm: Superpixels = kind(**values)
    return algorithm


def _checked(algorithm: str, field: dataclasses.Field[Any], number: float) -> float | int:
    above, least, most = (field.metadata[name] for name in ("above", "least", "most"))
    whole = field.type == "int"
    wanted = "a whole number" if whole else "a number"
    bound = f"over {above:g}" if above is not None else f"of at least {least:g}"
    fits = (
        isinstance(number, int | float)
        and not isinstance(number, bool)
        and math.isfinite(number)
        and (not whole or number == int(number))
        and (number > above if above is not None else number >= least)
        and number <= most
    )
    if not fits:
        raise OptionError(
            f"{algorithm}: {field.name} is {number!r}; expected {wanted} {bound}, at most {most:g}."
        )
    return int(number) if whole else float(number)


def _as_float(image_hwc: ImageArray) -> FloatArray:
    return image_hwc.astype(np.float32) / np.float32(255)


def _numbered(labels: NDArray[Any]) -> LabelArray:
    """Labels 0..S-1 without gaps, in their order."""
    present = np.bincount(labels.ravel()) > 0
    number = np.cumsum(present, dtype=np.int32) - np.int32(1)
    numbered: LabelArray = number[labels]
    return numbered
