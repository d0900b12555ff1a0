"""Where results come from: of a loaded segmenter, and as expected of one that is not loaded yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

from freeda_models.options import shaping
from freeda_models.presets import Preset
from freeda_models.regions.files import region_source
from freeda_models.segmentation import Stage, names_at
from freeda_segment.pixels.background import Background
from freeda_segment.pixels.refinement import NO_REFINEMENT
from freeda_segment.regions.providers import SUPERPIXELS
from freeda_segment.result import Provenance, Setting
from freeda_segment.settings import NO_BACKGROUND, OwnRegions, SegmentSettings
from freeda_store.records import RevisionInfo

if TYPE_CHECKING:
    from freeda_store import Bank


def describe_provenance(
    address: object,
    revision: RevisionInfo | None,
    models: Mapping[str, str],
    settings: SegmentSettings,
    templates: str,
) -> Provenance:
    """What results say of where they come from.

    Args:
        address: of the bank; ``str()`` of it is shown to people.
        revision: that the bank showed.
        models: model names by role.
        settings: that are worked with.
        templates: name of the prompt templates in use.
    """
    return Provenance(
        bank=str(address),
        revision=None if revision is None else revision.number,
        committed_at="" if revision is None else revision.committed_at,
        models=dict(models),
        settings=describe_settings(settings, templates),
    )


def foresee_provenance(bank: Bank, preset: Preset, settings: SegmentSettings) -> Provenance | None:
    """What a segmenter of these would say, without loading a network.

    Args:
        bank: that would be asked.
        preset: whose models would be loaded.
        settings: that would be worked with.

    Returns:
        The provenance; None when the preset is not the one that made the bank, so that only loading can
        tell whether its models fit.
    """
    manifest = bank.manifest
    if preset.name != manifest.preset:
        return None
    models = {"clip": manifest.clip.id, "backbone": manifest.backbone.id, "keys": manifest.keys.id}
    if settings.regions is not None and not isinstance(settings.regions, OwnRegions):
        models["regions"] = region_source(preset.region_network(settings.regions.name)).name
    templates = settings.templates or manifest.templates
    return describe_provenance(bank.address, bank.revision, models, settings, templates)


def describe_settings(settings: SegmentSettings, templates: str) -> dict[str, Setting]:
    """Every setting that shapes results, by name, flat, as reports show them."""
    flat: dict[str, Setting] = {"templates": templates}
    for field in fields(settings):
        value = getattr(settings, field.name)
        if field.name in (*names_at(Stage.WORK), "templates"):
            continue
        if field.name == "superpixels":
            flat["superpixels"] = value.name
            flat |= {f"superpixels.{name}": number for name, number in asdict(value).items()}
        elif field.name == "regions":
            flat["regions"] = SUPERPIXELS if value is None else value.name
            if value is not None and not isinstance(value, OwnRegions):
                flat |= {f"regions.{name}": number for name, number in shaping(value).items()}
        elif field.name == "background":
            flat[field.name] = NO_BACKGROUND if value is None else _background(value)
        elif field.name == "refinement":
            flat[field.name] = NO_REFINEMENT if value is None else f"{value.name} {_short(value)}"
        else:
            flat[field.name] = str(value) if field.name == "where" else value
    return flat


def _background(background: Background) -> str:
    """With its threshold only where that counts."""
    return _short(background) if background.by_threshold else background.strategy


def _short(options: Any) -> str:
    return " ".join(f"{name}={value}" for name, value in asdict(options).items())
