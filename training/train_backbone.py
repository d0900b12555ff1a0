"""Train the tiny DINOv2 backbone on rendered scenes and on their VAE reconstructions.

The network is a ``Dinov2Model`` with 4-pixel patches. It is trained in two stages.

*By name.* A throw-away cosine classifier: each patch token's cosine with one learned direction a
class, against the soft label of the patch (the share of its 16 pixels that each class covers). Means
of tokens of one class then make good prototypes, which is what the method asks of a backbone.

*By example.* Episodes of hundreds of other drawings, so that things it never saw have features of
their own too. The same scenes are seen in two halves: the tokens of a kind in one half, pooled over
its exact mask, make a prototype, and the tokens of the other half are classified by their cosine with
the prototypes, and the other way round (prototypical networks, Snell et al., NeurIPS 2017, with dense
features). The classifier goes on beside it, with a direction for each drawing as well.

The pack gets weights between those of the two stages, which know the named things better than either and
others nearly as well as the second; see ``training.pack``.

Usage: ``python -m training.train_backbone [--steps 1800] [--taught-steps 1200]`` (resumable)
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from transformers import Dinov2Config, Dinov2Model

from training.common import Checkpoint, Clock, Scenes, cosine_rate, fast_cpu, set_rate
from training.episodes import SCENES_IN_HALF, Episodes
from training.paths import SCENES_DIR, SPRITES_DIR
from training.world import CLASS_NAMES

BATCH_SIZE = 24
PATCH, WIDTH = 4, 192
MIN_PATCHES = 3.0
"""A label that covers less of a half is left out of its prototypes."""

EXAMPLE_WEIGHT = 1.0
MEANS_DECAY = 0.95
START_EPISODES = 60
RECONSTRUCTED = SCENES_DIR / "reconstructed.npy"
MEAN, STD = 0.5, 0.25


def new_backbone() -> Dinov2Model:
    """An untrained backbone of the tiny size: 64 x 64 pictures give 16 x 16 tokens of 192."""
    return Dinov2Model(
        Dinov2Config(
            hidden_size=WIDTH,
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
    """Cosine of tokens with one direction a class, times a learned scale.

    Beside them it keeps the moving mean feature of each class, which is no part of the classifier.
    """

    directions: nn.Parameter
    means: torch.Tensor

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.directions = nn.Parameter(torch.randn(classes, width))
        self.log_scale = nn.Parameter(torch.tensor(2.5))
        self.register_buffer("means", torch.zeros(classes, width))

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Tokens (B, T, D) to logits (B, T, classes)."""
        cosine = F.normalize(tokens, dim=-1) @ F.normalize(self.directions, dim=-1).T
        return cosine * self.log_scale.clamp(max=3.4).exp()

    @torch.no_grad()
    def follow(self, tokens: torch.Tensor, truth: PatchLabels) -> None:
        """Move the means towards those of a batch."""
        mass = truth.shares.flatten(0, 1).T
        seen = mass.sum(1) >= MIN_PATCHES
        found = mass[seen] @ F.normalize(tokens, dim=-1).flatten(0, 1) / mass[seen].sum(1, keepdim=True)
        kept = self.means[truth.present[seen]]
        weight = torch.where(kept.any(1, keepdim=True), MEANS_DECAY, 0.0)
        self.means[truth.present[seen]] = torch.lerp(found, kept, weight)


