"""Train the tiny AutoencoderKL: 64 x 64 pictures to 16 x 16 latents of 4 channels and back.

Usage: ``python -m training.train_vae [--steps 2600]`` (resumable)
"""

from __future__ import annotations

import argparse

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL

from training.common import Checkpoint, Clock, Scenes, cosine_rate, set_rate, to_tensor

BATCH_SIZE = 8
KL_WEIGHT = 1e-6


def new_vae() -> AutoencoderKL:
    """An untrained autoencoder of the tiny size (two halvings)."""
    return AutoencoderKL(
        in_channels=3,
        out_channels=3,
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        block_out_channels=(32, 64, 64),
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=16,
        sample_size=64,
    )


def _loss(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """L1 on pixels and on horizontal and vertical differences, which keeps edges sharp."""
    loss = F.l1_loss(output, target)
    for dim in (2, 3):
        loss = loss + 0.5 * F.l1_loss(output.diff(dim=dim), target.diff(dim=dim))
    return loss


def train(steps: int) -> None:
    """Train up to ``steps``, saving every 250."""
    scenes = Scenes.load()
    vae = new_vae()
    optimizer = torch.optim.AdamW(vae.parameters(), lr=1e-3, weight_decay=1e-4)
    checkpoint = Checkpoint("vae")
    start = checkpoint.resume({"vae": vae}, optimizer)
    clock = Clock("vae", steps)
    for step in range(start, steps):
        set_rate(optimizer, cosine_rate(step, steps, 1.5e-3))
        rng = np.random.default_rng([2, step])
        index = np.sort(rng.choice(len(scenes.images), BATCH_SIZE, replace=False))
        pictures = to_tensor(scenes.images[index])
        with torch.autocast("cpu", dtype=torch.bfloat16):
            posterior = vae.encode(pictures).latent_dist
            output = vae.decode(posterior.sample()).sample
        loss = _loss(output.float(), pictures) + KL_WEIGHT * posterior.kl().float().mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
        optimizer.step()
        clock.tick(step + 1, loss.item())
        if (step + 1) % 250 == 0 or step + 1 == steps:
            checkpoint.save(step + 1, {"vae": vae}, optimizer)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=2600)
    train(parser.parse_args().steps)
