"""A small real bank, and networks that see colours: for tests of command line and studio."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from freeda_models.presets import load_preset
from freeda_models.protocols import ModelIdentity
from freeda_segment import SegmentSettings
from freeda_store import Bank, Caption, Manifest, ModelRecord, NewGeneration, NewPrototype, Scores

TEXT_DIM, VISUAL_DIM = 4, 6


def make_manifest(preset: str = "tiny") -> Manifest:
    def model(name: str, dim: int = 0) -> ModelRecord:
        return ModelRecord(id=name, revision="r1", sha256="", dim=dim)

    return Manifest(
        preset=preset,
        clip=model("clip", TEXT_DIM),
        backbone=model("backbone", VISUAL_DIM),
        generator=model("generator"),
        nouns=model("nouns"),
        keys=model("clip", TEXT_DIM),
        key_strategy="template_mean",
        templates="openai_subset",
    )


def make_generation(caption: str, nouns: dict[str, float], *, source: str = "coco") -> NewGeneration:
    """A drawn caption with one prototype a noun, of the attribution contrast given."""
    rng = np.random.default_rng(len(caption))
    prototypes = []
    for index, (noun, contrast) in enumerate(nouns.items()):
        key = np.zeros(TEXT_DIM, dtype=np.float32)
        key[index % TEXT_DIM] = 1
        start = caption.index(noun)
        prototypes.append(
            NewPrototype(
                noun=noun,
                kind="noun",
                span=(start, start + len(noun)),
                text_key=key,
                visual=rng.normal(size=VISUAL_DIM).astype(np.float32),
                scores=Scores(contrast=contrast, area=0.25, clip_agreement=0.3, outlier_distance=0.1),
                attribution_hw=np.eye(8, dtype=np.uint8) * 255,
            )
        )
    image = rng.integers(0, 255, size=(32, 32, 3), dtype=np.uint8)
    return NewGeneration(Caption(caption, source=source, license="CC0"), 7, image, tuple(prototypes))


def add_revision(folder: Path, message: str, *generations: NewGeneration) -> None:
    with Bank.open(folder, create=make_manifest()) as bank, bank.write(message, message) as writer:
        writer.add(generations)
        writer.commit()


def make_small_bank(folder: Path) -> None:
    """Two revisions: a car (twice) and a tree; then a dog of another source."""
    add_revision(
        folder,
        "first",
        make_generation("a car and a tree", {"car": 2.5, "tree": 1.1}),
        make_generation("one more car", {"car": 3.5}),
    )
    add_revision(folder, "second", make_generation("a dog runs", {"dog": 1.9}, source="examples"))


def small_settings(settings: SegmentSettings | None = None) -> SegmentSettings:
    """Settings, those of the preset ``tiny`` if none are given, for small pictures."""
    chosen = settings or SegmentSettings.of(load_preset("tiny").segment)
    return replace(chosen, shorter_side=32, longest_side=64, window=32, stride=32)


class Clip:
    """``car`` lies on the first axis of the key space, everything else on the second."""

    identity = ModelIdentity("clip", "r1", "", 4, "")

    def encode_texts(self, texts: Sequence[str]) -> Any:
        return np.eye(4, dtype=np.float32)[[0 if "car" in text else 1 for text in texts]]

    encode_texts_raw = encode_texts

    def encode_spans(self, texts: Sequence[str], spans: Sequence[tuple[int, int]]) -> Any:
        return self.encode_texts(texts)

    def encode_images(self, images_bhwc: Any) -> Any:
        return np.tile(np.full(4, 0.5, dtype=np.float32), (len(images_bhwc), 1))


class Backbone:
    """The mean colour of each of 8 x 8 patches, padded with ones."""

    identity = ModelIdentity("backbone", "r1", "", 6, "")
    grid_hw = (8, 8)

    def encode(self, images_bhwc: Any) -> Any:
        batch, height, width, _ = images_bhwc.shape
        rows, columns = np.arange(8) * height // 8, np.arange(8) * width // 8
        colours = images_bhwc[:, rows][:, :, columns].astype(np.float32) / 255 - 0.5
        return np.concatenate([colours, np.full((batch, 8, 8, 3), 0.1, dtype=np.float32)], axis=-1)
