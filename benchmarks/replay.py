"""The tiny world's pictures, maps and features, made once and replayed from a folder.

Drawing takes nearly all of an ingestion's time, and does not depend on thresholds, keys or gates.
These models answer from ``.npz`` files where the very same question was asked before, so that a
bank with other settings takes seconds.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from freeda_ingest.models import LoadedModels
from freeda_models.diffusion.files import generator_identity
from freeda_models.diffusion.generator import DiffusionGenerator, load_pipeline
from freeda_models.diffusion.self_attention import SelfAttentionRecorder, self_attention_layers, sharpen
from freeda_models.identity import CLIP_KEYS
from freeda_models.loading import (
    load_backbone,
    load_key_encoder,
    load_noun_extractor,
    load_text_image_encoder,
)
from freeda_models.presets import Preset
from freeda_models.protocols import (
    DenseBackbone,
    FloatArray,
    GeneratedImage,
    GenerationRequest,
    ImageArray,
    ModelIdentity,
    Span,
    TextEncoder,
    TextImageEncoder,
)

Arrays = dict[str, NDArray[Any]]


class Memory:
    """Arrays by question, one ``.npz`` file each; a file is whole or not there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def recall(self, question: bytes, answer: Callable[[], Arrays]) -> Arrays:
        """What was answered before, else the answer, which is kept."""
        path = self._folder / f"{hashlib.sha256(question).hexdigest()[:32]}.npz"
        if not path.exists():
            arrays = answer()
            partial = path.with_suffix(f".{os.getpid()}.tmp")
            with partial.open("wb") as file:
                np.savez(file, allow_pickle=False, **arrays)
            partial.replace(path)
        with np.load(path, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}


class ReplayedGenerator:
    """An ``ImageGenerator`` that keeps pictures, unsharpened maps and self-attention.

    Sharpening is applied on replay, by the function that the generator itself uses.
    """

    def __init__(self, preset: Preset, memory: Memory) -> None:
        self._settings, self._memory = preset.generator, memory
        self._plain = self._settings.model_copy(update={"sharpen_power": 0})

    @property
    def identity(self) -> ModelIdentity:
        """Which model this is, its sharpening included."""
        return generator_identity(self._settings)

    def generate(self, requests: Sequence[GenerationRequest]) -> list[GeneratedImage]:
        """Draw a batch, or recall what was drawn when the same batch was first asked for."""
        question = repr((generator_identity(self._plain), tuple(requests))).encode()
        known = self._memory.recall(question, lambda: self._draw(requests))
        stops = np.cumsum([len(request.spans) for request in requests])[:-1]
        maps, inside = np.split(known["maps"], stops), np.split(known["inside"], stops)
        power = self._settings.sharpen_power
        if power:
            places = known[f"places_{self._settings.sharpen_side}"]
            maps = [sharpen(some, place, power) for some, place in zip(maps, places, strict=True)]
        return [GeneratedImage(*one) for one in zip(known["images"], maps, inside, strict=True)]

    @cached_property
    def _drawing(self) -> tuple[DiffusionGenerator, dict[int, SelfAttentionRecorder]]:
        pipeline = load_pipeline(self._plain, "cpu")
        latent = self._plain.image_size // pipeline.vae_scale_factor
        sides = self_attention_layers(pipeline.unet, latent)
        recorders = {side: SelfAttentionRecorder(pipeline.unet, latent, side) for side in sides}
        return DiffusionGenerator(pipeline, self._plain, generator_identity(self._plain)), recorders

    def _draw(self, requests: Sequence[GenerationRequest]) -> Arrays:
        generator, recorders = self._drawing
        with ExitStack() as listening:
            for recorder in recorders.values():
                listening.enter_context(recorder.record(len(requests)))
            pictures = generator.generate(requests)
            places = {f"places_{side}": recorder.attention() for side, recorder in recorders.items()}
        flaws = [picture.flaw for picture in pictures if picture.flaw]
        if flaws:
            raise ValueError(f"the generator drew {flaws[0]}; nothing can be measured with such pictures.")
        return {
            "images": np.stack([picture.image_hwc for picture in pictures]),
            "maps": np.concatenate([picture.attribution_shw for picture in pictures]),
            "inside": np.concatenate([picture.inside_window for picture in pictures]),
            **places,
        }


