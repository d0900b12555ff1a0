"""The networks that learning needs: no generator, no noun extractor."""

from __future__ import annotations

from dataclasses import dataclass

from freeda_models.presets import Preset
from freeda_models.protocols import DenseBackbone, TextEncoder, TextImageEncoder
from freeda_store.bank import Bank


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
