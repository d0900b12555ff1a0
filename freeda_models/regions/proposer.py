"""From a preset's table to a network of mask proposals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from freeda_models.devices import compute_dtype
from freeda_models.foreign import blaming
from freeda_models.presets import RegionNetworkSettings
from freeda_models.protocols import MaskProposer
from freeda_models.quiet import quiet_loading
from freeda_models.regions.files import (
    CONFIG_FILE,
    FAMILIES,
    REGION_FILES,
    check_region_files,
    region_config,
    region_identity,
    region_source,
)
from freeda_models.regions.options import EomtOptions, RegionOptions
from freeda_models.regions.points import PointProposer
from freeda_models.regions.queries import QueryProposer

_IMAGE_PARTS = ("vision_config", "prompt_encoder_config", "mask_decoder_config")


def load_proposer(settings: RegionNetworkSettings, options: RegionOptions, device: str) -> MaskProposer:
    """Load a network from the user's folder or the hub; safetensors only.

    Raises:
        ModelMissingError: the weights are not here and cannot be fetched.
        UnsupportedModelError: the model is of another kind than the options, or its files are broken.
    """
    import transformers

    source = region_source(settings)
    folder = source.fetch(REGION_FILES)
    check_region_files(options.name, settings, folder)
    config = region_config(options.name, source, folder)
    kind = getattr(transformers, FAMILIES[options.name].classes[config.model_type])
    with blaming(source.name, "be loaded"), quiet_loading("transformers"):
        model = kind.from_pretrained(
            folder,
            config=_own_config(kind, folder),
            dtype=compute_dtype(device),
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=True,
        )
    model = model.to(device).eval()
    identity = region_identity(options.name, settings)
    if isinstance(options, EomtOptions):
        size = {"shortest_edge": config.side, "longest_edge": config.side}
        return QueryProposer(model, transformers.EomtImageProcessor(size=size), identity, options)
    size = {"height": config.side, "width": config.side}
    return PointProposer(model, transformers.Sam2ImageProcessor(size=size), identity, options)


def _own_config(kind: Any, folder: Path) -> Any:
    """The parts for pictures of a video model's configuration, which is what hubs hold; else None."""
    declared = json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8"))
    if not str(declared.get("model_type")).endswith("_video"):
        return None
    return kind.config_class(**{name: declared[name] for name in _IMAGE_PARTS if name in declared})
