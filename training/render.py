"""Render the training scenes: pictures, exact label maps and captions, 64 x 64.

Usage: ``python -m training.render [--count 48000]`` (about a minute; skipped when done)
"""

from __future__ import annotations

import argparse
import json

import numpy as np

from training.paths import SCENES_DIR, SPRITES_DIR
from training.world import Renderer, sample_scene

TRAINING_SIZE = 64


def render_scenes(count: int, seed: int = 1) -> None:
    """Write ``images.npy`` (N, 64, 64, 3), ``labels.npy`` (N, 64, 64) and ``captions.json``."""
    SCENES_DIR.mkdir(parents=True, exist_ok=True)
    done = SCENES_DIR / "captions.json"
    if done.exists():
        print(f"already rendered: {SCENES_DIR}")
        return
    rng = np.random.default_rng(seed)
    renderer = Renderer(SPRITES_DIR)
    size = TRAINING_SIZE
    images = np.empty((count, size, size, 3), dtype=np.uint8)
    labels = np.empty((count, size, size), dtype=np.uint8)
    captions = []
    for index in range(count):
        scene = sample_scene(rng)
        rendered = renderer.render(scene, size)
        images[index], labels[index] = rendered.image_hwc, rendered.labels_hw
        captions.append(scene.caption)
    np.save(SCENES_DIR / "images.npy", images)
    np.save(SCENES_DIR / "labels.npy", labels)
    done.write_text(json.dumps(captions))
    print(f"rendered {count} scenes into {SCENES_DIR}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=48_000)
    render_scenes(parser.parse_args().count)
