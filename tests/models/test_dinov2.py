"""Backbones: tokens of each type against transformers' own output, sizes and refusals."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers

from freeda_models.dinov2.backbone import MODELS, load_backbone
from freeda_models.dinov2.files import backbone_identity
from freeda_models.errors import InputError, ModelMissingError, PresetError, UnsupportedModelError
from freeda_models.pixels import IMAGENET_MEAN, IMAGENET_STD
from freeda_models.presets import BackboneSettings
from freeda_models.protocols import DenseBackbone

SPECIAL_TOKENS = {"dinov2": 1, "dinov2_with_registers": 4, "dinov3_vit": 3}


@pytest.mark.parametrize("kind", sorted(MODELS))
def test_patch_tokens_equal_the_models_own(
    kind: str, backbone_settings: Callable[..., BackboneSettings]
) -> None:
    settings = backbone_settings(kind)
    backbone = load_backbone(settings, "cpu")
    assert isinstance(backbone, DenseBackbone)
    assert backbone.grid_hw == (8, 8)
    images = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    model = getattr(transformers, MODELS[kind]).from_pretrained(settings.model).eval()
    normalised = (images / 255 - np.array(IMAGENET_MEAN)) / np.array(IMAGENET_STD)
    with torch.inference_mode():
        pixels = torch.from_numpy(normalised).permute(0, 3, 1, 2).float()
        states = model(pixel_values=pixels).last_hidden_state
    assert states.shape[1] == 64 + SPECIAL_TOKENS[kind]
    expected = states[:, SPECIAL_TOKENS[kind] :].reshape(2, 8, 8, 24).numpy()
    np.testing.assert_allclose(backbone.encode(images), expected, atol=1e-5)


def test_tokens_lie_where_their_pixels_lie(backbone_settings: Callable[..., BackboneSettings]) -> None:
    """Changing the lower right corner changes that token most."""
    backbone = load_backbone(backbone_settings("dinov2"), "cpu")
    image = np.full((1, 32, 32, 3), 120, np.uint8)
    changed = image.copy()
    changed[:, 28:, 28:] = (255, 0, 0)
    difference = np.linalg.norm(backbone.encode(changed) - backbone.encode(image), axis=-1)[0]
    assert np.unravel_index(difference.argmax(), (8, 8)) == (7, 7)


def test_other_sizes_and_large_batches(backbone_settings: Callable[..., BackboneSettings]) -> None:
    backbone = load_backbone(backbone_settings("dinov2", image_size=48), "cpu")
    assert backbone.grid_hw == (12, 12)
    images = np.random.default_rng(1).integers(0, 256, (19, 20, 30, 3), dtype=np.uint8)
    together = backbone.encode(images)
    assert together.shape == (19, 12, 12, 24)
    np.testing.assert_allclose(together[18], backbone.encode(images[18:])[0], atol=1e-5)
    assert backbone.encode(images[:0]).shape == (0, 12, 12, 24)


def test_the_models_own_mean_and_deviation_are_used(
    backbone_settings: Callable[..., BackboneSettings], tmp_path: Path
) -> None:
    settings = backbone_settings("dinov2")
    for file in Path(settings.model).iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    declared = {"image_mean": [0.5] * 3, "image_std": [0.25] * 3}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(declared))
    own = BackboneSettings(model=str(tmp_path), image_size=32)
    assert backbone_identity(own).preprocessing == "32px bicubic mean 0.5,0.5,0.5 std 0.25,0.25,0.25"
    assert backbone_identity(settings).preprocessing == "32px bicubic imagenet"
    image = np.full((1, 32, 32, 3), 100, np.uint8)
    features = [load_backbone(one, "cpu").encode(image) for one in (own, settings)]
    assert np.abs(features[0] - features[1]).max() > 1e-3


def test_identity_is_known_without_loading(backbone_settings: Callable[..., BackboneSettings]) -> None:
    settings = backbone_settings("dinov2")
    identity = load_backbone(settings, "cpu").identity
    assert identity == backbone_identity(settings)
    assert identity.dim == 24
    assert len(identity.sha256) == 64


def test_refusals(backbone_settings: Callable[..., BackboneSettings], tmp_path: Path) -> None:
    with pytest.raises(PresetError, match="not a multiple"):
        load_backbone(backbone_settings("dinov2", image_size=30), "cpu")
    with pytest.raises(ModelMissingError, match=r"lacks config\.json"):
        load_backbone(BackboneSettings(model=str(tmp_path), image_size=32), "cpu")
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(UnsupportedModelError, match="type 'bert'"):
        load_backbone(BackboneSettings(model=str(tmp_path), image_size=32), "cpu")
    backbone = load_backbone(backbone_settings("dinov2"), "cpu")
    with pytest.raises(InputError, match="uint8"):
        backbone.encode(np.zeros((1, 32, 32, 4), np.uint8))
