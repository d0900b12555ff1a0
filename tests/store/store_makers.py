"""Small real things to put into banks. Imported by tests and by the scripts that they kill."""

from __future__ import annotations

import numpy as np

from freeda_store import Caption, Manifest, ModelRecord, NewGeneration, NewPrototype, Scores

TEXT_DIM = 8
VISUAL_DIM = 12
NOUNS = ("car", "tree", "red car", "boat")
SOURCES = ("coco", "flickr", "")
FILLED_COUNT = 8
"""Generations in the bank ``filled``, of two prototypes each."""


def make_manifest(**changes: object) -> Manifest:
    fields: dict[str, object] = {
        "preset": "test",
        "clip": ModelRecord(id="clip-a", sha256="aa", dim=TEXT_DIM),
        "backbone": ModelRecord(id="dino-a", sha256="bb", dim=VISUAL_DIM),
        "generator": ModelRecord(id="sd-a", sha256="cc"),
        "nouns": ModelRecord(id="spacy-a", revision="3.8"),
        "keys": ModelRecord(id="clip-a", sha256="aa", dim=TEXT_DIM),
        "key_strategy": "template_mean",
        "templates": "small",
        "threshold": {"threshold": "fixed", "value": 0.5},
    }
    return Manifest.model_validate(fields | changes)


def text_key(noun: str) -> np.ndarray:
    """One key a noun, as the template strategy gives: ties are the rule."""
    rng = np.random.default_rng(sum(map(ord, noun)))
    vector = rng.standard_normal(TEXT_DIM).astype(np.float32)
    return vector / np.linalg.norm(vector)


def make_generation(index: int, *, prototypes: int = 2, license: str = "cc-by") -> NewGeneration:
    """Generation ``index``: the same one for the same arguments, with several nouns."""
    rng = np.random.default_rng(index)
    text = f"caption {index} of a red car and a tree"
    caption = Caption(
        text=text,
        external_id=str(index),
        source=SOURCES[index % len(SOURCES)],
        license=license,
        url=f"https://example.org/{index}",
        extra={"line": index},
    )
    made = []
    for place in range(prototypes):
        noun = NOUNS[(index + place) % len(NOUNS)]
        made.append(
            NewPrototype(
                noun=noun,
                kind="phrase" if " " in noun else "noun",
                span=(place, place + 3),
                text_key=text_key(noun),
                visual=rng.standard_normal(VISUAL_DIM).astype(np.float32),
                scores=Scores(
                    contrast=1.0 + index % 4 / 2,
                    area=0.25,
                    clip_agreement=float(rng.uniform(0, 0.5)),
                    outlier_distance=0.0,
                ),
                attribution_hw=rng.integers(0, 256, (4, 4), dtype=np.uint8),
                semantic=text_key(f"{index} seen") if place == 0 else None,
            )
        )
    image = rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)
    return NewGeneration(caption, seed=index, image_hwc=image, prototypes=tuple(made))


WITHOUT_SEMANTICS = (
    "ALTER TABLE prototype DROP COLUMN semantic_digest",
    "UPDATE alembic_version SET version_num = '0003'",
)
"""Make a database one of schema 0003, which kept no semantic vectors."""

WITHOUT_ORIGINS = (
    *WITHOUT_SEMANTICS[:-1],
    "ALTER TABLE generation DROP COLUMN origin",
    "ALTER TABLE prototype DROP COLUMN part",
    "UPDATE alembic_version SET version_num = '0002'",
)
"""Make a database one of schema 0002, in which everything was drawn from captions."""

WITHOUT_CHECKSUMS = (
    "ALTER TABLE prototype DROP COLUMN vectors_digest",
    "ALTER TABLE prototype DROP COLUMN record_digest",
    *WITHOUT_ORIGINS[:-1],
    "UPDATE alembic_version SET version_num = '0001'",
)
"""Make a database one of schema 0001, which kept no checksums."""
