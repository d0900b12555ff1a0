"""What divides a picture into regions, other than superpixels of each window.

A provider is asked once per picture, and windows are cut from its map. By default there is none, and each
window is divided into superpixels on its own, as the authors do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from freeda_models.protocols import ImageArray, LabelArray, MaskProposer, ModelIdentity
from freeda_segment.errors import OptionError
from freeda_segment.regions.numbering import NO_REGION
from freeda_segment.regions.painting import cover, paint
from freeda_segment.regions.sampling import resized_nearest
from freeda_segment.regions.superpixels import Superpixels

SUPERPIXELS = "superpixels"
"""What the settings call having no provider."""

_MIN_SIZE = 0.0001
"""Share of the picture below which what is left of a mask or superpixel goes to its neighbours."""


@runtime_checkable
class RegionProvider(Protocol):
    """Divides pictures into regions."""

    @property
    def name(self) -> str:
        """What results call it."""

    def __call__(self, image_hwc: ImageArray, size_hw: tuple[int, int]) -> LabelArray:
        """Regions of a picture.

        Args:
            image_hwc: uint8 (H, W, 3) RGB, at its original size.
            size_hw: height and width of the map wanted, which are those of the working picture.

        Returns:
            int32 of ``size_hw``: any number from 0 on for each region, connected or not; -1 where it proposes
            none, which is then divided into superpixels.
        """


@dataclass(frozen=True)
class ProposedRegions:
    """Regions by a network that proposes masks.

    Attributes:
        name: of the network in the settings.
        proposer: the network.
    """

    name: str
    proposer: MaskProposer

    @property
    def identity(self) -> ModelIdentity:
        """Which model proposes."""
        return self.proposer.identity

    def __call__(self, image_hwc: ImageArray, size_hw: tuple[int, int]) -> LabelArray:
        """See :class:`RegionProvider`."""
        return paint(self.proposer.propose(image_hwc), size_hw, _min_size(size_hw))


@dataclass(frozen=True, eq=False)
class GivenRegions:
    """Regions that are known already, such as exact ones or those of another program.

    Attributes:
        labels_hw: integers (H, W) of one picture, at any size of the same aspect; -1 where there is none.
        name: what results call it.
    """

    labels_hw: NDArray[np.integer[Any]]
    name: str = "given"

    def __call__(self, image_hwc: ImageArray, size_hw: tuple[int, int]) -> LabelArray:
        """The map, resized to the nearest."""
        del image_hwc
        return resized_nearest(self.labels_hw, size_hw).astype(np.int32)


@dataclass(frozen=True, eq=False)
class DividedPicture:
    """A working picture's regions.

    Attributes:
        labels: int32 (h, w), 0..R-1 without gaps, and -1 only where the superpixels are none.
        given: how many of them the provider gave; these come first, and the rest are superpixels.
    """

    labels: LabelArray
    given: int

    def voting(self, choice: str) -> LabelArray:
        """The regions in which the majority of pixels decides: int32 (h, w), -1 elsewhere.

        Args:
            choice: ``majority_vote`` of the settings.
        """
        voters = {"masks": self.given, "regions": int(self.labels.max()) + 1, "none": 0}[choice]
        regions: LabelArray = np.where(self.labels < voters, self.labels, np.int32(NO_REGION))
        return regions


def divide_picture(
    provider: RegionProvider, image_hwc: ImageArray, working_hwc: ImageArray, superpixels: Superpixels
) -> DividedPicture:
    """Ask a provider, and divide what it leaves out into superpixels.

    Args:
        provider: of regions.
        image_hwc: uint8 (H, W, 3), the picture.
        working_hwc: uint8 (h, w, 3), the working picture.
        superpixels: for what no region covers.

    Raises:
        OptionError: the provider gave something else than such a map.
    """
    size_hw = (working_hwc.shape[0], working_hwc.shape[1])
    given = np.asarray(provider(image_hwc, size_hw))
    if given.shape != size_hw or given.dtype.kind not in "iu":
        raise OptionError(
            f"regions '{provider.name}' gave {given.dtype} {given.shape}; expected integers {size_hw}."
        )
    if given.min() < NO_REGION:
        raise OptionError(f"regions '{provider.name}' gave the label {given.min()}; expected -1 or above.")
    found = np.unique(given, return_inverse=True)[1].reshape(size_hw).astype(np.int32)
    labels: LabelArray = found - np.int32(1) if given.min() == NO_REGION else found
    rest = labels if (labels >= 0).all() else superpixels(working_hwc)
    return DividedPicture(cover(labels, rest, _min_size(size_hw)), int(labels.max()) + 1)


def _min_size(size_hw: tuple[int, int]) -> int:
    return max(1, round(_MIN_SIZE * size_hw[0] * size_hw[1]))