def augment(
    images: np.ndarray, labels: np.ndarray, rng: np.random.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Crop, flip and shift colours; pictures to float32 [0, 1] (B, 3, 64, 64), labels (B, 64, 64)."""
    count, size = labels.shape[:2]
    pictures = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
    maps = torch.from_numpy(labels.astype(np.float32))[:, None]
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


@dataclass(frozen=True, eq=False)
class PatchLabels:
    """Soft labels of the patches of a batch.

    Attributes:
        present: int64 (L,), the labels that the batch shows.
        shares: float32 (B, tokens, L), the share of each patch that each of them covers.
    """

    present: torch.Tensor
    shares: torch.Tensor


def patch_labels(labels: torch.Tensor) -> PatchLabels:
    """Share of each label in each patch of label maps (B, S, S), int64."""
    present, places = torch.unique(labels, return_inverse=True)
    one_hot = F.one_hot(places, len(present)).permute(0, 3, 1, 2).float()
    return PatchLabels(present, F.avg_pool2d(one_hot, PATCH).flatten(2).transpose(1, 2))


def name_loss(logits: torch.Tensor, truth: PatchLabels, unnamed: tuple[int, ...] = ()) -> torch.Tensor:
    """Cross-entropy of logits (B, tokens, classes), without what ``unnamed`` labels cover."""
    log_p = logits.log_softmax(-1)[..., truth.present]
    named = ~torch.isin(truth.present, torch.tensor(unnamed, dtype=torch.int64))
    return -(truth.shares * log_p * named).sum(-1).mean()


def example_loss(
    tokens: torch.Tensor,
    truth: PatchLabels,
    first: torch.Tensor,
    log_scale: torch.Tensor,
    others: torch.Tensor,
) -> torch.Tensor:
    """Cross-entropy by prototypes of the other half, each label of the same weight.

    Args:
        tokens: (B, tokens, D).
        truth: the labels of their patches.
        first: bool (B,), which pictures are of the first half.
        log_scale: logarithm of what cosines are multiplied by.
        others: (N, D), prototypes of what the batch does not show, which must not be nearest.
    """
    losses = [
        _loss_by_prototypes(tokens[a], truth.shares[a], tokens[b], truth.shares[b], log_scale, others)
        for a, b in ((first, ~first), (~first, first))
    ]
    return torch.stack(losses).mean()


def _loss_by_prototypes(
    examples: torch.Tensor,
    example_shares: torch.Tensor,
    tokens: torch.Tensor,
    shares: torch.Tensor,
    log_scale: torch.Tensor,
    others: torch.Tensor,
) -> torch.Tensor:
    mass = example_shares.flatten(0, 1).T
    known = (mass.sum(1) >= MIN_PATCHES) & (shares.sum((0, 1)) >= MIN_PATCHES)
    prototypes = F.normalize(mass[known] @ examples.flatten(0, 1), dim=-1)
    compared = torch.cat([prototypes, F.normalize(others, dim=-1)])
    logits = log_scale.clamp(max=3.4).exp() * F.normalize(tokens, dim=-1) @ compared.T
    log_p = logits.log_softmax(-1)[..., : len(prototypes)]
    truth = shares[..., known]
    per_label = -(truth * log_p).sum((0, 1)) / truth.sum((0, 1))
    return per_label.mean()


class SceneBatches:
    """Batches of the rendered scenes; half of the first ones as the VAE reconstructs them, once it has."""

    def __init__(self, size: int) -> None:
        self._scenes, self._size = Scenes.load(), size
        self._reconstructed: np.ndarray | None = None

    def sample(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Pictures uint8 (size, S, S, 3) and label maps uint8 (size, S, S)."""
        index = np.sort(rng.choice(len(self._scenes.images), self._size, replace=False))
        images = np.array(self._scenes.images[index])
        if self._reconstructed is None and RECONSTRUCTED.exists():
            self._reconstructed = np.load(RECONSTRUCTED, mmap_mode="r")
        if self._reconstructed is not None:
            known = index < len(self._reconstructed)
            swap = np.flatnonzero((rng.random(self._size) < 0.5) & known)
            images[swap] = self._reconstructed[index[swap]]
        return images, np.array(self._scenes.labels[index])


def features(backbone: Dinov2Model, pictures: torch.Tensor) -> torch.Tensor:
    """Patch tokens, float32 (B, tokens, D), of pictures (B, 3, S, S) in [0, 1]."""
    with torch.autocast("cpu", dtype=torch.bfloat16):
        tokens = backbone((pictures - MEAN) / STD).last_hidden_state[:, 1:]
    return tokens.float()


class Stage:
    """A checkpointed training: modules, their optimizer and a schedule that ends at ``steps``."""

    def __init__(self, name: str, modules: dict[str, nn.Module], steps: int, peak: float) -> None:
        self._modules, self._steps, self._peak = modules, steps, peak
        self._parameters = [each for module in modules.values() for each in module.parameters()]
        self._optimizer = torch.optim.AdamW(self._parameters, lr=peak, weight_decay=0.02, betas=(0.9, 0.98))
        self._checkpoint = Checkpoint(name)
        self._clock = Clock(name, steps)
        self.start = self._checkpoint.resume(modules, self._optimizer)

    def advance(self, step: int, loss: torch.Tensor) -> None:
        """One step of the optimizer; saves every 50."""
        set_rate(self._optimizer, cosine_rate(step, self._steps, self._peak, warmup=150))
        self._optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self._parameters, 1.0)
        self._optimizer.step()
        self._clock.tick(step + 1, loss.item())
        if (step + 1) % 50 == 0 or step + 1 == self._steps:
            self._checkpoint.save(step + 1, self._modules, self._optimizer)


