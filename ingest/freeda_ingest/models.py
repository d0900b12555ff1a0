"""The networks of the offline stage, loaded or to be loaded."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from typing_extensions import override

if TYPE_CHECKING:
    from freeda_models.presets import Preset
    from freeda_models.protocols import (
        DenseBackbone,
        ImageGenerator,
        NounExtractor,
        TextEncoder,
        TextImageEncoder,
    )


class IngestModels(Protocol):
    """What the stages ask for; ``keys`` may be ``clip`` itself."""

    @property
    def device(self) -> str:
        """What they compute on: ``cpu``, ``cuda``, ``cuda:1`` or ``mps``."""

    @property
    def nouns(self) -> NounExtractor:
        """Captions to nouns."""

    @property
    def generator(self) -> ImageGenerator:
        """Captions to pictures with attribution maps."""

    @property
    def backbone(self) -> DenseBackbone:
        """Pictures to patch features."""

    @property
    def clip(self) -> TextImageEncoder:
        """Judges masked crops."""

    @property
    def keys(self) -> TextEncoder:
        """Nouns to text keys."""


@dataclass(frozen=True)
class LoadedModels:
    """Networks that are there already."""

    nouns: NounExtractor
    generator: ImageGenerator
    backbone: DenseBackbone
    clip: TextImageEncoder
    keys: TextEncoder
    device: str = "cpu"


class PresetModels(IngestModels):
    """The networks of a preset, each loaded when first asked for.

    A run that finds everything done loads none. What is asked for the first time raises what its
    function in :mod:`freeda_models.loading` raises: ``DeviceError``, ``ModelMissingError``,
    ``PackageMissingError``, ``PresetError`` or ``UnsupportedModelError``.

    Args:
        preset: names the models.
        device: as :func:`freeda_models.loading.resolve_device` takes it; looked at when first needed.
    """

    def __init__(self, preset: Preset, device: str) -> None:
        self._preset = preset
        self._requested = device

    @cached_property
    @override
    def device(self) -> str:
        """The device asked for, or the best one here."""
        from freeda_models.loading import resolve_device

        return resolve_device(self._requested)

    @cached_property
    @override
    def nouns(self) -> NounExtractor:
        from freeda_models.loading import load_noun_extractor

        return load_noun_extractor(self._preset)

    @cached_property
    @override
    def generator(self) -> ImageGenerator:
        from freeda_models.loading import load_generator

        return load_generator(self._preset, self.device)

    @cached_property
    @override
    def backbone(self) -> DenseBackbone:
        from freeda_models.loading import load_backbone

        return load_backbone(self._preset, self.device)

    @cached_property
    @override
    def clip(self) -> TextImageEncoder:
        from freeda_models.loading import load_text_image_encoder

        return load_text_image_encoder(self._preset, self.device)

    @cached_property
    @override
    def keys(self) -> TextEncoder:
        """Nouns to text keys; CLIP itself when the preset says so."""
        from freeda_models.loading import load_key_encoder

        clip = self.clip if self._preset.keys.encoder == "clip" else None
        return load_key_encoder(self._preset, self.device, clip)

    def load_all(self) -> None:
        """Load every network now; a hub model that is not on this machine yet is fetched."""
        drawing = () if self._preset.generator is None else ("generator",)
        for role in ("nouns", *drawing, "backbone", "clip", "keys"):
            getattr(self, role)
