from .errors import DeviceError, ModelError, ModelMissingError, PresetError, UnsupportedModelError
from .loading import (
    load_backbone,
    load_generator,
    load_key_encoder,
    load_mask_proposer,
    load_noun_extractor,
    load_text_image_encoder,
)
from .presets import Preset, load_preset
from .protocols import (
    DenseBackbone,
    ImageGenerator,
    MaskProposals,
    MaskProposer,
    ModelIdentity,
    NounExtractor,
    TextEncoder,
    TextImageEncoder,
)

__all__ = [
    "DenseBackbone",
    "DeviceError",
    "ImageGenerator",
    "MaskProposals",
    "MaskProposer",
    "ModelError",
    "ModelIdentity",
    "ModelMissingError",
    "NounExtractor",
    "Preset",
    "PresetError",
    "TextEncoder",
    "TextImageEncoder",
    "UnsupportedModelError",
    "load_backbone",
    "load_generator",
    "load_key_encoder",
    "load_mask_proposer",
    "load_noun_extractor",
    "load_preset",
    "load_text_image_encoder",
]