def train_by_name(backbone: Dinov2Model, steps: int) -> None:
    """The first stage, up to ``steps``."""
    head = CosineHead(WIDTH, len(CLASS_NAMES))
    stage = Stage("backbone-named", {"backbone": backbone, "head": head}, steps, 1e-3)
    batches = SceneBatches(BATCH_SIZE)
    for step in range(stage.start, steps):
        rng = np.random.default_rng([3, step])
        pictures, labels = augment(*batches.sample(rng), rng)
        stage.advance(step, name_loss(head(features(backbone, pictures)), patch_labels(labels)))


def train_by_example(backbone: Dinov2Model, steps: int) -> None:
    """The second stage, up to ``steps``: named scenes and episodes in one batch."""
    episodes = Episodes(SPRITES_DIR)
    head = CosineHead(WIDTH, episodes.labels)
    stage = Stage("backbone", {"backbone": backbone, "head": head}, steps, 6e-4)
    batches = SceneBatches(BATCH_SIZE - 2 * SCENES_IN_HALF)
    first = torch.arange(BATCH_SIZE) % 2 == 0
    if not stage.start:
        set_directions(head, backbone, episodes)
    for step in range(stage.start, steps):
        rng = np.random.default_rng([6, step])
        images, labels = batches.sample(rng)
        episode = episodes.sample(rng)
        order = np.concatenate([np.arange(len(images)), len(images) + _interleaved(len(episode.images))])
        pictures, maps = augment(
            np.concatenate([images, episode.images])[order],
            np.concatenate([labels, episode.labels])[order],
            rng,
        )
        truth = patch_labels(maps)
        tokens = features(backbone, pictures)
        others = head.means[: len(CLASS_NAMES)].clone()
        others = others[~torch.isin(torch.arange(len(others)), truth.present) & others.any(1)]
        by_name = name_loss(head(tokens), truth, episode.recoloured)
        by_example = example_loss(tokens, truth, first, head.log_scale, others)
        stage.advance(step, by_name + EXAMPLE_WEIGHT * by_example)
        head.follow(tokens, truth)


def _interleaved(count: int) -> np.ndarray:
    """Places of two halves one after the other, in turn from each."""
    return np.arange(count).reshape(2, -1).T.ravel()


@torch.no_grad()
def set_directions(head: CosineHead, backbone: Dinov2Model, episodes: Episodes) -> None:
    """Begin with the mean features of each label over some episodes, rather than anywhere."""
    sums = torch.zeros_like(head.directions)
    for number in range(START_EPISODES):
        episode = episodes.sample(np.random.default_rng([7, number]))
        truth = patch_labels(torch.from_numpy(episode.labels.astype(np.int64)))
        with torch.compiler.set_stance("force_eager"):  # not compiled for another size of batch
            tokens = features(backbone, torch.from_numpy(episode.images).permute(0, 3, 1, 2).float() / 255)
        sums[truth.present] += truth.shares.flatten(0, 1).T @ tokens.flatten(0, 1)
    seen = sums.norm(dim=1) > 0
    head.directions[seen] = F.normalize(sums[seen], dim=1) * WIDTH**0.5


def train(steps: int, taught_steps: int) -> None:
    """Both stages, each going on from its last checkpoint."""
    backbone = new_backbone().train()
    backbone.compile(dynamic=False)  # a third faster on a CPU
    train_by_name(backbone, steps)
    train_by_example(backbone, taught_steps)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=1800, help="of the first stage, by name")
    parser.add_argument("--taught-steps", type=int, default=1200, help="of the second stage, by example")
    options = parser.parse_args()
    with fast_cpu():
        train(options.steps, options.taught_steps)
