"""Train the tiny DINOv2 backbone on rendered scenes and on their VAE reconstructions.

The network is a ``Dinov2Model`` with 4-pixel patches. Supervision is a throw-away cosine
classifier: each patch token's cosine with one learned direction a class, against the soft label
of the patch (the share of its 16 pixels that each class covers). Means of tokens of one class
then make good prototypes, which is what the method asks of a backbone.

Usage: ``python -m training.train_backbone [--steps 1800]`` (resumable)
"""

from __future__ import annotations

import argparse

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from transformers import Dinov2Config, Dinov2Model

from training.common import Checkpoint, Clock, Scenes, cosine_rate, fast_cpu, set_rate
from training.paths import SCENES_DIR
from training.world import CLASS_NAMES

BATCH_SIZE = 24
PATCH = 4
MEAN, STD = 0.5, 0.25


def new_backbone() -> Dinov2Model:
    """An untrained backbone of the tiny size: 64 x 64 pictures give 16 x 16 tokens of 192."""
    return Dinov2Model(
        Dinov2Config(
            hidden_size=192,
            num_hidden_layers=6,
            num_attention_heads=3,
            mlp_ratio=4,
            image_size=64,
            patch_size=PATCH,
            layerscale_value=0.1,
            drop_path_rate=0.0,
        )
    )


class CosineHead(nn.Module):
    """Cosine of tokens with one direction a class, times a learned scale."""

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.directions = nn.Parameter(torch.randn(classes, width))
        self.log_scale = nn.Parameter(torch.tensor(2.5))

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Tokens (B, T, D) to logits (B, T, classes)."""
        cosine = F.normalize(tokens, dim=-1) @ F.normalize(self.directions, dim=-1).T
        return cosine * self.log_scale.clamp(max=3.4).exp()


def augment(
    images: np.ndarray, labels: np.ndarray, rng: np.random.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Crop, flip and shift colours; pictures to float32 [0, 1] (B, 3, 64, 64), labels (B, 64, 64)."""
    count, size = labels.shape[:2]
    pictures = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
    maps = torch.from_numpy(labels).float()[:, None]
    zoom = torch.from_numpy(rng.uniform(0.7, 1.25, size=count)).float()
    shift = torch.from_numpy(rng.uniform(-0.25, 0.25, size=(count, 2))).float()
    theta = torch.zeros(count, 2, 3)
    flip = torch.from_numpy(np.where(rng.random(count) < 0.5, -1.0, 1.0)).float()
    theta[:, 0, 0], theta[:, 1, 1], theta[:, :, 2] = zoom * flip, zoom, shift
    grid = F.affine_grid(theta, [count, 3, size, size], align_corners=False)
    pictures = F.grid_sample(pictures, grid, padding_mode="reflection", align_corners=False)
    maps = F.grid_sample(maps, grid, mode="nearest", padding_mode="reflection", align_corners=False)
    gain = torch.from_numpy(rng.uniform(0.85, 1.15, size=(count, 3, 1, 1))).float()
    offset = torch.from_numpy(rng.uniform(-0.06, 0.06, size=(count, 1, 1, 1))).float()
    blurred = F.avg_pool2d(F.pad(pictures, (1, 1, 1, 1), mode="replicate"), 3, 1)
    amount = torch.from_numpy(rng.uniform(-0.3, 0.9, size=(count, 1, 1, 1))).float().clamp(min=0)
    pictures = torch.lerp(pictures, blurred, amount)
    return (pictures * gain + offset).clamp(0, 1), maps[:, 0].long()


def soft_patch_labels(labels: torch.Tensor) -> torch.Tensor:
    """Share of each class in each patch: (B, S, S) int64 to (B, tokens, classes) float32."""
    one_hot = F.one_hot(labels, len(CLASS_NAMES)).permute(0, 3, 1, 2).float()
    return F.avg_pool2d(one_hot, PATCH).flatten(2).transpose(1, 2)


def train(steps: int) -> None:
    """Train up to ``steps``, saving every 200."""
    scenes = Scenes.load()
    backbone, head = new_backbone(), CosineHead(192, len(CLASS_NAMES))
    parameters = [*backbone.parameters(), *head.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=1e-3, weight_decay=0.02, betas=(0.9, 0.98))
    checkpoint = Checkpoint("backbone")
    start = checkpoint.resume({"backbone": backbone, "head": head}, optimizer)
    clock = Clock("backbone", steps)
    reconstructed_path = SCENES_DIR / "reconstructed.npy"
    reconstructed = None
    backbone.train()
    for step in range(start, steps):
        set_rate(optimizer, cosine_rate(step, steps, 1e-3, warmup=150))
        rng = np.random.default_rng([3, step])
        index = np.sort(rng.choice(len(scenes.images), BATCH_SIZE, replace=False))
        images = np.array(scenes.images[index])
        if reconstructed is None and step % 50 == 0 and reconstructed_path.exists():
            reconstructed = np.load(reconstructed_path, mmap_mode="r")
        if reconstructed is not None:
            swap = np.flatnonzero((rng.random(BATCH_SIZE) < 0.5) & (index < len(reconstructed)))
            images[swap] = reconstructed[index[swap]]
        pictures, labels = augment(images, np.array(scenes.labels[index]), rng)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            tokens = backbone((pictures - MEAN) / STD).last_hidden_state[:, 1:]
        loss = F.cross_entropy(
            head(tokens.float()).transpose(1, 2), soft_patch_labels(labels).transpose(1, 2)
        )
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        clock.tick(step + 1, loss.item())
        if (step + 1) % 200 == 0 or step + 1 == steps:
            checkpoint.save(step + 1, {"backbone": backbone, "head": head}, optimizer)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=1800)
    with fast_cpu():
        train(parser.parse_args().steps)
