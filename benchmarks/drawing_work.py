"""Arithmetic that one caption costs with the models of the paper, and the hours that follow from it.

Networks of the architectures of the preset ``sd21`` (Stable Diffusion 2.1 base, DINOv2 ViT-L/14 at 518
pixels, CLIP ViT-L/14) are made without weights or memory (torch's ``meta`` device), and PyTorch counts
the operations of a forward pass. Nothing is timed: what a GPU does of its peak is for you to say.

Usage: ``python -m benchmarks.drawing_work [--captions 591753] [--tflops 50,100,200]``
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from freeda_models.presets import load_preset

COCO_CAPTIONS = 591_753
"""Annotations of ``captions_train2017.json``."""
NOUNS = 4
"""Masked crops that CLIP judges in a picture."""


def counted(forward: Callable[[], object]) -> float:
    """Operations of a call in TFLOP, a multiplication and an addition being two."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        forward()
    return counter.get_total_flops() / 1e12


def work() -> dict[str, float]:
    """TFLOP of each network for one caption, with the preset's steps and guidance."""
    import torch

    preset = load_preset("sd21")
    with torch.device("meta"):
        unet, decoder, backbone, clip = _unet(), _decoder(), _backbone(preset.backbone.image_size), _clip()
        latent = torch.zeros(1, 4, preset.generator.image_size // 8, preset.generator.image_size // 8)
        prompt, step = torch.zeros(1, 77, 1024), torch.tensor(1)
        side = preset.backbone.image_size
        halves = 2  # with and without the caption
        return {
            "UNet": halves * preset.generator.steps * counted(lambda: unet(latent, step, prompt)),
            "decoder of the picture": counted(lambda: decoder.decode(latent)),
            "DINOv2": counted(lambda: backbone(torch.zeros(1, 3, side, side))),
            "CLIP, of masked crops": NOUNS * counted(lambda: clip(torch.zeros(1, 3, 224, 224))),
        }


def _unet() -> Any:
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel(
        sample_size=64,
        block_out_channels=(320, 640, 1280, 1280),
        attention_head_dim=(5, 10, 20, 20),
        cross_attention_dim=1024,
        use_linear_projection=True,
    )


def _decoder() -> Any:
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        block_out_channels=(128, 256, 512, 512),
        layers_per_block=2,
        latent_channels=4,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
    )


def _backbone(side: int) -> Any:
    from transformers import Dinov2Config, Dinov2Model

    return Dinov2Model(
        Dinov2Config(
            hidden_size=1024, num_hidden_layers=24, num_attention_heads=16, image_size=side, patch_size=14
        )
    )


def _clip() -> Any:
    from transformers import CLIPVisionConfig, CLIPVisionModel

    return CLIPVisionModel(
        CLIPVisionConfig(
            hidden_size=1024,
            intermediate_size=4096,
            num_hidden_layers=24,
            num_attention_heads=16,
            patch_size=14,
        )
    )


def main() -> None:
    """Print both."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--captions", type=int, default=COCO_CAPTIONS)
    parser.add_argument("--tflops", default="50,100,200", help="TFLOP a second that a GPU reaches")
    options = parser.parse_args()
    parts = work()
    for name, amount in parts.items():
        print(f"{name:24} {amount:7.2f} TFLOP a caption")
    total = sum(parts.values())
    print(f"{'together':24} {total:7.2f}")
    for speed in map(float, options.tflops.split(",")):
        seconds = total / speed
        print(
            f"at {speed:g} TFLOP/s: {seconds:.2f} s a caption, {options.captions * seconds / 3600:,.0f} hours"
        )


if __name__ == "__main__":
    main()
