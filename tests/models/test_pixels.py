"""Pictures to tensors: each way to resize against torchvision's, and what names it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torchvision.transforms import InterpolationMode
from torchvision.transforms.functional import resize

from freeda_models.clip.files import clip_identity
from freeda_models.dinov2.files import backbone_identity
from freeda_models.pixels import PixelPreparation, Resize
from freeda_models.presets import BackboneSettings, ClipSettings
from freeda_models.protocols import ModelIdentity

ONE = (1.0, 1.0, 1.0)
ZERO = (0.0, 0.0, 0.0)
WAYS = {
    Resize.BICUBIC: (InterpolationMode.BICUBIC, True),
    Resize.BICUBIC_PLAIN: (InterpolationMode.BICUBIC, False),
    Resize.BILINEAR_PLAIN: (InterpolationMode.BILINEAR, False),
}


@pytest.mark.parametrize("side", [10, 60])
@pytest.mark.parametrize("way", list(Resize))
def test_each_way_is_torchvisions(way: Resize, side: int) -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, 33, 40, 3), dtype=np.uint8)
    found = PixelPreparation(side, ZERO, ONE, way)(images, "cpu", torch.float32)
    mode, antialias = WAYS[way]
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
    expected = resize(pixels, [side, side], mode, antialias=antialias)
    if way is Resize.BICUBIC:
        expected = expected.clamp(0, 1)
    np.testing.assert_allclose(found.numpy(), expected.numpy(), atol=1e-5)


def test_the_name_of_the_preprocessing_tells_ways_apart(
    backbone_settings: Callable[..., BackboneSettings], clip_settings: ClipSettings
) -> None:
    names = {str(PixelPreparation(8, ZERO, ONE, way)) for way in Resize}
    assert len(names) == 3
    assert (
        "8px bicubic mean 0,0,0 std 1,1,1" in names
    )  # as banks have it that were made before there was a choice
    pairs: list[tuple[Any, Callable[[Any], ModelIdentity]]] = [
        (backbone_settings("dinov2"), backbone_identity),
        (clip_settings, clip_identity),
    ]
    for settings, identity in pairs:
        plain = settings.model_copy(update={"resize": "bilinear_plain"})
        assert "px bicubic " in identity(settings).preprocessing
        assert "px bilinear_plain " in identity(plain).preprocessing
