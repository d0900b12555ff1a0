"""What a manifest needs to know of a preset's models, found out without loading networks."""

from __future__ import annotations

from dataclasses import dataclass

from freeda_models.clip.files import clip_identity
from freeda_models.diffusion.files import generator_identity
from freeda_models.dinov2.files import backbone_identity
from freeda_models.nouns.extractor import noun_identity
from freeda_models.presets import Preset
from freeda_models.protocols import ModelIdentity
from freeda_models.text.sentence_transformer import sentence_identity

CLIP_KEYS = "clip"

NO_GENERATOR = ModelIdentity("none", "", "", 0, "")
"""Stands for the generator of a preset that has none."""


@dataclass(frozen=True)
class PresetIdentities:
    """One identity per role. ``keys`` equals ``clip`` when CLIP makes the text keys."""

    clip: ModelIdentity
    backbone: ModelIdentity
    generator: ModelIdentity
    nouns: ModelIdentity
    keys: ModelIdentity


def identify(preset: Preset) -> PresetIdentities:
    """Identities of all models of a preset, equal to those of the loaded models.

    Hashes come from the files on this machine. Of a hub model that is not here yet, only id and
    revision are known; hash, dimension and preprocessing are empty, so call this after loading.

    Raises:
        PresetError: a model's name or tag is unknown.
        ModelMissingError: a folder that the preset names does not exist.
        PackageMissingError: no spaCy model of the preset is installed.
    """
    clip = clip_identity(preset.clip)
    return PresetIdentities(
        clip=clip,
        backbone=backbone_identity(preset.backbone),
        generator=NO_GENERATOR if preset.generator is None else generator_identity(preset.generator),
        nouns=noun_identity(preset.nouns),
        keys=clip if preset.keys.encoder == CLIP_KEYS else sentence_identity(preset.keys),
    )
