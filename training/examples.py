"""Write the bundled examples: captions, the pictures that the demo segments, and pictures to learn from.

Usage: ``python -m training.examples``
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

from training.drawings import EXAMPLE
from training.paths import SPRITES_DIR
from training.world import (
    CLASS_NAMES,
    GROUNDS,
    OBJECTS,
    SKIES,
    GroundKind,
    PlacedObject,
    Renderer,
    Scene,
    compose_scene,
)

EXAMPLES_DIR = Path(__file__).parent.parent / "examples"
CAPTIONS_PER_OBJECT = 14
CAPTIONS_PER_COLOUR = 3
PICTURE_SIZE = 512


def captions(seed: int = 7) -> list[str]:
    """Captions that name every object, ground and sky of the world, mostly one object each."""
    rng = np.random.default_rng(seed)
    lines = []
    for turn in range(CAPTIONS_PER_OBJECT):
        for number, kind in enumerate(OBJECTS):
            word = kind.words[(turn // 2) % len(kind.words)]
            if kind.hues and turn % 5:
                word = f"{kind.hues[turn % len(kind.hues)][0]} {word}"
            ground = GROUNDS[(turn + number) % len(GROUNDS)]
            sky = SKIES[(turn + 2 * number) % len(SKIES)]
            lines.append(_caption(word, ground, sky, rng))
    coloured = [(kind, colour) for kind in OBJECTS for colour, _ in kind.hues]
    for turn in range(CAPTIONS_PER_COLOUR):
        for number, (kind, colour) in enumerate(coloured):
            ground, sky = GROUNDS[(turn + number) % len(GROUNDS)], SKIES[turn % len(SKIES)]
            lines.append(_caption(f"{colour} {kind.name}", ground, sky, rng))
    return lines


def _caption(words: str, ground: GroundKind, sky: GroundKind, rng: np.random.Generator) -> str:
    article = "an" if words[0] in "aeiou" else "a"
    return f"{article} {words} on {rng.choice(ground.phrases)} under {rng.choice(sky.phrases)}"


def _object(name: str, word: str, hue: int, center_x: float, height: float, bottom_y: float) -> PlacedObject:
    kind = next(index for index, kind in enumerate(OBJECTS) if kind.name == name)
    return PlacedObject(kind, 0, hue, word, center_x, bottom_y, height, flipped=False)


PICTURES = {
    "car-and-tree.png": Scene(
        ground=0,
        sky=0,
        horizon=0.48,
        objects=(
            _object("tree", "tree", 0, 0.75, 0.47, 0.84),
            _object("car", "car", 0, 0.27, 0.44, 0.92),
        ),
        caption="a red car and a tree on grass under a blue sky",
        texture_seed=11,
    ),
    "boat-on-water.png": Scene(
        ground=2,
        sky=1,
        horizon=0.5,
        objects=(_object("boat", "boat", 0, 0.5, 0.6, 0.86),),
        caption="a boat on the water under a sunset sky",
        texture_seed=12,
    ),
    "cat-and-mushroom.png": Scene(
        ground=4,
        sky=2,
        horizon=0.46,
        objects=(
            _object("cat", "cat", 0, 0.27, 0.44, 0.9),
            _object("mushroom", "mushroom", 0, 0.73, 0.42, 0.86),
        ),
        caption="a cat and a mushroom on snow under a grey sky",
        texture_seed=13,
    ),
}


def learn_pictures(seed: int = 8) -> dict[str, Scene]:
    """By name: each example object alone, to learn from, and three beside a thing of the world."""
    rng = np.random.default_rng(seed)
    first = len(OBJECTS)
    scenes = {kind.name: compose_scene([first + i], rng, EXAMPLE) for i, kind in enumerate(EXAMPLE)}
    for pair, world in enumerate(("car", "cat", "house")):
        shown = [first + pair, next(i for i, kind in enumerate(OBJECTS) if kind.name == world)]
        scenes[f"{EXAMPLE[pair].name}-and-{world}"] = compose_scene(shown, rng, EXAMPLE)
    return scenes


def write_learn(folder: Path) -> None:
    """Write pictures, exact label maps as indexed PNG, and the class of each index, a line each."""
    renderer = Renderer(SPRITES_DIR, EXAMPLE)
    names = CLASS_NAMES + tuple(kind.name for kind in EXAMPLE)
    colours = np.random.default_rng(9).integers(40, 256, size=(len(names), 3)).astype(np.uint8)
    for part in ("images", "masks"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    for name, scene in learn_pictures().items():
        picture = renderer.render(scene, PICTURE_SIZE)
        Image.fromarray(picture.image_hwc).save(folder / "images" / f"{name}.png", optimize=True)
        mask = Image.fromarray(picture.labels_hw, "P")
        mask.putpalette(colours.tobytes())
        mask.save(folder / "masks" / f"{name}.png", optimize=True)
    (folder / "classes.txt").write_text("".join(f"{name}\n" for name in names), encoding="utf-8")


def write() -> None:
    """Write captions and pictures into ``examples/``."""
    EXAMPLES_DIR.mkdir(exist_ok=True)
    with (EXAMPLES_DIR / "captions.jsonl").open("w", encoding="utf-8") as out:
        for number, caption in enumerate(captions(), start=1):
            line = {"id": f"ex-{number:03d}", "caption": caption, "source": "examples", "license": "CC0-1.0"}
            out.write(json.dumps(line) + "\n")
    renderer = Renderer(SPRITES_DIR)
    for name, scene in PICTURES.items():
        Image.fromarray(renderer.render(scene, PICTURE_SIZE).image_hwc).save(
            EXAMPLES_DIR / name, optimize=True
        )
    write_learn(EXAMPLES_DIR / "learn")


if __name__ == "__main__":
    write()
    print(f"wrote {EXAMPLES_DIR}")
