"""Which files a network of mask proposals must hold, and its identity. No networks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from pydantic import Field

from freeda_errors.documents import Excerpt
from freeda_models.documents import Size
from freeda_models.errors import UnsupportedModelError
from freeda_models.presets import RegionNetworkSettings
from freeda_models.protocols import ModelIdentity
from freeda_models.weights import (
    ModelSource,
    file_sha256,
    model_source,
    read_config,
    read_shapes,
)

CONFIG_FILE, WEIGHTS_FILE = "config.json", "model.safetensors"
REGION_FILES = (CONFIG_FILE, WEIGHTS_FILE)


@dataclass(frozen=True)
class Family:
    """The models that one adapter loads.

    Attributes:
        classes: names in transformers of the network, by a model's type.
        tensor: one that every model of the family has, with its number of dimensions.
    """

    classes: Mapping[str, str]
    tensor: tuple[str, int]


FAMILIES: Mapping[str, Family] = MappingProxyType(
    {
        "sam2": Family(
            {"sam2": "Sam2Model", "sam2_video": "Sam2Model"}, ("mask_decoder.mask_tokens.weight", 2)
        ),
        "edgetam": Family(
            {"edgetam": "EdgeTamModel", "edgetam_video": "EdgeTamModel"},
            ("mask_decoder.mask_tokens.weight", 2),
        ),
        "eomt": Family(
            {
                "eomt": "EomtForUniversalSegmentation",
                "eomt_dinov3": "EomtDinov3ForUniversalSegmentation",
            },
            ("class_predictor.weight", 2),
        ),
    }
)
"""What is loaded by the name of a region network; hubs hold SAM 2 and EdgeTAM as their video models."""


class _PromptEncoder(Excerpt):
    image_size: Size = 1024


class RegionConfig(Excerpt):
    """What is needed of a network's configuration."""

    model_type: str = ""
    image_size: Size = 640
    prompt_encoder_config: _PromptEncoder = Field(default=_PromptEncoder())

    @property
    def side(self) -> int:
        """Side of the square that the network sees, in pixels."""
        return (
            self.image_size if self.model_type.startswith("eomt") else self.prompt_encoder_config.image_size
        )


def region_source(settings: RegionNetworkSettings) -> ModelSource:
    """Where the network's files lie."""
    return model_source(settings.model, settings.revision)


def region_config(name: str, source: ModelSource, folder: Path) -> RegionConfig:
    """The configuration in a folder.

    Raises:
        UnsupportedModelError: it is broken, or that of another kind of model.
    """
    config = read_config(folder / CONFIG_FILE, RegionConfig)
    known = FAMILIES[name].classes
    if config.model_type not in known:
        raise UnsupportedModelError(
            f"{source.name} is a model of type '{config.model_type[:40]}'; for regions by {name} it must be "
            f"one of {', '.join(known)}."
        )
    return config


def check_region_files(name: str, settings: RegionNetworkSettings, folder: Path) -> None:
    """Look whether the files in a folder are those of such a network.

    Raises:
        UnsupportedModelError: they are broken, or of another kind of model.
    """
    region_config(name, region_source(settings), folder)
    tensor, dimensions = FAMILIES[name].tensor
    if len(read_shapes(folder / WEIGHTS_FILE).get(tensor, ())) != dimensions:
        raise UnsupportedModelError(
            f"{folder / WEIGHTS_FILE} has no tensor '{tensor}' as {name} has; fetch the model again, or name "
            "another in the preset."
        )


def region_identity(name: str, settings: RegionNetworkSettings) -> ModelIdentity:
    """Identity of a preset's network, without loading it.

    Raises:
        UnsupportedModelError: its configuration is broken.
    """
    source = region_source(settings)
    path = source.find(CONFIG_FILE)
    side = region_config(name, source, path.parent).side if path else 0
    return ModelIdentity(
        id=source.name,
        revision=source.revision,
        sha256=file_sha256(source.find(WEIGHTS_FILE)),
        dim=0,
        preprocessing=f"{side}px bilinear imagenet" if side else "",
    )
