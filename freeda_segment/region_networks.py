"""From settings to what divides pictures into regions, and back."""

from __future__ import annotations

from dataclasses import replace

from freeda_models.presets import Preset
from freeda_segment.errors import OptionError
from freeda_segment.regions.providers import ProposedRegions, RegionProvider
from freeda_segment.settings import OwnRegions, SegmentSettings


def load_regions(preset: Preset, settings: SegmentSettings, device: str) -> ProposedRegions | None:
    """The provider that settings name, with the preset's network; None for superpixels.

    Raises:
        OptionError: they name a provider of one's own.
        ModelMissingError, UnsupportedModelError, DeviceError: the network cannot be loaded.
    """
    from freeda_models.loading import load_mask_proposer

    if settings.regions is None:
        return None
    if isinstance(settings.regions, OwnRegions):
        raise OptionError(f"regions '{settings.regions.name}' cannot be loaded; hand the provider in.")
    return ProposedRegions(settings.regions.name, load_mask_proposer(preset, settings.regions, device))


def settings_naming(settings: SegmentSettings, regions: RegionProvider | None) -> SegmentSettings:
    """Settings that name the provider that is used, so that results do.

    Raises:
        OptionError: they name one that is not there.
    """
    named = None if settings.regions is None else settings.regions.name
    if regions is None and named is not None:
        raise OptionError(
            f"the settings want regions by '{named}', which is not loaded; open_segmenter loads the networks "
            "that settings name."
        )
    if regions is None or regions.name == named:
        return settings
    return replace(settings, regions=OwnRegions(regions.name))
