"""Networks that answer at once, for what is not about networks: numbers drawn from the request's seed."""

from __future__ import annotations

import re
import time
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from typing_extensions import override

from freeda_ingest.executors.local import LocalExecutor
from freeda_ingest.manifests import make_manifest
from freeda_ingest.models import LoadedModels
from freeda_ingest.settings import DEFAULT_SETTINGS
from freeda_models.identity import PresetIdentities
from freeda_models.protocols import (
    DenseBackbone,
    FloatArray,
    GeneratedImage,
    GenerationRequest,
    ImageArray,
    ModelIdentity,
    Noun,
    NounKind,
    Span,
    TextImageEncoder,
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


def _unit(rows: int, seed: int, dim: int = TEXT_DIM) -> FloatArray:
    vectors = np.random.default_rng(seed).standard_normal((rows, dim)).astype(np.float32)
    unit: FloatArray = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


def simulated_executor() -> LocalExecutor:
    """The local executor over simulated networks."""
    clip = _Clip()
    return LocalExecutor(LoadedModels(_Nouns(), _Generator(), _Backbone(), clip, clip))


def simulated_bank(folder: Path) -> Bank:
    """A new bank that fits them."""
    return _new_bank(folder / "bank", "simulated", _Clip.identity, _Backbone.identity)


def _new_bank(folder: Path, preset: str, clip: ModelIdentity, backbone: ModelIdentity) -> Bank:
    identities = PresetIdentities(
        clip=clip,
        backbone=backbone,
        generator=_Generator.identity,
        nouns=_Nouns.identity,
        keys=clip,
    )
    return Bank.open(folder, create=make_manifest(preset, identities, DEFAULT_SETTINGS))


REAL_GRID, REAL_VISUAL_DIM, REAL_TEXT_DIM = 32, 1024, 768


class PacedBackbone(DenseBackbone):
    """Waits as long as a real network computes; its features follow the picture's colours, with noise."""

    identity = _identity("backbone", REAL_VISUAL_DIM)
    grid_hw = (REAL_GRID, REAL_GRID)

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        rng = np.random.default_rng(5)
        self._mix = rng.standard_normal((3, REAL_VISUAL_DIM), dtype=np.float32)
        self._noise = rng.standard_normal((*self.grid_hw, REAL_VISUAL_DIM), dtype=np.float32) * 0.3

    @override
    def encode(self, images_bhwc: ImageArray) -> FloatArray:
        started = time.perf_counter()
        rows, columns = (np.linspace(0, side - 1, REAL_GRID).astype(int) for side in images_bhwc.shape[1:3])
        colours = images_bhwc[:, rows][:, :, columns].astype(np.float32) / 255 - 0.5
        features: FloatArray = colours @ self._mix + self._noise
        _wait(started, self._seconds * len(images_bhwc))
        return features


class PacedClip(TextImageEncoder):
    """Waits for each crop; texts take no time, for there are few of them."""

    identity = _identity("clip", REAL_TEXT_DIM)

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    @override
    def encode_texts(self, texts: Sequence[str]) -> FloatArray:
        return np.concatenate([_unit(1, zlib.crc32(text.encode()), REAL_TEXT_DIM) for text in texts])

    @override
    def encode_texts_raw(self, texts: Sequence[str]) -> FloatArray:
        return self.encode_texts(texts)

    @override
    def encode_spans(self, texts: Sequence[str], spans: Sequence[Span]) -> FloatArray:
        return self.encode_texts(texts)

    @override
    def encode_images(self, images_bhwc: ImageArray) -> FloatArray:
        started = time.perf_counter()
        seen = _unit(len(images_bhwc), int(images_bhwc.sum(dtype=np.int64) % 2**31), REAL_TEXT_DIM)
        _wait(started, self._seconds * len(images_bhwc))
        return seen


def _wait(started: float, seconds: float) -> None:
    time.sleep(max(0.0, started + seconds - time.perf_counter()))


def learned_bank(folder: Path) -> Bank:
    """A new bank that fits the networks that wait."""
    return _new_bank(folder, "paced", PacedClip.identity, PacedBackbone.identity)
