"""Scenes of many drawings, each shown twice: they teach a backbone to know a thing by one example."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from training.drawings import taught
from training.render import TRAINING_SIZE
from training.world import CLASS_NAMES, OBJECTS, Renderer, compose_scene, label_of

CROWDS, ALONE = 5, 3
"""Scenes of a half that show four objects, and one."""

SCENES_IN_HALF = CROWDS + ALONE
NAMED_IN_EPISODE = 3
TAUGHT_IN_EPISODE = 4 * CROWDS + ALONE - NAMED_IN_EPISODE
TURN, ROW = 20, 0.45


@dataclass(frozen=True, eq=False)
class Episode:
    """Scenes in two halves that show the same kinds, otherwise placed, drawn and lit.

    Attributes:
        images: uint8 (2 * SCENES_IN_HALF, S, S, 3); the second half of them is the second half.
        labels: uint16 (2 * SCENES_IN_HALF, S, S), of the world and its taught drawings.
        recoloured: labels of the kinds that are shown in another hue than their own.
    """

    images: np.ndarray
    labels: np.ndarray
    recoloured: tuple[int, ...]


class Episodes:
    """Draws episodes with the sprites of a folder."""

    def __init__(self, sprites_dir: Path) -> None:
        self._taught = taught()
        self._renderer = Renderer(sprites_dir, self._taught)
        self.labels = len(CLASS_NAMES) + len(self._taught)

    def sample(self, rng: np.random.Generator) -> Episode:
        """A random episode: each kind once in each half, in one hue of its own for the whole episode."""
        new = len(OBJECTS) + rng.choice(len(self._taught), TAUGHT_IN_EPISODE, replace=False)
        kinds = [*new.tolist(), *rng.choice(len(OBJECTS), NAMED_IN_EPISODE, replace=False).tolist()]
        hues = {kind: int(rng.integers(6)) if rng.random() < 0.5 else 0 for kind in new.tolist()}
        pictures = [picture for _ in range(2) for picture in self._half(kinds, hues, rng)]
        return Episode(
            images=np.stack([image for image, _ in pictures]),
            labels=np.stack([labels for _, labels in pictures]).astype(np.uint16),
            recoloured=tuple(label_of(kind) for kind, hue in hues.items() if hue),
        )

    def _half(
        self, kinds: list[int], hues: dict[int, int], rng: np.random.Generator
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        shuffled = rng.permutation(kinds).tolist()
        shown = [shuffled[start : start + 4] for start in range(0, 4 * CROWDS, 4)]
        shown += [[kind] for kind in shuffled[4 * CROWDS :]]
        return [self._draw(each, hues, rng) for each in shown]

    def _draw(
        self, shown: list[int], hues: dict[int, int], rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        scene = compose_scene(shown[:2], rng, self._taught, TURN)
        above = compose_scene(shown[2:], rng, self._taught, TURN).objects
        placed = [replace(each, bottom_y=each.bottom_y - ROW) for each in above] + [*scene.objects]
        objects = tuple(replace(each, hue=hues.get(each.kind, each.hue)) for each in placed)
        rendered = self._renderer.render(replace(scene, objects=objects), TRAINING_SIZE)
        return rendered.image_hwc, rendered.labels_hw
