"""Honest little models: they draw, look and read for real, only in a world of coloured rectangles.

Every one of them adds a little noise that depends on the whole batch, far more than rounding, so that
a test which compares vectors notices when batches were made up differently.
Imported by tests and by the script that they kill.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from freeda_ingest.manifests import make_manifest
from freeda_ingest.models import LoadedModels
from freeda_ingest.settings import DEFAULT_SETTINGS
from freeda_models.identity import PresetIdentities
from freeda_models.protocols import (
    FloatArray,
    GeneratedImage,
    GenerationRequest,
    ImageArray,
    ModelIdentity,
    Noun,
    NounKind,
    Span,
)
from freeda_store import Manifest

COLOURS: Mapping[str, tuple[int, int, int]] = {
    "car": (220, 40, 40),
    "tree": (40, 160, 40),
    "boat": (230, 220, 60),
    "house": (150, 90, 40),
    "cat": (240, 140, 30),
    "sky": (90, 160, 240),
    "truck": (160, 40, 160),
}
ADJECTIVES = ("red", "big", "old")
SIDE, LATENT, GRID = 32, 8, 8
WINDOW = 120
"""Characters that the fake text encoders read."""


def _identity(name: str, dim: int) -> ModelIdentity:
    return ModelIdentity(
        id=f"fake-{name}", revision="1", sha256=name.encode().hex(), dim=dim, preprocessing=""
    )


def _rng(*parts: object) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(repr(parts).encode()))


class FakeNouns:
    identity = _identity("nouns", 0)

    def extract(self, captions: Sequence[str]) -> list[tuple[Noun, ...]]:
        return [() if self.refusal(caption) else tuple(self._nouns(caption)) for caption in captions]

    def refusal(self, caption: str) -> str:
        return "not in English" if caption.startswith("una ") else ""

    def _nouns(self, caption: str) -> Iterator[Noun]:
        for word in re.finditer(r"[a-z]+", caption.lower()):
            if word[0] not in COLOURS and word[0] != "ghost":
                continue
            start, stop = word.span()
            yield Noun(word[0], (start, stop), NounKind.NOUN)
            before = re.search(r"([a-z]+) $", caption[:start].lower())
            if before and before[1] in ADJECTIVES:
                yield Noun(f"{before[1]} {word[0]}", (before.start(), stop), NounKind.PHRASE)
            if before and before[1] == "fire":
                yield Noun(f"fire {word[0]}", (before.start(), stop), NounKind.COMPOUND)


class FakeGenerator:
    """Draws one rectangle a span; the span's map is exactly where it is. ``ghost`` is never seen."""

    identity = _identity("generator", 0)

    def __init__(self) -> None:
        self.batches: list[tuple[str, ...]] = []

    def generate(self, requests: Sequence[GenerationRequest]) -> list[GeneratedImage]:
        self.batches.append(tuple(request.caption for request in requests))
        return [self._draw(request, self.batches[-1]) for request in requests]

    def _draw(self, request: GenerationRequest, batch: tuple[str, ...]) -> GeneratedImage:
        rng = np.random.default_rng(request.seed)
        image = np.full((SIDE, SIDE, 3), rng.integers(0, 80, 3), dtype=np.uint8)
        maps = np.full((len(request.spans), LATENT, LATENT), 0.02, dtype=np.float32)
        inside = np.array([stop <= WINDOW for _, stop in request.spans], dtype=np.bool_)
        cell = SIDE // LATENT
        for row, (start, stop) in enumerate(request.spans):
            word = request.caption[start:stop].lower().split()[-1]
            top, left = rng.integers(0, LATENT - 3, 2)
            height, width = rng.integers(2, 4, 2)
            if not inside[row]:
                maps[row] = 0
            elif word in COLOURS:
                maps[row, top : top + height, left : left + width] = 1
                image[top * cell : (top + height) * cell, left * cell : (left + width) * cell] = COLOURS[word]
        noise = _rng("picture", request.caption, batch).integers(0, 3, image.shape, dtype=np.uint8)
        return GeneratedImage(np.maximum(image, noise), maps, inside)


class FakeBackbone:
    """A token is the mean colour under it, and a one."""

    identity = _identity("backbone", 4)
    grid_hw = (GRID, GRID)

    def encode(self, images_bhwc: ImageArray) -> FloatArray:
        step = SIDE // GRID
        cells = images_bhwc.reshape(-1, GRID, step, GRID, step, 3) / np.float32(255)
        colours = cells.mean(axis=(2, 4), dtype=np.float32)
        return np.concatenate([colours, np.ones((*colours.shape[:3], 1), np.float32)], axis=-1)


class FakeClip:
    """Texts and pictures to the colour they mean, in a space of 5."""

    identity = _identity("clip", 5)

    def encode_texts(self, texts: Sequence[str]) -> FloatArray:
        rows = [_rng("noise", text, *texts).normal(0, 1e-4, 5) + self._meaning(text) for text in texts]
        return _unit(np.array(rows).reshape(-1, 5))

    encode_texts_raw = encode_texts

    def encode_spans(self, texts: Sequence[str], spans: Sequence[Span]) -> FloatArray:
        return self.encode_texts([text[start:stop] for text, (start, stop) in zip(texts, spans, strict=True)])

    def encode_images(self, images_bhwc: ImageArray) -> FloatArray:
        colours = images_bhwc.mean(axis=(1, 2)) / 255
        return _unit(np.concatenate([colours, np.full((len(colours), 2), 0.05)], axis=1))

    def _meaning(self, text: str) -> FloatArray:
        words = [word for word in re.findall(r"[a-z]+", text.lower()) if word in COLOURS]
        colour = np.array(COLOURS[words[-1]] if words else (1, 1, 1), dtype=np.float32) / 255
        return np.append(colour, [0.3 * ("red" in text), 0.05]).astype(np.float32)


def _unit(rows: np.ndarray) -> FloatArray:
    unit: FloatArray = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return unit


def fake_models() -> LoadedModels:
    clip = FakeClip()
    return LoadedModels(FakeNouns(), FakeGenerator(), FakeBackbone(), clip, clip)


def fake_manifest() -> Manifest:
    models = fake_models()
    identities = PresetIdentities(
        clip=models.clip.identity,
        backbone=models.backbone.identity,
        generator=models.generator.identity,
        nouns=models.nouns.identity,
        keys=models.keys.identity,
    )
    return make_manifest("fake", identities, DEFAULT_SETTINGS)


def write_captions(path: Path, count: int, *, first: int = 0) -> Path:
    """A captions file of ``count`` different captions; some without nouns, some with bad company."""
    words = list(COLOURS)
    lines = []
    for index in range(first, first + count):
        one, two = words[index % len(words)], words[(index * 3 + 1) % len(words)]
        text = "nothing to see here" if index % 11 == 7 else f"a red {one} beside a {two}"
        lines.append(json.dumps({"caption": text, "id": index, "source": "test", "license": "cc0"}))
        if index % 13 == 5:
            lines.append("{broken")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
