"""Which files a backbone must hold, how its pictures are prepared, and its identity. No networks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import Field

from freeda_errors.documents import Excerpt
from freeda_models.documents import Size
from freeda_models.errors import PresetError, UnsupportedModelError
from freeda_models.pixels import IMAGENET_MEAN, IMAGENET_STD, PixelPreparation, Resize
from freeda_models.presets import BackboneSettings
from freeda_models.protocols import ModelIdentity
from freeda_models.weights import (
    ModelSource,
    file_sha256,
    model_source,
    read_config,
    read_shapes,
)

CONFIG_FILE, WEIGHTS_FILE, PIXELS_FILE = "config.json", "model.safetensors", "preprocessor_config.json"
MODELS: Mapping[str, str] = {
    "dinov2": "Dinov2Model",
    "dinov2_with_registers": "Dinov2WithRegistersModel",
    "dinov3_vit": "DINOv3ViTModel",
}
"""Classes of transformers by a model's type."""
_PATCHES = "patch_embeddings"
_COLOURS = 3

_Triple = tuple[float, float, float]
_Deviation = Annotated[float, Field(gt=0)]


class _Kind(Excerpt):
    model_type: str = ""


class BackboneConfig(_Kind):
    """What is needed of a backbone's configuration."""

    hidden_size: Size
    patch_size: Size


class _Pixels(Excerpt):
    image_mean: _Triple | None = None
    image_std: tuple[_Deviation, _Deviation, _Deviation] | None = None


def pixel_preparation(settings: BackboneSettings, source: ModelSource) -> PixelPreparation:
    """Mean and deviation of the model's own preprocessor, or ImageNet's where it names none.

    Raises:
        UnsupportedModelError: the preprocessor's file is broken.
    """
    path = source.find(PIXELS_FILE)
    declared = read_config(path, _Pixels) if path else _Pixels()
    return PixelPreparation(
        size=settings.image_size,
        mean=declared.image_mean or IMAGENET_MEAN,
        std=declared.image_std or IMAGENET_STD,
        resize=Resize(settings.resize),
    )


def check_backbone_files(settings: BackboneSettings, source: ModelSource, folder: Path) -> BackboneConfig:
    """The configuration of a backbone whose files are all in a folder.

    Raises:
        UnsupportedModelError: it is of a type that is not one of :data:`MODELS`, or a file is broken.
        PresetError: the picture size is not a multiple of the patch size.
    """
    kind = read_config(folder / CONFIG_FILE, _Kind).model_type
    if kind not in MODELS:
        raise UnsupportedModelError(
            f"{source.name} is a model of type '{kind[:40]}'; a backbone must be one of {', '.join(MODELS)}."
        )
    config = read_config(folder / CONFIG_FILE, BackboneConfig)
    check_size(settings.image_size, config.patch_size, source.name)
    pixel_preparation(settings, source)
    shapes = read_shapes(folder / WEIGHTS_FILE)
    expected = (config.hidden_size, _COLOURS, config.patch_size, config.patch_size)
    found = [shape for name, shape in shapes.items() if _PATCHES in name and len(shape) == len(expected)]
    if found != [expected]:
        told = found[0] if found else "missing"
        raise UnsupportedModelError(
            f"{folder / WEIGHTS_FILE}: its patch embedding is {told}, and {CONFIG_FILE} says {expected}; "
            "fetch the model again."
        )
    return config


def check_size(size: int, patch: int, name: str) -> None:
    """Refuse pictures that are no whole number of patches.

    Raises:
        PresetError: names a size that is.
    """
    if size % patch:
        raise PresetError(
            f"backbone.image_size {size} is not a multiple of {name}'s patch of {patch} pixels; "
            f"use {size // patch * patch or patch}."
        )


def backbone_identity(settings: BackboneSettings) -> ModelIdentity:
    """Identity of a preset's backbone, without loading it.

    Raises:
        UnsupportedModelError: its configuration is broken.
    """
    source = model_source(settings.model, settings.revision)
    config = source.find(CONFIG_FILE)
    return ModelIdentity(
        id=source.name,
        revision=source.revision,
        sha256=file_sha256(source.find(WEIGHTS_FILE)),
        dim=read_config(config, BackboneConfig).hidden_size if config else 0,
        preprocessing=str(pixel_preparation(settings, source)),
    )