class ReplayedBackbone:
    """A ``DenseBackbone`` that keeps features."""

    def __init__(self, backbone: DenseBackbone, memory: Memory) -> None:
        self._backbone, self._memory = backbone, memory

    @property
    def identity(self) -> ModelIdentity:
        """Which model this is."""
        return self._backbone.identity

    @property
    def grid_hw(self) -> tuple[int, int]:
        """Rows and columns of tokens of one picture."""
        return self._backbone.grid_hw

    def encode(self, images_bhwc: ImageArray) -> FloatArray:
        """Patch features, computed or recalled."""
        question = repr((self.identity, images_bhwc.shape)).encode() + images_bhwc.tobytes()
        found = self._memory.recall(question, lambda: {"features": self._backbone.encode(images_bhwc)})
        features: FloatArray = found["features"]
        return features


class RememberedTexts:
    """A ``TextEncoder`` that embeds each text and span once; captions share most of theirs."""

    def __init__(self, encoder: TextEncoder) -> None:
        self._encoder = encoder
        self._texts: dict[str, FloatArray] = {}
        self._spans: dict[tuple[str, Span], FloatArray] = {}

    @property
    def identity(self) -> ModelIdentity:
        """Which model this is."""
        return self._encoder.identity

    def encode_texts(self, texts: Sequence[str]) -> FloatArray:
        """Embed texts that are new, recall the others: float32 (N, D), L2-normalised rows."""
        new = [text for text in dict.fromkeys(texts) if text not in self._texts]
        self._texts.update(zip(new, self._encoder.encode_texts(new), strict=True))
        return self._stacked([self._texts[text] for text in texts])

    def encode_texts_raw(self, texts: Sequence[str]) -> FloatArray:
        """As the encoder does; not remembered."""
        return self._encoder.encode_texts_raw(texts)

    def encode_spans(self, texts: Sequence[str], spans: Sequence[Span]) -> FloatArray:
        """Embed spans that are new, recall the others: float32 (N, D), L2-normalised rows."""
        pairs = list(zip(texts, spans, strict=True))
        new = [pair for pair in dict.fromkeys(pairs) if pair not in self._spans]
        rows = self._encoder.encode_spans([text for text, _ in new], [span for _, span in new])
        self._spans.update(zip(new, rows, strict=True))
        return self._stacked([self._spans[pair] for pair in pairs])

    def _stacked(self, rows: Sequence[FloatArray]) -> FloatArray:
        return np.stack(rows) if rows else np.zeros((0, self.identity.dim), dtype=np.float32)


class RememberedClip(RememberedTexts):
    """A ``TextImageEncoder`` that embeds each text once, and pictures as they come."""

    def __init__(self, encoder: TextImageEncoder) -> None:
        super().__init__(encoder)
        self._clip = encoder

    def encode_images(self, images_bhwc: ImageArray) -> FloatArray:
        """Embed pictures: uint8 (B, H, W, 3) RGB to float32 (B, D), L2-normalised rows."""
        return self._clip.encode_images(images_bhwc)


class ReplayedWorld:
    """The models of presets that differ from one in settings and keys alone, each loaded once.

    Args:
        preset: names the networks.
        folder: where answers are kept.
    """

    def __init__(self, preset: Preset, folder: Path) -> None:
        self._preset, self._memory = preset, Memory(folder)
        self._keys: dict[str, TextEncoder] = {}

    @cached_property
    def clip(self) -> TextImageEncoder:
        """Global similarity; makes the keys too where the preset says so."""
        return RememberedClip(load_text_image_encoder(self._preset, "cpu"))

    @cached_property
    def plain_backbone(self) -> DenseBackbone:
        """Computes every time; for scenes, which are encoded only once."""
        return load_backbone(self._preset, "cpu")

    @cached_property
    def _backbone(self) -> ReplayedBackbone:
        return ReplayedBackbone(self.plain_backbone, self._memory)

    @cached_property
    def _nouns(self) -> Any:
        return load_noun_extractor(self._preset)

    @cached_property
    def _generators(self) -> dict[tuple[int, int], ReplayedGenerator]:
        return {}

    def keys(self, preset: Preset) -> TextEncoder:
        """The key encoder that a preset names."""
        name = preset.keys.encoder
        if name == CLIP_KEYS:
            return self.clip
        if name not in self._keys:
            self._keys[name] = RememberedTexts(load_key_encoder(preset, "cpu"))
        return self._keys[name]

    def models(self, preset: Preset) -> LoadedModels:
        """What ingestion needs for a preset."""
        sharpening = (preset.generator.sharpen_power, preset.generator.sharpen_side)
        generator = self._generators.setdefault(sharpening, ReplayedGenerator(preset, self._memory))
        return LoadedModels(self._nouns, generator, self._backbone, self.clip, self.keys(preset))
