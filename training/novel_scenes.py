"""Scenes with objects that no network was trained on, among the things of the world, with exact label maps.

The pack holds two sets of them, in the layout of ``held_out.npz``. In ``novel.npz``, to be segmented, half
of the scenes show a novel object alone, a third show it beside a thing of the world, and a sixth beside
another novel one. In ``novel_examples.npz``, to learn from, each shows one novel object, 16 scenes for each.
The classes are the world's 22, then the novel ones.

Usage: ``python -m training.novel_scenes``
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from freeda_segment.evaluation.datasets import Scenes
from training.drawings import NOVEL
from training.paths import PACK_DIR, SPRITES_DIR
from training.world import CLASS_NAMES, OBJECTS, ObjectKind, Renderer, compose_scene

SIZE = 128
QUERY_SEED, EXAMPLES_SEED = 1003, 1004
ALONE, BESIDE_KNOWN, BESIDE_NOVEL = 6, 4, 2
"""Scenes of each novel object, alone, beside one of the world and beside another novel one."""

EXAMPLES_OF_EACH = 16


def query_scenes(kinds: tuple[ObjectKind, ...], seed: int = QUERY_SEED) -> Scenes:
    """Scenes to be segmented, 12 led by each of ``kinds``."""
    rng = np.random.default_rng(seed)
    deals = -(-len(kinds) * BESIDE_KNOWN // len(OBJECTS))
    dealt = np.concatenate([rng.permutation(len(OBJECTS)) for _ in range(deals)]).tolist()
    shown = []
    for number in range(len(kinds)):
        novel = len(OBJECTS) + number
        known = dealt[BESIDE_KNOWN * number :][:BESIDE_KNOWN]
        others = [kind for kind in range(len(OBJECTS), len(OBJECTS) + len(kinds)) if kind != novel]
        beside = [*known, *rng.choice(others, BESIDE_NOVEL, replace=False).tolist()]
        shown += [[novel]] * ALONE + [rng.permutation([novel, other]).tolist() for other in beside]
    return _render(shown, kinds, rng)


def example_scenes(kinds: tuple[ObjectKind, ...], seed: int = EXAMPLES_SEED) -> Scenes:
    """Scenes to learn from, 16 of each of ``kinds``, one object a scene, kind after kind."""
    shown = [[len(OBJECTS) + number] for number in range(len(kinds)) for _ in range(EXAMPLES_OF_EACH)]
    return _render(shown, kinds, np.random.default_rng(seed))


def _render(shown: list[list[int]], kinds: tuple[ObjectKind, ...], rng: np.random.Generator) -> Scenes:
    renderer = Renderer(SPRITES_DIR, kinds)
    scenes = [compose_scene(each, rng, kinds) for each in shown]
    rendered = [renderer.render(scene, SIZE) for scene in scenes]
    return Scenes(
        images=np.stack([picture.image_hwc for picture in rendered]),
        labels=np.stack([picture.labels_hw for picture in rendered]),
        class_names=CLASS_NAMES + tuple(kind.name for kind in kinds),
        captions=tuple(scene.caption for scene in scenes),
    )


def write(path: Path, scenes: Scenes) -> None:
    """Save scenes as an npz file."""
    np.savez_compressed(
        path,
        images=scenes.images,
        labels=scenes.labels,
        class_names=np.array(scenes.class_names),
        captions=np.array(scenes.captions),
    )


def main() -> None:
    """Write both files of the pack."""
    write(PACK_DIR / "novel.npz", query_scenes(NOVEL))
    write(PACK_DIR / "novel_examples.npz", example_scenes(NOVEL))


if __name__ == "__main__":
    main()
