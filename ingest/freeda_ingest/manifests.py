"""What a preset says about the making of a bank: the stages' settings, and the manifest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import Protocol

from freeda_ingest.masks import MaskSettings
from freeda_ingest.settings import StageSettings
from freeda_models.identity import NO_GENERATOR
from freeda_models.loading import identify
from freeda_models.nouns.vocabulary import unknown_names
from freeda_models.presets import Preset, preset_document
from freeda_models.protocols import ModelIdentity
from freeda_store.manifest import Manifest, ModelRecord


class Identities(Protocol):
    """One identity per role, as :func:`freeda_models.loading.identify` gives them."""

    @property
    def clip(self) -> ModelIdentity:
        """Global similarity."""

    @property
    def backbone(self) -> ModelIdentity:
        """Dense features."""

    @property
    def generator(self) -> ModelIdentity:
        """Diffusion model."""

    @property
    def nouns(self) -> ModelIdentity:
        """Noun extractor."""

    @property
    def keys(self) -> ModelIdentity:
        """Key space."""


def stage_settings(preset: Preset) -> StageSettings:
    """The stages' settings as a preset declares them."""
    defaults = preset.ingest
    return StageSettings(
        key_strategy=preset.keys.strategy,
        templates=preset.keys.templates,
        mask=MaskSettings(
            threshold=defaults.threshold,
            value=defaults.threshold_value,
            min_area=defaults.min_area,
            max_area=defaults.max_area,
            min_contrast=defaults.min_contrast,
        ),
        weighting=defaults.weighting,
        min_agreement=defaults.min_agreement,
        find_unknown=partial(unknown_names, preset),
    )


def make_manifest(
    preset_name: str, identities: Identities, settings: StageSettings, preset_document: str = ""
) -> Manifest:
    """The manifest of a bank made with these models and settings.

    Args:
        preset_name: of the preset that they are from.
        identities: of its models.
        settings: of the stages.
        preset_document: see :func:`freeda_models.presets.preset_document`.
    """
    return Manifest(
        preset=preset_name,
        preset_document=preset_document,
        clip=ModelRecord.of(identities.clip),
        backbone=ModelRecord.of(identities.backbone),
        generator=ModelRecord.of(identities.generator),
        nouns=ModelRecord.of(identities.nouns),
        keys=ModelRecord.of(identities.keys),
        key_strategy=settings.key_strategy,
        templates=settings.templates,
        threshold=mask_record(settings),
        created_by=f"freeda {_version()}",
    )


def preset_manifest(preset: Preset, load_all: Callable[[], object]) -> Manifest:
    """The manifest of a bank that a preset makes.

    Args:
        preset: models and settings.
        load_all: loads all its models; called where some of their files are not there to be identified.
    """
    identities = identify(preset)
    if not is_complete(identities):
        load_all()
        identities = identify(preset)
    return make_manifest(preset.name, identities, stage_settings(preset), preset_document(preset))


def mask_record(settings: StageSettings) -> dict[str, str | float | int]:
    """What a manifest keeps of masks and gates.

    Gates and weightings that came later than the first banks are recorded only where they differ
    from what those banks were made with, so that they still match.
    """
    mask = settings.mask
    record: dict[str, str | float | int] = {
        "strategy": mask.threshold,
        "value": mask.value,
        "min_area": mask.min_area,
        "max_area": mask.max_area,
        "upsampling": mask.upsampling,
    }
    later: dict[str, tuple[str | float, str | float]] = {
        "min_contrast": (mask.min_contrast, 0.0),
        "weighting": (settings.weighting, "token"),
        "min_agreement": (settings.min_agreement, -1.0),
    }
    return record | {name: value for name, (value, before) in later.items() if value != before}


def is_complete(identities: Identities) -> bool:
    """Whether every model's files were there to be hashed and measured."""
    vectors: Sequence[ModelIdentity] = (identities.clip, identities.backbone, identities.keys)
    drawn = identities.generator == NO_GENERATOR or bool(identities.generator.sha256)
    return all(model.dim for model in vectors) and drawn


def _version() -> str:
    try:
        return version("freeda")
    except PackageNotFoundError:
        return "from a source folder"
