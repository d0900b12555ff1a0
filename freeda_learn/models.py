"""The networks that learning needs: no generator, no noun extractor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from freeda_models.presets import Preset
from freeda_models.protocols import DenseBackbone, TextEncoder, TextImageEncoder
from freeda_store.bank import Bank


class Networks(Protocol):
    """The networks, loaded or to be loaded; ``keys`` may be ``clip`` itself."""

    @property
    def backbone(self) -> DenseBackbone:
        """Pictures to patch features."""

    @property
    def clip(self) -> TextImageEncoder:
        """Judges masked crops."""

    @property
    def keys(self) -> TextEncoder:
        """Names to text keys."""


@dataclass(frozen=True)
class LearnModels:
    """Networks.

    Attributes:
        backbone: pictures to patch features.
        clip: judges masked crops.
        keys: names to text keys; may be ``clip`` itself.
    """

    backbone: DenseBackbone
    clip: TextImageEncoder
    keys: TextEncoder

    @classmethod
    def load(cls, preset: Preset, device: str = "auto") -> LearnModels:
        """Those of a preset.

        Raises:
            ModelError: one cannot be loaded; see :mod:`freeda_models.loading`.
        """
        from freeda_models.loading import load_backbone, load_key_encoder, load_text_image_encoder

        clip = load_text_image_encoder(preset, device)
        return cls(load_backbone(preset, device), clip, load_key_encoder(preset, device, clip))

    def require_bank(self, bank: Bank) -> None:
        """Refuse a bank of other models.

        Raises:
            ManifestMismatchError: names the first that is another.
        """
        identities = {"clip": self.clip.identity, "backbone": self.backbone.identity}
        bank.check_models({**identities, "keys": self.keys.identity})


def check_preset_models(bank: Bank, preset: Preset, networks: Networks) -> None:
    """Refuse a bank of other models than a preset's; only what is not on this machine yet is loaded.

    Raises:
        ManifestMismatchError: names the first that is another.
    """
    from freeda_models.identity import identify

    known = identify(preset)
    found = {"clip": known.clip, "backbone": known.backbone, "keys": known.keys}
    bank.check_models(
        {role: each if each.dim else getattr(networks, role).identity for role, each in found.items()}
    )
