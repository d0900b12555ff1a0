"""How well a backbone knows things by examples: mIoU by the nearest prototype over exact masks.

Novel objects stand among the world's 22 classes. A class of the world has one prototype, the mean over
the oracle scenes; a novel object has the mean over some of its example scenes, in several draws. Each
pixel gets the class whose prototype is nearest to its token, or to its superpixel. This leaves out all
that retrieval does; it is what the backbone alone is worth, and quick enough to watch a training by.

Usage: ``python -m training.few_shot [--backbone FILE] [--novel]`` (trial objects unless ``--novel``)
"""

from __future__ import annotations

import argparse
from importlib import resources
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

from freeda_models.loading import load_backbone
from freeda_models.presets import load_preset
from freeda_segment.evaluation.datasets import Scenes, load_scenes
from freeda_segment.regions.similarity import pool_regions
from freeda_segment.regions.superpixels import parse_superpixels
from training.drawings import NOVEL, TRIAL
from training.novel_scenes import example_scenes, query_scenes
from training.paths import SPRITES_DIR
from training.world import CLASS_NAMES, ObjectKind, Renderer, sample_scene

EXAMPLES = (1, 5)
DRAWS = 4
WORLD_SEED, WORLD_COUNT = 2001, 80


class Measure:
    """Prototypes and figures of one backbone.

    Args:
        weights: a checkpoint of ``training.train_backbone``; the pack's own weights by default.
    """

    def __init__(self, weights: Path | None = None) -> None:
        self._preset = load_preset("tiny")
        self._backbone = load_backbone(self._preset, "cpu")
        if weights is not None:
            self._backbone._model.load_state_dict(load_file(weights))
        superpixels = self._preset.segment
        self._superpixels = parse_superpixels(superpixels.superpixels, superpixels.superpixel_options)
        oracle = load_scenes(str(resources.files("freeda_models") / "tiny" / "oracle.npz"))
        means = self.means(oracle)
        labels = range(len(CLASS_NAMES))
        self._known = np.stack([np.mean([each[i] for each in means if i in each], axis=0) for i in labels])

    def means(self, scenes: Scenes) -> list[dict[int, np.ndarray]]:
        """For each scene the mean feature (D,) over the exact mask of each label."""
        return [
            _means(tokens, labels)
            for tokens, labels in zip(self._backbone.encode(scenes.images), scenes.labels, strict=True)
        ]

    def world(self) -> str:
        """Figures of the 22 classes on scenes of the world that are no part of the held-out set."""
        rng, renderer = np.random.default_rng(WORLD_SEED), Renderer(SPRITES_DIR)
        rendered = [renderer.render(sample_scene(rng), 128) for _ in range(WORLD_COUNT)]
        images = np.stack([each.image_hwc for each in rendered])
        labels = np.stack([each.labels_hw for each in rendered])
        return self._figures(images, labels, [self._known], slice(None))

    def novel(self, kinds: tuple[ObjectKind, ...]) -> list[str]:
        """For each number of examples a line with the figures of the novel classes alone."""
        scenes, means = query_scenes(kinds), self.means(example_scenes(kinds))
        of_each = len(means) // len(kinds)
        first = len(CLASS_NAMES)
        lines = []
        for count in EXAMPLES:
            draws = []
            for draw in range(DRAWS):
                rng = np.random.default_rng([8, draw])
                chosen = [rng.choice(of_each, count, replace=False) + i * of_each for i in range(len(kinds))]
                novel = [np.mean([means[j][first + i] for j in js], axis=0) for i, js in enumerate(chosen)]
                draws.append(np.concatenate([self._known, novel]))
            figures = self._figures(scenes.images, scenes.labels, draws, slice(first, None))
            lines.append(f"{count} example(s)    {figures}")
        return lines

    def _figures(
        self, images: np.ndarray, labels: np.ndarray, draws: list[np.ndarray], classes: slice
    ) -> str:
        counts = np.zeros((2, len(draws), len(draws[0]), len(draws[0])), dtype=np.int64)
        prototypes = [_unit(each) for each in draws]
        for image, truth, tokens in zip(images, labels, self._backbone.encode(images), strict=True):
            regions = self._superpixels(image)
            pooled = pool_regions(tokens, regions)
            for draw, each in enumerate(prototypes):
                by_token = torch.from_numpy(_unit(tokens) @ each.T).permute(2, 0, 1)[None]
                by_pixel = torch.nn.functional.interpolate(by_token, truth.shape, mode="bilinear")
                of_pixels = by_pixel[0].argmax(0).numpy()
                of_regions = (pooled.vectors @ each.T).argmax(1)[regions]
                np.add.at(counts[0, draw], (truth, of_pixels), 1)
                np.add.at(
                    counts[1, draw], (truth, np.where(pooled.covered[regions], of_regions, of_pixels)), 1
                )
        hits = np.diagonal(counts, axis1=2, axis2=3)
        iou = hits / np.maximum(1, counts.sum(2) + counts.sum(3) - hits)
        means = iou[..., classes].mean(-1)
        return "   ".join(
            f"{name} {mean.mean():.3f} (spread {mean.std():.3f})"
            for name, mean in zip(("patches", "superpixels"), means, strict=True)
        )


def _means(tokens_hwd: np.ndarray, labels_hw: np.ndarray) -> dict[int, np.ndarray]:
    patch = labels_hw.shape[0] // tokens_hwd.shape[0]
    blocks = labels_hw.reshape(tokens_hwd.shape[0], patch, tokens_hwd.shape[1], patch)
    found = {}
    for label in np.unique(labels_hw):
        weights = (blocks == label).mean((1, 3))
        found[int(label)] = np.tensordot(weights / weights.sum(), tokens_hwd, 2)
    return found


def _unit(vectors: np.ndarray) -> np.ndarray:
    unit: np.ndarray = (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)
    return unit


def main() -> None:
    """Print the figures of one backbone."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--backbone", type=Path, help="a checkpoint's weights; the pack's by default")
    parser.add_argument("--novel", action="store_true", help="measure the novel objects, not the trial ones")
    options = parser.parse_args()
    torch.set_grad_enabled(False)
    measure = Measure(options.backbone)
    print(f"world           {measure.world()}")
    for line in measure.novel(NOVEL if options.novel else TRIAL):
        print(line, flush=True)


if __name__ == "__main__":
    main()
