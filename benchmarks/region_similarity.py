"""Region similarity, sparse against literal, in one process on one photograph.

Both sides start from the same superpixels, patch features and class prototypes. Measured are the
similarity of every superpixel with every class (method, online stage 6), and all the way to every
pixel's best class (7, without the global term), where most time goes into 150 scores for every pixel:

- *products*: a mask a superpixel, (S, H, W), resampled to the token grid and multiplied with the
  features, (S, D, h, w): the method as one would write it down;
- *matrix*: the same masks, but the products are one matrix product;
- *sparse*: freeda's, see :mod:`freeda_segment.regions.similarity`.

Features are random, of the sizes of the photographs' presets. Then it prints where a picture's time
goes in all, with networks of the real sizes and random weights, and a random bank.

Goals against *products*: region similarity 80 times faster, all in 1/20 of the memory. Memory is how
much the peak resident size grows, which Linux tells.

Usage: ``python -m benchmarks.region_similarity [--rounds 5] [--picture FILE] [--no-networks]``
"""

from __future__ import annotations

import argparse
import gc
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from skimage.data import coffee

from benchmarks.picture_time import median_seconds, print_stages
from benchmarks.synthetic import SIZES, class_prototypes
from freeda_models.protocols import FloatArray, ImageArray, LabelArray
from freeda_models.unit_vectors import normalised
from freeda_segment.pixels.labelling import LabelledPixels, LabelRequest, label_pixels
from freeda_segment.regions.similarity import (
    PixelScores,
    WindowScores,
    pool_regions,
    score_window,
)
from freeda_segment.regions.superpixels import Felzenszwalb
from freeda_segment.regions.windows import Box
from freeda_segment.retrieval.prototypes import ClassPrototypes

CLASSES = 150
SIDE = 448
GRID = 37
"""518 pixels at 14 a patch."""


@dataclass(frozen=True)
class Scene:
    """What both sides start from."""

    picture: ImageArray
    labels: LabelArray
    tokens: FloatArray
    prototypes: ClassPrototypes


@dataclass(frozen=True)
class Side:
    """One way to do it: similarity float32 (S, C) of regions, and the best class of every pixel."""

    regions: Callable[[Scene], object]
    pixels: Callable[[Scene], LabelledPixels]


@dataclass(frozen=True)
class Usage:
    """Median seconds to regions' and to pixels' scores, and how many bytes the peak grew."""

    regions: float
    pixels: float
    bytes: int


def make_scene(picture: ImageArray) -> Scene:
    """Superpixels of the picture, random features that vary smoothly, random prototypes."""
    rng = np.random.default_rng(0)
    coarse = rng.standard_normal((9, 9, SIZES.visual), dtype=np.float32)
    tokens = F.interpolate(torch.from_numpy(coarse).permute(2, 0, 1)[None], (GRID, GRID), mode="bicubic")[0]
    labels = Felzenszwalb()(picture)
    features = tokens.permute(1, 2, 0).contiguous().numpy()
    return Scene(picture, labels, features, class_prototypes(rng, CLASSES))


