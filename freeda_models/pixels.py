"""Pictures at the border (uint8, NumPy) to tensors as a network wants them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

from freeda_models.errors import InputError
from freeda_models.protocols import ImageArray

if TYPE_CHECKING:
    import torch

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CLIP_MEAN, CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
_NAMES = {(IMAGENET_MEAN, IMAGENET_STD): "imagenet", (CLIP_MEAN, CLIP_STD): "openai"}


class Resize(StrEnum):
    """How a picture is brought to a network's size; the default is what the networks were trained with.

    BICUBIC: antialiased, clamped to the range of pixels.
    BICUBIC_PLAIN: bicubic that reads 16 pixels whatever the ratio, not clamped; what the code of FreeDA's
        authors does before CLIP.
    BILINEAR_PLAIN: bilinear that reads four pixels whatever the ratio; theirs before the backbone.
    """

    BICUBIC = "bicubic"
    BICUBIC_PLAIN = "bicubic_plain"
    BILINEAR_PLAIN = "bilinear_plain"


@dataclass(frozen=True)
class PixelPreparation:
    """Resize to a square, then subtract a mean and divide by a deviation.

    Attributes:
        size: side of the square in pixels.
        mean: red, green, blue in [0, 1].
        std: red, green, blue.
        resize: to the square.
    """

    size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    resize: Resize = Resize.BICUBIC

    def __str__(self) -> str:
        colours = _NAMES.get((self.mean, self.std))
        if colours is None:
            numbers = [",".join(f"{value:g}" for value in triple) for triple in (self.mean, self.std)]
            colours = f"mean {numbers[0]} std {numbers[1]}"
        return f"{self.size}px {self.resize} {colours}"

    def __call__(self, images_bhwc: ImageArray, device: str, dtype: torch.dtype) -> torch.Tensor:
        """uint8 (B, H, W, 3) RGB to (B, 3, size, size) of ``dtype`` on ``device``.

        Raises:
            InputError: another dtype or shape, or no pixels.
        """
        import torch
        import torch.nn.functional as F

        check_images(images_bhwc)
        resizing_on = "cpu" if device.startswith("mps") else device  # no antialiased bicubic on MPS
        pixels = torch.from_numpy(np.require(images_bhwc, requirements=["C", "W"])).to(resizing_on)
        pixels = pixels.permute(0, 3, 1, 2).float() / 255
        if pixels.shape[-2:] != (self.size, self.size):
            smooth = self.resize is Resize.BICUBIC
            mode = "bilinear" if self.resize is Resize.BILINEAR_PLAIN else "bicubic"
            pixels = F.interpolate(
                pixels, (self.size, self.size), mode=mode, antialias=smooth, align_corners=False
            )
            pixels = pixels.clamp_(0, 1) if smooth else pixels
        mean = torch.tensor(self.mean, device=resizing_on).view(1, 3, 1, 1)
        std = torch.tensor(self.std, device=resizing_on).view(1, 3, 1, 1)
        return ((pixels - mean) / std).to(device, dtype)


def check_images(images_bhwc: ImageArray) -> None:
    """Raise InputError unless the array is uint8 (B, H, W, 3) with pixels."""
    shape = images_bhwc.shape
    if images_bhwc.dtype != np.uint8 or len(shape) != 4 or shape[3] != 3 or 0 in shape[1:3]:
        raise InputError(
            f"expected pictures as uint8 (B, H, W, 3), got {images_bhwc.dtype} {shape}; "
            "convert them to RGB first."
        )
