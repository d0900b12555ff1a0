"""Which files a backbone must hold, how its pictures are prepared, and its identity. No networks."""

from __future__ import annotations

from freeda_models.pixels import IMAGENET_MEAN, IMAGENET_STD, PixelPreparation, Resize
from freeda_models.presets import BackboneSettings
from freeda_models.protocols import ModelIdentity
from freeda_models.weights import ModelSource, file_sha256, model_source, read_json

CONFIG_FILE, WEIGHTS_FILE, PIXELS_FILE = "config.json", "model.safetensors", "preprocessor_config.json"


def pixel_preparation(settings: BackboneSettings, source: ModelSource) -> PixelPreparation:
    """Mean and deviation of the model's own preprocessor, or ImageNet's where it names none."""
    path = source.find(PIXELS_FILE)
    declared = read_json(path) if path else {}
    return PixelPreparation(
        size=settings.image_size,
        mean=tuple(declared.get("image_mean") or IMAGENET_MEAN),
        std=tuple(declared.get("image_std") or IMAGENET_STD),
        resize=Resize(settings.resize),
    )


def backbone_identity(settings: BackboneSettings) -> ModelIdentity:
    """Identity of a preset's backbone, without loading it."""
    source = model_source(settings.model, settings.revision)
    config = source.find(CONFIG_FILE)
    return ModelIdentity(
        id=source.name,
        revision=source.revision,
        sha256=file_sha256(source.find(WEIGHTS_FILE)),
        dim=int(read_json(config).get("hidden_size", 0)) if config else 0,
        preprocessing=str(pixel_preparation(settings, source)),
    )
