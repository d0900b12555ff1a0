"""Pictures of the world of colours, and a learner of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from segment_fakes import COLOURS, FakeBackbone, FakeClip, fake_manifest, small_settings

from freeda_learn import Learner, LearnModels
from freeda_learn.executors import ExampleExecutor
from freeda_store import Bank

THING = (slice(8, 24), slice(8, 24))
SIZE_HW = (32, 48)


def scene(thing: str, ground: str, *, noise: int = 0, seed: int = 0) -> NDArray[np.uint8]:
    """uint8 (32, 48, 3): a square of one colour on another."""
    image = np.empty((*SIZE_HW, 3), dtype=np.int64)
    image[:] = COLOURS[ground]
    image[THING] = COLOURS[thing]
    if noise:
        image += np.random.default_rng(seed).integers(-noise, noise + 1, image.shape)
    return image.clip(0, 255).astype(np.uint8)


def thing_mask() -> NDArray[np.bool_]:
    mask = np.zeros(SIZE_HW, dtype=np.bool_)
    mask[THING] = True
    return mask


def make_learner(folder: Path, executor: ExampleExecutor | None = None, **settings: Any) -> Learner:
    clip = FakeClip()
    models = LearnModels(FakeBackbone((8, 8)), clip, clip)
    bank = Bank.open(folder, create=fake_manifest())
    return Learner(bank, models, small_settings(**settings), executor=executor)
