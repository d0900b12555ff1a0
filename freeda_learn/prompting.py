"""The region under a point by a network that takes points: SAM 2, EdgeTAM."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from freeda_learn.finding import RegionFinder, SuperpixelFinder
from freeda_learn.marks import Point, Rectangle
from freeda_learn.seeing import SeenPicture
from freeda_models.protocols import BoolArray, PromptedProposer
from freeda_segment.regions.providers import ProposedRegions, RegionProvider
from freeda_segment.settings import SegmentSettings


@dataclass(frozen=True)
class PromptFinder(RegionFinder):
    """Asks a network for the mask at a point or in a box.

    Attributes:
        proposer: the network.
    """

    proposer: PromptedProposer

    def under(self, seen: SeenPicture, points: tuple[Point, ...]) -> BoolArray:
        """See :meth:`RegionFinder.under`: each point is a prompt of its own."""
        masks = [self.proposer.at_point(seen.picture.pixels, point) for point in points]
        return seen.to_working(np.logical_or.reduce(masks))

    def inside(self, seen: SeenPicture, box: Rectangle) -> BoolArray:
        """See :meth:`RegionFinder.inside`."""
        return seen.to_working(self.proposer.in_box(seen.picture.pixels, box))


def finder_of(settings: SegmentSettings, regions: RegionProvider | None) -> RegionFinder:
    """What finds regions as pictures are segmented: the network where it takes points, else superpixels.

    Args:
        settings: how pictures are divided into superpixels.
        regions: what divides pictures otherwise; None where nothing does.
    """
    if isinstance(regions, ProposedRegions) and isinstance(regions.proposer, PromptedProposer):
        return PromptFinder(regions.proposer)
    return SuperpixelFinder(settings.superpixels, settings.merge_similarity)
