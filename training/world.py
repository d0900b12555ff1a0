"""The rendered world: scenes of drawn objects on soft grounds, with exact label maps.

A :class:`Scene` is a description free of resolution; :class:`Renderer` draws it at any size.
The tiny pack is trained on these scenes, and its held-out set and figures come from them. Scenes may
also show kinds that the world has no name for (``extra``); their labels follow those of the world.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image


@dataclass(frozen=True)
class ObjectKind:
    """One kind of object: its class name, words for it, emoji code point and hue shifts."""

    name: str
    words: tuple[str, ...]
    codepoint: str
    hues: tuple[tuple[str, int], ...] = ()
    """Colour word and hue shift in PIL's 0..255 hue units; empty means one fixed colour."""


@dataclass(frozen=True)
class GroundKind:
    """A ground or sky: its class name, phrases, and top and bottom colour in RGB 0..255."""

    name: str
    phrases: tuple[str, ...]
    top_rgb: tuple[int, int, int]
    bottom_rgb: tuple[int, int, int]
    bands: float = 0.0
    """Strength, in grey levels, of soft horizontal bands."""


OBJECTS: tuple[ObjectKind, ...] = (
    ObjectKind(
        "car",
        ("car", "automobile"),
        "1f697",
        (("red", 0), ("blue", 160), ("green", 95), ("yellow", 40)),
    ),
    ObjectKind("bus", ("bus", "coach"), "1f68c"),
    ObjectKind("boat", ("boat", "ship"), "26f5"),
    ObjectKind("tree", ("tree",), "1f333"),
    ObjectKind("house", ("house", "cottage"), "1f3e0"),
    ObjectKind("cat", ("cat", "kitten"), "1f431"),
    ObjectKind("dog", ("dog", "puppy"), "1f436"),
    ObjectKind("elephant", ("elephant",), "1f418"),
    ObjectKind("pig", ("pig",), "1f416"),
    ObjectKind("apple", ("apple",), "1f34e", (("red", 0), ("green", 80))),
    ObjectKind("banana", ("banana",), "1f34c"),
    ObjectKind("mushroom", ("mushroom", "toadstool"), "1f344"),
    ObjectKind("pumpkin", ("pumpkin",), "1f383"),
    ObjectKind("penguin", ("penguin",), "1f427"),
    ObjectKind("train", ("train", "locomotive"), "1f682"),
    ObjectKind("duck", ("duck",), "1f986"),
)

GROUNDS: tuple[GroundKind, ...] = (
    GroundKind("grass", ("grass", "the grass", "a lawn"), (150, 205, 90), (105, 170, 60)),
    GroundKind("sand", ("sand", "the sand", "a beach"), (240, 218, 165), (220, 190, 130)),
    GroundKind("water", ("water", "the water", "a lake"), (50, 130, 200), (20, 85, 165), 9.0),
    GroundKind("road", ("a road", "the road", "a street"), (115, 115, 122), (80, 80, 88)),
    GroundKind("snow", ("snow", "the snow"), (240, 244, 250), (222, 230, 242)),
)

SKIES: tuple[GroundKind, ...] = (
    GroundKind("sky", ("a blue sky", "blue sky", "a clear sky"), (120, 180, 240), (195, 225, 250)),
    GroundKind("sky", ("a sunset sky", "an orange sky"), (240, 140, 110), (252, 205, 150)),
    GroundKind("sky", ("a grey sky", "a cloudy sky"), (150, 156, 168), (196, 200, 208)),
)

CLASS_NAMES: tuple[str, ...] = (
    *(kind.name for kind in OBJECTS),
    *(kind.name for kind in GROUNDS),
    "sky",
)
"""Label ``i`` of a label map is ``CLASS_NAMES[i]``; extra kinds come after these."""

DRAWINGS = ("fluent", "noto")


@dataclass(frozen=True)
class PlacedObject:
    """An object in a scene. Lengths are fractions of the picture's side."""

    kind: int
    drawing: int
    hue: int
    word: str
    center_x: float
    bottom_y: float
    height: float
    flipped: bool
    turned: int = 0
    """Degrees, counter-clockwise."""


