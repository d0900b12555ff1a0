"""Random banks and prototypes of the sizes of the photographs' presets, for benchmarks of speed.

Text keys gather round their noun as real ones do, so that a nearest neighbour means something.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from freeda_models.protocols import FloatArray
from freeda_models.unit_vectors import normalised
from freeda_segment.classes import ClassName
from freeda_segment.retrieval.prototypes import ClassPrototypes
from freeda_store import Bank, Caption, Manifest, ModelRecord, NewGeneration, NewPrototype, Scores


@dataclass(frozen=True)
class Sizes:
    """Lengths of vectors: CLIP's embedding, which is the text key, and the backbone's feature."""

    text: int
    visual: int


SIZES = Sizes(text=768, visual=1024)
"""ViT-L/14's and DINOv2 ViT-L/14's, as in presets sd21 and sdxl."""

SPREAD = 0.6
"""Length of a key's noise, before it is made a unit vector again; the noun's own part has length 1."""


def unit_rows(rng: np.random.Generator, count: int, dim: int) -> FloatArray:
    """Random directions: float32 (count, dim)."""
    return normalised(rng.standard_normal((count, dim), dtype=np.float32))


def around(rng: np.random.Generator, centres: FloatArray) -> FloatArray:
    """One unit vector near each row of float32 (N, D)."""
    return normalised(centres + np.float32(SPREAD) * unit_rows(rng, len(centres), centres.shape[1]))


def class_prototypes(rng: np.random.Generator, classes: int, sizes: Sizes = SIZES) -> ClassPrototypes:
    """One random prototype and embedding a class."""
    starts = np.arange(classes)
    names = tuple(ClassName((f"class {index}",)) for index in range(classes))
    visual, text = unit_rows(rng, classes, sizes.visual), unit_rows(rng, classes, sizes.text)
    return ClassPrototypes(names, visual, starts, text, starts)


def manifest(sizes: Sizes = SIZES) -> Manifest:
    """Of a bank whose models exist only here."""

    def model(role: str, dim: int = 0) -> ModelRecord:
        return ModelRecord(id=f"random {role}", dim=dim)

    return Manifest(
        preset="random",
        clip=model("clip", sizes.text),
        backbone=model("backbone", sizes.visual),
        generator=model("generator"),
        nouns=model("nouns"),
        keys=model("clip", sizes.text),
        key_strategy="template_mean",
        templates="single",
    )


def fill_bank(folder: Path, keys: FloatArray, nouns: list[str], rng: np.random.Generator) -> None:
    """A bank of one revision with one prototype a row of ``keys``, four a generation."""
    with Bank.open(folder, create=manifest()) as bank, bank.write("random", "random") as writer:
        batch: list[NewGeneration] = []
        for generation in _generations(keys, nouns, rng):
            batch.append(generation)
            if len(batch) == 256:
                writer.add(batch)
                batch = []
        if batch:
            writer.add(batch)
        writer.commit()


def _generations(keys: FloatArray, nouns: list[str], rng: np.random.Generator) -> Iterator[NewGeneration]:
    picture, attribution = np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8), np.uint8)
    for start in range(0, len(keys), 4):
        rows = range(start, min(start + 4, len(keys)))
        visuals = unit_rows(rng, len(rows), SIZES.visual)
        words = [f"{nouns[row]}{row - start}" for row in rows]
        caption = Caption(" ".join(words), external_id=str(start), source="random")
        prototypes = tuple(
            NewPrototype(
                noun=nouns[row],
                kind="noun",
                span=(caption.text.index(word), caption.text.index(word) + len(word)),
                text_key=keys[row],
                visual=visual,
                scores=Scores(1.0 + rng.random(), rng.random(), rng.random(), 0.0),
                attribution_hw=attribution,
            )
            for row, word, visual in zip(rows, words, visuals, strict=True)
        )
        yield NewGeneration(caption, start, picture, prototypes)
