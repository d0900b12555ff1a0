"""Dense backbones through transformers: DINOv2, DINOv2 with registers, DINOv3."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from typing_extensions import override

from freeda_models.devices import compute_dtype
from freeda_models.dinov2.files import (
    CONFIG_FILE,
    MODELS,
    PIXELS_FILE,
    WEIGHTS_FILE,
    backbone_identity,
    check_backbone_files,
    check_size,
    pixel_preparation,
)
from freeda_models.foreign import blaming
from freeda_models.pixels import PixelPreparation, check_images
from freeda_models.presets import BackboneSettings
from freeda_models.protocols import DenseBackbone, FloatArray, ImageArray, ModelIdentity
from freeda_models.quiet import quiet_loading
from freeda_models.weights import model_source

BATCH = 16


class TransformersBackbone(DenseBackbone):
    """A :class:`~freeda_models.protocols.DenseBackbone` around a transformers model.

    Args:
        model: one of :data:`MODELS`, on its device, in evaluation mode.
        pixels: how pictures are prepared.
        identity: which model this is.

    Raises:
        PresetError: the picture size is not a multiple of the patch size.
    """

    def __init__(self, model: Any, pixels: PixelPreparation, identity: ModelIdentity) -> None:
        patch = int(model.config.patch_size)
        check_size(pixels.size, patch, identity.id)
        self._model, self._pixels, self._identity = model, pixels, identity
        self._side = pixels.size // patch
        self._dropped = 1 + int(getattr(model.config, "num_register_tokens", 0))

    @property
    @override
    def identity(self) -> ModelIdentity:
        return self._identity

    @property
    @override
    def grid_hw(self) -> tuple[int, int]:
        return self._side, self._side

    @override
    def encode(self, images_bhwc: ImageArray) -> FloatArray:
        """Patch features: uint8 (B, H, W, 3) RGB to float32 (B, h, w, D), not normalised.

        Raises:
            InputError: another dtype or shape.
        """
        check_images(images_bhwc)
        features = np.zeros((len(images_bhwc), *self.grid_hw, self._identity.dim), dtype=np.float32)
        device, dtype = str(self._model.device), self._model.dtype
        with torch.inference_mode():
            for start in range(0, len(images_bhwc), BATCH):
                part = self._pixels(images_bhwc[start : start + BATCH], device, dtype)
                tokens = self._model(pixel_values=part).last_hidden_state[:, self._dropped :]
                grid = tokens.float().unflatten(1, self.grid_hw)
                features[start : start + BATCH] = grid.cpu().numpy()
        return features


def load_backbone(settings: BackboneSettings, device: str) -> TransformersBackbone:
    """Load a backbone from its bundled folder, the user's folder or the hub; safetensors only.

    Raises:
        ModelMissingError: the weights are not here and cannot be fetched.
        UnsupportedModelError: the model's type is not one of ``MODELS``, or its files are broken.
        PresetError: the picture size is not a multiple of the patch size.
    """
    import transformers

    source = model_source(settings.model, settings.revision)
    folder = source.fetch((CONFIG_FILE, WEIGHTS_FILE), (PIXELS_FILE,))
    kind = check_backbone_files(settings, source, folder).model_type
    with blaming(source.name, "be loaded"), quiet_loading("transformers"):
        model = getattr(transformers, MODELS[kind]).from_pretrained(
            folder,
            dtype=compute_dtype(device),
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=True,
        )
    pixels = pixel_preparation(settings, source)
    return TransformersBackbone(model.to(device).eval(), pixels, backbone_identity(settings))
