"""Networks that answer at once, for what is not about networks: numbers drawn from the request's seed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from freeda_ingest.executors.local import LocalExecutor
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
from freeda_store import Bank

SIDE, LATENT, GRID = 64, 16, 8
TEXT_DIM, VISUAL_DIM = 64, 96


def _identity(role: str, dim: int) -> ModelIdentity:
    return ModelIdentity(f"simulated-{role}", "1", role.encode().hex(), dim, "")


class _Nouns:
    identity = _identity("nouns", 0)

    def extract(self, captions: Sequence[str]) -> list[tuple[Noun, ...]]:
        return [
            tuple(
                Noun(word[1], word.span(1), NounKind.NOUN) for word in re.finditer(r"\ba ([a-z]+)", caption)
            )
            for caption in captions
        ]

    def refusal(self, caption: str) -> str:
        return ""


class _Generator:
    identity = _identity("generator", 0)

    def generate(self, requests: Sequence[GenerationRequest]) -> list[GeneratedImage]:
        pictures = []
        for request in requests:
            rng = np.random.default_rng(request.seed)
            image = rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
            maps = rng.random((len(request.spans), LATENT, LATENT), dtype=np.float32)
            pictures.append(GeneratedImage(image, maps, np.ones(len(request.spans), dtype=np.bool_)))
        return pictures


class _Backbone:
    identity = _identity("backbone", VISUAL_DIM)
    grid_hw = (GRID, GRID)

    def encode(self, images_bhwc: ImageArray) -> FloatArray:
        rng = np.random.default_rng(int(images_bhwc[0, 0, 0, 0]))
        return rng.random((len(images_bhwc), GRID, GRID, VISUAL_DIM), dtype=np.float32)


class _Clip:
    identity = _identity("clip", TEXT_DIM)

    def encode_texts(self, texts: Sequence[str]) -> FloatArray:
        return _unit(len(texts), len(texts[0]) if texts else 0)

    def encode_texts_raw(self, texts: Sequence[str]) -> FloatArray:
        return self.encode_texts(texts)

    def encode_spans(self, texts: Sequence[str], spans: Sequence[Span]) -> FloatArray:
        return _unit(len(spans), spans[0][0] if spans else 0)

    def encode_images(self, images_bhwc: ImageArray) -> FloatArray:
        return _unit(len(images_bhwc), int(images_bhwc[0, 0, 0, 0]))


def _unit(rows: int, seed: int) -> FloatArray:
    vectors = np.random.default_rng(seed).standard_normal((rows, TEXT_DIM)).astype(np.float32)
    unit: FloatArray = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


def simulated_executor() -> LocalExecutor:
    """The local executor over simulated networks."""
    clip = _Clip()
    return LocalExecutor(LoadedModels(_Nouns(), _Generator(), _Backbone(), clip, clip))


def simulated_bank(folder: Path) -> Bank:
    """A new bank that fits them."""
    identities = PresetIdentities(
        clip=_Clip.identity,
        backbone=_Backbone.identity,
        generator=_Generator.identity,
        nouns=_Nouns.identity,
        keys=_Clip.identity,
    )
    return Bank.open(folder / "bank", create=make_manifest("simulated", identities, DEFAULT_SETTINGS))
