"""From attribution maps to weak masks (FreeDA, section 3.1): normalise, upsample, threshold, gate.

The paper's threshold is not public; it is a setting here, and the bank's manifest records it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from freeda_ingest.errors import OptionError
from freeda_ingest.resampling import resample
from freeda_models.protocols import BoolArray, FloatArray

Upsampling = Literal["bicubic", "bilinear"]


class DropReason(StrEnum):
    """Why a noun of a drawn caption gave no prototype."""

    OUTSIDE_WINDOW = "outside the text window"
    NON_FINITE_MAP = "non-finite attribution map"
    FLAT_MAP = "flat attribution map"
    TOO_SMALL = "mask too small"
    TOO_LARGE = "mask covers nearly everything"
    LOW_CONTRAST = "attribution too even"
    LOW_AGREEMENT = "CLIP sees something else"
    NON_FINITE_FEATURES = "non-finite features"
    HUGE_FEATURES = "features too large for float16"
    EMPTY_VECTOR = "empty vector"
    NON_FINITE_KEY = "non-finite text key"
    NON_FINITE_SCORE = "non-finite CLIP score"


def fixed(upsampled_hw: FloatArray, value: float) -> float:
    """The same cut for every map: ``value`` in 0..1."""
    del upsampled_hw
    return value


def otsu(upsampled_hw: FloatArray, value: float) -> float:
    """Otsu's cut between two classes of brightness, moved by ``value`` (0 for Otsu's own)."""
    from skimage.filters import threshold_otsu

    return float(threshold_otsu(upsampled_hw)) + value


def mean_std(upsampled_hw: FloatArray, value: float) -> float:
    """Mean plus ``value`` standard deviations of the map."""
    return float(upsampled_hw.mean(dtype=np.float64) + value * upsampled_hw.std(dtype=np.float64))


THRESHOLDS: Mapping[str, Callable[[FloatArray, float], float]] = {
    "fixed": fixed,
    "otsu": otsu,
    "mean_std": mean_std,
}
"""Strategies by name: float32 (H, W) in 0..1 and one parameter to the cut; above it is inside."""


@dataclass(frozen=True)
class MaskSettings:
    """How maps become masks.

    Attributes:
        threshold: name in :data:`THRESHOLDS`.
        value: its parameter, see there.
        min_area, max_area: share of the picture, 0..1, that a mask may cover; both included.
        upsampling: filter from the map's size to the picture's.
        min_contrast: least attribution inside over outside, see :attr:`Mask.contrast`; 0 lets all pass.
    """

    threshold: str = "fixed"
    value: float = 0.5
    min_area: float = 0.005
    max_area: float = 0.95
    upsampling: Upsampling = "bicubic"
    min_contrast: float = 0.0

    def __post_init__(self) -> None:
        if self.threshold not in THRESHOLDS:
            raise OptionError(f"unknown threshold '{self.threshold}'; choose one of {', '.join(THRESHOLDS)}.")
        if not 0 <= self.min_area <= self.max_area <= 1:
            raise OptionError(
                f"areas {self.min_area} to {self.max_area} are no range within 0..1; "
                "give min_area <= max_area, both shares of the picture."
            )
        if not 0 <= self.min_contrast <= MAX_CONTRAST:
            raise OptionError(
                f"min_contrast is {self.min_contrast}; give a number from 0 to {MAX_CONTRAST:g}, "
                "0 for no such gate."
            )


MAX_CONTRAST = 1000.0
"""Stands for "nothing at all outside": a database holds no infinity."""

DEFAULT_MASKS = MaskSettings()


@dataclass(frozen=True, eq=False)
class Mask:
    """A noun's weak mask and the map it was cut from.

    Attributes:
        mask_hw: bool (H, W) at the picture's size.
        normalised_hw: float32 (h, w) in 0..1 at the map's own size, for the thumbnail.
        area: share of the picture inside, 0..1.
        contrast: mean attribution inside over mean outside, of the raw map at the picture's size;
            1 when nothing lies outside, at most :data:`MAX_CONTRAST`.
    """

    mask_hw: BoolArray
    normalised_hw: FloatArray
    area: float
    contrast: float


def make_mask(map_hw: FloatArray, size_hw: tuple[int, int], settings: MaskSettings) -> Mask | DropReason:
    """Cut one attribution map.

    The map is min-max normalised, upsampled and clamped to 0..1 (bicubic overshoots), and what lies
    above the threshold is inside.

    Args:
        map_hw: float32 (h, w), >= 0.
        size_hw: the picture's rows and columns.
        settings: threshold and gates.

    Returns:
        The mask, or why there is none: a non-finite or flat map, an area outside the gates, or too
        little contrast.
    """
    if not np.isfinite(map_hw).all():
        return DropReason.NON_FINITE_MAP
    lowest, highest = float(map_hw.min()), float(map_hw.max())
    normalised = normalise(map_hw)
    if normalised is None:
        return DropReason.FLAT_MAP
    upsampled = np.clip(resample(normalised[None], size_hw, settings.upsampling)[0], 0, 1)
    mask = upsampled > THRESHOLDS[settings.threshold](upsampled, settings.value)
    area = float(mask.mean())
    if area < settings.min_area or area == 0:
        return DropReason.TOO_SMALL
    if area > settings.max_area:
        return DropReason.TOO_LARGE
    raw = upsampled.astype(np.float64) * (highest - lowest) + lowest
    contrast = _contrast(raw, mask)
    if contrast < settings.min_contrast:
        return DropReason.LOW_CONTRAST
    return Mask(mask_hw=mask, normalised_hw=normalised, area=area, contrast=contrast)


def normalise(map_hw: FloatArray) -> FloatArray | None:
    """Stretch finite float32 (h, w) to 0..1; None when it is flat, up to float32 rounding."""
    lowest, highest = np.float64(map_hw.min()), np.float64(map_hw.max())
    reach = highest - lowest
    if reach <= np.finfo(np.float32).tiny or reach <= 1e-6 * max(abs(lowest), abs(highest)):
        return None
    stretched: FloatArray = ((map_hw.astype(np.float64) - lowest) / reach).astype(np.float32)
    return stretched


def _contrast(raw_hw: NDArray[np.float64], mask_hw: BoolArray) -> float:
    if mask_hw.all():
        return 1.0
    inside = float(raw_hw[mask_hw].mean())
    outside = float(raw_hw[~mask_hw].mean())
    return min(inside / outside, MAX_CONTRAST) if outside > 0 else MAX_CONTRAST
