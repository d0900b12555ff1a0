"""From a preset to models: one function per role. The libraries are imported when called."""

from __future__ import annotations

from freeda_models.devices import resolve_device
from freeda_models.identity import CLIP_KEYS, PresetIdentities, identify
from freeda_models.presets import Preset
from freeda_models.protocols import (
    DenseBackbone,
    ImageGenerator,
    MaskProposer,
    NounExtractor,
    TextEncoder,
    TextImageEncoder,
)
from freeda_models.regions.options import RegionOptions

__all__ = [
    "PresetIdentities",
    "identify",
    "load_backbone",
    "load_generator",
    "load_key_encoder",
    "load_mask_proposer",
    "load_noun_extractor",
    "load_text_image_encoder",
    "resolve_device",
]


def load_text_image_encoder(preset: Preset, device: str = "auto") -> TextImageEncoder:
    """The preset's CLIP on a device.

    Raises:
        DeviceError: the device is not on this machine.
        ModelMissingError: the weights are neither here nor can they be fetched.
        PresetError: open_clip knows no such model or tag.
        UnsupportedModelError: the weights exist only as a pickle.
    """
    from freeda_models.clip.encoder import load_clip

    return load_clip(preset.clip, resolve_device(device))


def load_key_encoder(
    preset: Preset, device: str = "auto", clip: TextImageEncoder | None = None
) -> TextEncoder:
    """The encoder of text keys: CLIP (the one given, if any) or a sentence-transformers model.

    Raises:
        PackageMissingError: sentence-transformers is needed and not installed.
        DeviceError, ModelMissingError, PresetError, UnsupportedModelError: as above.
    """
    if preset.keys.encoder == CLIP_KEYS:
        return clip if clip is not None else load_text_image_encoder(preset, device)
    from freeda_models.text.sentence_transformer import load_sentence_encoder

    return load_sentence_encoder(preset.keys, resolve_device(device))


def load_backbone(preset: Preset, device: str = "auto") -> DenseBackbone:
    """The preset's dense backbone on a device.

    Raises:
        DeviceError, ModelMissingError, UnsupportedModelError: as above.
        PresetError: the picture size is not a multiple of the patch size.
    """
    from freeda_models.dinov2 import backbone as dinov2

    return dinov2.load_backbone(preset.backbone, resolve_device(device))


def load_mask_proposer(preset: Preset, options: RegionOptions, device: str = "auto") -> MaskProposer:
    """The preset's network of mask proposals that some options are of.

    Raises:
        DeviceError, ModelMissingError, UnsupportedModelError: as above.
    """
    from freeda_models.regions.proposer import load_proposer

    return load_proposer(preset.region_network(options.name), options, resolve_device(device))


def load_generator(preset: Preset, device: str = "auto") -> ImageGenerator:
    """The preset's diffusion model on a device.

    Raises:
        PresetError: it has none.
        DeviceError, ModelMissingError, UnsupportedModelError: as above.
    """
    from freeda_models.diffusion import generator as diffusion

    return diffusion.load_generator(preset.drawing, resolve_device(device))


def load_noun_extractor(preset: Preset) -> NounExtractor:
    """The preset's noun extractor.

    Raises:
        PackageMissingError: no spaCy model of the preset is installed.
        PresetError: the stop list cannot be read.
    """
    from freeda_models.nouns import extractor as nouns

    return nouns.load_noun_extractor(preset.nouns)
