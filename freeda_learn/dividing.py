"""The regions of a whole picture, for what nobody marked: mask proposals, or superpixels merged by looks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from typing_extensions import override

from freeda_learn.errors import OptionError
from freeda_learn.finding import SuperpixelFinder
from freeda_learn.seeing import SeenPicture
from freeda_models.protocols import BoolArray, LabelArray
from freeda_segment.regions.numbering import NO_REGION
from freeda_segment.regions.providers import RegionProvider, divide_picture
from freeda_segment.settings import SegmentSettings


@dataclass(frozen=True)
class RegionLimits:
    """Which regions of a picture are kept.

    Attributes:
        min_share: least share of the picture that one covers, above 0 and at most 1.
        most: how many of a picture at most, the largest first.
    """

    min_share: float = 0.01
    most: int = 20

    def __post_init__(self) -> None:
        if not 0 < self.min_share <= 1:
            raise OptionError(f"min share is {self.min_share}; expected a number above 0 and at most 1.")
        if self.most < 1:
            raise OptionError(f"most regions is {self.most}; expected a whole number of at least 1.")


class PictureDivider(Protocol):
    """Divides pictures into regions."""

    def __call__(self, seen: SeenPicture) -> LabelArray:
        """Regions of a picture: int32 (h, w) at the working picture's size, 0 or above, -1 for none."""


@dataclass(frozen=True)
class MergedSuperpixels(PictureDivider):
    """Superpixels of the whole picture, merged where they look alike to the backbone.

    Attributes:
        finder: merges them as it does under a point.
    """

    finder: SuperpixelFinder

    @override
    def __call__(self, seen: SeenPicture) -> LabelArray:
        return self.finder.merged(seen)


@dataclass(frozen=True)
class Proposals(PictureDivider):
    """What a network proposes; what lies between is left out.

    Attributes:
        provider: of regions.
        settings: how the provider is asked.
    """

    provider: RegionProvider
    settings: SegmentSettings

    @override
    def __call__(self, seen: SeenPicture) -> LabelArray:
        divided = divide_picture(self.provider, seen.picture.pixels, seen.working, self.settings.superpixels)
        labels: LabelArray = np.where(divided.labels < divided.given, divided.labels, np.int32(NO_REGION))
        return labels


def divider_of(settings: SegmentSettings, regions: RegionProvider | None) -> PictureDivider:
    """What divides whole pictures as pictures are segmented.

    Args:
        settings: how pictures are divided into superpixels.
        regions: what proposes regions; None where nothing does.
    """
    if regions is not None:
        return Proposals(regions, settings)
    return MergedSuperpixels(SuperpixelFinder(settings.superpixels, settings.merge_similarity))


def largest_regions(labels_hw: LabelArray, limits: RegionLimits) -> list[BoolArray]:
    """Masks of the regions that are kept, bool (h, w), the largest first."""
    sizes = np.bincount(labels_hw[labels_hw >= 0])
    large = np.flatnonzero(sizes >= limits.min_share * labels_hw.size)
    ordered = large[np.argsort(-sizes[large], kind="stable")][: limits.most]
    return [labels_hw == label for label in ordered]
