"""The bundled scenes with objects that no training saw, and the example pictures to learn from."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from freeda_segment.evaluation.datasets import Scenes, load_scenes
from training.drawings import EXAMPLE, NOVEL
from training.world import CLASS_NAMES

LEARN = Path(__file__).parents[2] / "examples" / "learn"
NAMES = CLASS_NAMES + tuple(kind.name for kind in NOVEL)
MIN_PIXELS = 200


def bundled(name: str) -> Scenes:
    return load_scenes(str(resources.files("freeda_models") / "tiny" / name))


@pytest.fixture(scope="module")
def scenes() -> Scenes:
    return bundled("novel.npz")


@pytest.fixture(scope="module")
def examples() -> Scenes:
    return bundled("novel_examples.npz")


def objects(labels: np.ndarray) -> set[int]:
    """Labels of the things in a label map, without ground and sky."""
    ground, novel = CLASS_NAMES.index("grass"), len(CLASS_NAMES)
    return {label for label in np.unique(labels).tolist() if label < ground or label >= novel}


def test_every_class_is_shown_beside_every_way_of_showing_it(scenes: Scenes) -> None:
    assert scenes.class_names == NAMES
    shown = [objects(labels) for labels in scenes.labels]
    novel = {label for each in shown for label in each if label >= len(CLASS_NAMES)}
    assert novel == set(range(len(CLASS_NAMES), len(NAMES)))
    assert set(np.unique(scenes.labels).tolist()) == set(range(len(NAMES)))
    for label in novel:
        assert {len(each) for each in shown if label in each} == {1, 2}


def test_each_novel_object_has_its_examples_alone(examples: Scenes) -> None:
    assert examples.class_names == NAMES
    shown = [objects(labels) for labels in examples.labels]
    assert all(len(each) == 1 for each in shown)
    counts = np.bincount([label for (label,) in shown], minlength=len(NAMES))
    assert set(counts[len(CLASS_NAMES) :]) == {16}
    assert not counts[: len(CLASS_NAMES)].any()


def test_masks_are_exact_and_captions_name_what_is_shown(scenes: Scenes, examples: Scenes) -> None:
    for each in (scenes, examples):
        for image, labels, caption in zip(each.images, each.labels, each.captions, strict=True):
            for label in objects(labels):
                mask = labels == label
                assert mask.sum() >= MIN_PIXELS
                if label >= len(CLASS_NAMES):
                    assert NAMES[label] in caption
                inside = image[mask].astype(float)
                ring = image[_dilated(mask) & ~_dilated(mask, 1)].astype(float)
                assert np.abs(inside.mean(0) - ring.mean(0)).max() > 5


def _dilated(mask: np.ndarray, by: int = 3) -> np.ndarray:
    grown = mask.copy()
    for _ in range(by):
        padded = np.pad(grown, 1)
        grown = (
            padded[1:-1, 1:-1] | padded[:-2, 1:-1] | padded[2:, 1:-1] | padded[1:-1, :-2] | padded[1:-1, 2:]
        )
    return grown


def test_no_novel_scene_is_an_example(scenes: Scenes, examples: Scenes) -> None:
    seen = {image.tobytes() for image in scenes.images}
    assert len(seen) == len(scenes)
    assert seen.isdisjoint(image.tobytes() for image in examples.images)


def test_example_pictures_have_masks_of_their_size_and_named_classes() -> None:
    names = (LEARN / "classes.txt").read_text(encoding="utf-8").split()
    assert names == [*CLASS_NAMES, *(kind.name for kind in EXAMPLE)]
    pictures = sorted(path.name for path in (LEARN / "images").iterdir())
    assert pictures == sorted(path.name for path in (LEARN / "masks").iterdir())
    taught = set()
    for name in pictures:
        with Image.open(LEARN / "images" / name) as picture, Image.open(LEARN / "masks" / name) as mask:
            assert picture.size == mask.size
            assert mask.mode == "P"
            labels = np.asarray(mask)
        for word in name.removesuffix(".png").split("-and-"):
            assert np.count_nonzero(labels == names.index(word)) > 1000
            taught.add(word)
    assert {kind.name for kind in EXAMPLE} <= taught