def products(weights: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
    """Regions' features float32 (S, D) as sums over (S, D, h, w)."""
    return (weights[:, None] * tokens[None]).sum((2, 3))


def matrix(weights: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
    """Regions' features float32 (S, D) as one matrix product."""
    return torch.einsum("shw,dhw->sd", weights, tokens)


class Literal:
    """Region similarity through a stack of masks.

    Args:
        pool: resampled masks (S, h, w) and features (D, h, w) to regions' features (S, D).
    """

    def __init__(self, pool: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> None:
        self._pool = pool

    def regions(self, scene: Scene) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Masks bool (S, H, W), which are covered bool (S,), similarity (S, C)."""
        labels = torch.from_numpy(scene.labels)
        masks = labels == torch.arange(int(labels.max()) + 1)[:, None, None]
        stack = F.interpolate(masks[:, None].float(), (GRID, GRID), mode="bilinear", align_corners=True)
        features = self._pool(stack[:, 0], torch.from_numpy(scene.tokens).permute(2, 0, 1))
        similarity = F.normalize(features, dim=1) @ torch.from_numpy(scene.prototypes.vectors).T
        return masks, features.norm(dim=1) > 0, similarity.sigmoid()

    def scores(self, scene: Scene) -> torch.Tensor:
        """Local similarity (C, H, W): the region's, or the upsampled patch's where it is not covered."""
        masks, touched, regions = self.regions(scene)
        classes = torch.from_numpy(scene.prototypes.vectors)
        tokens = F.normalize(torch.from_numpy(scene.tokens).permute(2, 0, 1), dim=0)
        patches = torch.einsum("dhw,cd->chw", tokens, classes).sigmoid()
        scores = F.interpolate(patches[None], (SIDE, SIDE), mode="bilinear", align_corners=True)[0]
        covered = masks[touched].any(0)
        scores[:, covered] = regions[masks.int().argmax(0)[covered]].T
        return scores

    def pixels(self, scene: Scene) -> LabelledPixels:
        """The best class of every pixel."""
        best = self.scores(scene).max(0)
        return LabelledPixels(best.indices.int().numpy(), best.values.numpy())


def window_of(scene: Scene) -> WindowScores:
    """What freeda keeps of a window: scores per region and per patch."""
    embedding = normalised(np.ones(SIZES.text, np.float32))
    regions = pool_regions(scene.tokens, scene.labels)
    return score_window(scene.labels, regions, normalised(scene.tokens), embedding, scene.prototypes)


def sparse(scene: Scene) -> LabelledPixels:
    """freeda's best class of every pixel."""
    box = Box(0, 0, SIDE, SIDE)
    return label_pixels(LabelRequest(scene.picture, (SIDE, SIDE), (box,), (window_of(scene),), alpha=1.0))


def measure(side: Side, scene: Scene, rounds: int) -> Usage:
    """Run once for memory, then some rounds for time."""
    gc.collect()
    before = _forget_peak()
    side.pixels(scene)
    grown = max(_status("VmHWM") - before, 1)
    return Usage(
        median_seconds(lambda: side.regions(scene), rounds),
        median_seconds(lambda: side.pixels(scene), rounds),
        grown,
    )


def _forget_peak() -> int:
    """Set the peak back to the present resident size, and return that; 0 where it cannot be known."""
    if not Path("/proc/self/clear_refs").exists():
        return 0
    Path("/proc/self/clear_refs").write_text("5")
    return _status("VmRSS")


def _status(name: str) -> int:
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:")), 0)


def largest_difference(scene: Scene) -> float:
    """Between the scores of *products* and *sparse*, over all classes and pixels."""
    expected, pixels = Literal(products).scores(scene), PixelScores(window_of(scene))
    return max(
        float((pixels.local(slice(start, start + 10)) - expected[start : start + 10]).abs().max())
        for start in range(0, CLASSES, 10)
    )


def main() -> None:
    """Print seconds, memory and ratios."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--picture", type=Path, help="a photograph; a cup of coffee by default")
    parser.add_argument("--no-networks", action="store_true", help="leave out the other stages")
    options = parser.parse_args()
    with Image.open(options.picture) if options.picture else Image.fromarray(coffee()) as opened:
        picture = np.asarray(opened.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BICUBIC))
    scene = make_scene(picture)
    regions = pool_regions(scene.tokens, scene.labels)
    print(
        f"{SIDE} x {SIDE} pixels, {CLASSES} classes, {len(regions.covered)} superpixels, of which "
        f"{int((~regions.covered).sum())} touch no sampled point; {GRID} x {GRID} tokens of {SIZES.visual}."
    )
    stacked = {"products": Literal(products), "matrix": Literal(matrix)}
    sides = {name: Side(each.regions, each.pixels) for name, each in stacked.items()}
    sides["sparse"] = Side(window_of, sparse)
    usages = {name: measure(side, scene, options.rounds) for name, side in sides.items()}
    ours = usages["sparse"]
    print("\n| side | region similarity | ratio | to pixels | ratio | memory | ratio |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for name, usage in usages.items():
        print(
            f"| {name} | {usage.regions:.4f} s | {usage.regions / ours.regions:.1f} "
            f"| {usage.pixels:.3f} s | {usage.pixels / ours.pixels:.1f} "
            f"| {usage.bytes / 1e6:,.0f} MB | {usage.bytes / ours.bytes:.1f} |"
        )
    print(f"\nlargest difference of a score: {largest_difference(scene):.1e}")
    if not options.no_networks:
        print_stages(picture, options.rounds)


if __name__ == "__main__":
    main()
