"""The region under a point by a network that takes points: SAM 2, EdgeTAM."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from freeda_learn.finding import RegionFinder, SuperpixelFinder
from freeda_learn.marks import Point, Rectangle
from freeda_learn.seeing import SeenPicture
from freeda_models.presets import Preset
from freeda_models.protocols import BoolArray, PromptedProposer
from freeda_segment.settings import OwnRegions, SegmentSettings


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


def load_finder(preset: Preset, settings: SegmentSettings, device: str) -> RegionFinder:
    """What finds regions under these settings: their network where it takes points, superpixels otherwise.

    Raises:
        ModelMissingError, UnsupportedModelError, DeviceError: the network cannot be loaded.
    """
    from freeda_models.loading import load_mask_proposer

    if settings.regions is not None and not isinstance(settings.regions, OwnRegions):
        proposer = load_mask_proposer(preset, settings.regions, device)
        if isinstance(proposer, PromptedProposer):
            return PromptFinder(proposer)
    return SuperpixelFinder(settings.superpixels, settings.merge_similarity)