@dataclass(frozen=True)
class Scene:
    """A scene, free of resolution, with the caption that tells it."""

    ground: int
    sky: int
    horizon: float
    objects: tuple[PlacedObject, ...]
    caption: str
    texture_seed: int


@dataclass(frozen=True)
class RenderedScene:
    """A drawn scene: ``image_hwc`` uint8 RGB (S, S, 3) and ``labels_hw`` (S, S), of the renderer's dtype."""

    image_hwc: np.ndarray
    labels_hw: np.ndarray


def _article(word: str) -> str:
    return "an" if word[0] in "aeiou" else "a"


def label_of(kind: int) -> int:
    """Label of the pixels of a kind, by its place in the world's objects with extra kinds after them."""
    return kind if kind < len(OBJECTS) else kind - len(OBJECTS) + len(CLASS_NAMES)


def _object_phrase(placed: PlacedObject, kinds: tuple[ObjectKind, ...], rng: np.random.Generator) -> str:
    kind = kinds[placed.kind]
    phrase = placed.word
    if kind.hues and rng.random() < 0.75:
        phrase = f"{kind.hues[placed.hue][0]} {phrase}"
    return f"{_article(phrase)} {phrase}"


def _caption(
    scene_objects: list[PlacedObject],
    kinds: tuple[ObjectKind, ...],
    ground: int,
    sky: int,
    rng: np.random.Generator,
) -> str:
    things = " and ".join(_object_phrase(placed, kinds, rng) for placed in scene_objects)
    ground_phrase = str(rng.choice(GROUNDS[ground].phrases))
    caption = f"{things} on {ground_phrase}" if things else ground_phrase
    if rng.random() < 0.75:
        caption += f" under {rng.choice(SKIES[sky].phrases)}"
    return caption


def sample_scene(rng: np.random.Generator, max_objects: int = 2) -> Scene:
    """Draw a random scene: one object (two times in three), two, or rarely none."""
    draw = rng.random()
    count = 0 if draw < 0.04 else 1 if draw < 0.66 or max_objects < 2 else 2
    return compose_scene(rng.choice(len(OBJECTS), size=count, replace=False).tolist(), rng)


def compose_scene(
    shown: list[int], rng: np.random.Generator, extra: tuple[ObjectKind, ...] = (), turn: int = 0
) -> Scene:
    """A random scene of given objects, at most two.

    Args:
        shown: places of their kinds in the world's objects with ``extra`` after them.
        rng: decides where they stand, how they are drawn, and on what.
        extra: kinds that are not of the world.
        turn: objects are turned by up to so many degrees.
    """
    kinds = OBJECTS + extra
    placed = []
    for slot, kind_index in enumerate(shown):
        kind = kinds[kind_index]
        if len(shown) == 1:
            center_x, height = rng.uniform(0.40, 0.60), rng.uniform(0.50, 0.64)
        else:
            center_x, height = (0.27, 0.73)[slot] + rng.uniform(-0.03, 0.03), rng.uniform(0.40, 0.48)
        placed.append(
            PlacedObject(
                kind=kind_index,
                drawing=int(rng.integers(len(DRAWINGS))),
                hue=int(rng.integers(len(kind.hues))) if kind.hues else 0,
                word=str(rng.choice(kind.words)),
                center_x=float(center_x),
                bottom_y=float(rng.uniform(0.82, 0.94)),
                height=float(height),
                flipped=bool(rng.random() < 0.5),
                turned=int(rng.integers(-turn, turn + 1)) if turn else 0,
            )
        )
    ground, sky = int(rng.integers(len(GROUNDS))), int(rng.integers(len(SKIES)))
    return Scene(
        ground=ground,
        sky=sky,
        horizon=float(rng.uniform(0.42, 0.56)),
        objects=tuple(placed),
        caption=_caption(placed, kinds, ground, sky, rng),
        texture_seed=int(rng.integers(2**31)),
    )


class Renderer:
    """Draws scenes with sprites read from a folder made by ``fetch_sprites.py``.

    Args:
        sprites_dir: folder with ``fluent/<codepoint>.webp`` and ``noto/<codepoint>.png``.
        extra: kinds that scenes may show besides the world's.
    """

    def __init__(self, sprites_dir: Path, extra: tuple[ObjectKind, ...] = ()) -> None:
        self._sprites_dir = sprites_dir
        self._kinds = OBJECTS + extra
        self._dtype = np.min_scalar_type(label_of(len(self._kinds) - 1))
        self._sprite = lru_cache(maxsize=1_000)(self._load_sprite)
        self._scaled = lru_cache(maxsize=20_000)(self._scale_sprite)

    def render(self, scene: Scene, size: int) -> RenderedScene:
        """Draw ``scene`` on a square of ``size`` pixels."""
        rng = np.random.default_rng(scene.texture_seed)
        horizon = round(scene.horizon * size)
        sky = _backdrop(SKIES[scene.sky], horizon, size, rng)
        ground = _backdrop(GROUNDS[scene.ground], size - horizon, size, rng)
        image = Image.fromarray(np.concatenate([sky, ground]))
        labels = np.full((size, size), len(OBJECTS) + scene.ground, dtype=self._dtype)
        labels[:horizon] = CLASS_NAMES.index("sky")
        for placed in scene.objects:
            self._paste(image, labels, placed, size)
        return RenderedScene(np.asarray(image), labels)

    def _paste(self, image: Image.Image, labels: np.ndarray, placed: PlacedObject, size: int) -> None:
        sprite = self._scaled(
            placed.kind, placed.drawing, placed.hue, max(4, round(placed.height * size)), placed.flipped
        )
        if placed.turned:
            sprite = sprite.rotate(placed.turned, Image.Resampling.BICUBIC, expand=True)
        left = round(placed.center_x * size - sprite.width / 2)
        top = round(placed.bottom_y * size) - sprite.height
        image.paste(sprite, (left, top), sprite)
        opaque = Image.new("L", image.size)
        opaque.paste(sprite.getchannel("A"), (left, top))
        labels[np.asarray(opaque) > 127] = label_of(placed.kind)

    def _load_sprite(self, kind_index: int, drawing: int, hue: int) -> Image.Image:
        kind = self._kinds[kind_index]
        suffix = {"fluent": "webp", "noto": "png"}[DRAWINGS[drawing]]
        path = self._sprites_dir / DRAWINGS[drawing] / f"{kind.codepoint}.{suffix}"
        sprite = Image.open(path).convert("RGBA")
        sprite = sprite.crop(sprite.getchannel("A").getbbox())
        shift = kind.hues[hue][1] if kind.hues else 0
        if shift:
            alpha = sprite.getchannel("A")
            hsv = np.array(sprite.convert("RGB").convert("HSV"))
            hsv[..., 0] = (hsv[..., 0].astype(int) + shift) % 256
            sprite = Image.fromarray(hsv, "HSV").convert("RGBA")
            sprite.putalpha(alpha)
        return sprite

    def _scale_sprite(
        self, kind_index: int, drawing: int, hue: int, height: int, flipped: bool
    ) -> Image.Image:
        sprite = self._sprite(kind_index, drawing, hue)
        scale = height / max(sprite.height, sprite.width)
        size = (max(1, round(sprite.width * scale)), max(1, round(sprite.height * scale)))
        sprite = sprite.resize(size, Image.Resampling.LANCZOS)
        return sprite.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if flipped else sprite


def _backdrop(kind: GroundKind, height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """A vertical gradient with soft low-frequency texture; uint8 (height, width, 3)."""
    if height <= 0:
        return np.zeros((0, width, 3), dtype=np.uint8)
    fraction = np.linspace(0.0, 1.0, height)[:, None, None]
    colours = (1 - fraction) * np.array(kind.top_rgb) + fraction * np.array(kind.bottom_rgb)
    coarse = Image.fromarray(rng.normal(0.0, 5.0, size=(3, 4)).astype(np.float32))
    texture = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC))
    if kind.bands:
        phase = rng.uniform(0, 2 * np.pi)
        texture = texture + kind.bands * np.sin(fraction[..., 0] * 5 * np.pi + phase)
    tint = rng.normal(0.0, 4.0, size=3)
    return np.clip(colours + texture[..., None] + tint, 0, 255).astype(np.uint8)
