"""Where CLIP's weights and settings lie, and its identity. No networks.

A preset names CLIP in one of three ways: a folder or hub repository in open_clip's layout
(``tiny:clip``, ``local-dir:PATH``, ``hf-hub:owner/name``), or an open_clip name with a tag, whose
safetensors file in the hub is looked up in open_clip's table. Tags that exist only as pickles are
refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, model_validator

from freeda_errors.documents import Excerpt
from freeda_models.documents import Size
from freeda_models.errors import PresetError, UnsupportedModelError
from freeda_models.pixels import CLIP_MEAN, CLIP_STD, PixelPreparation, Resize
from freeda_models.presets import ClipSettings
from freeda_models.protocols import ModelIdentity
from freeda_models.weights import (
    BUNDLED_PREFIX,
    HUB_PREFIX,
    LOCAL_PREFIX,
    ModelSource,
    file_sha256,
    model_source,
    read_config,
)

CONFIG_FILE = "open_clip_config.json"
WEIGHTS_FILE = "open_clip_model.safetensors"
TOKENIZER_PATTERNS = ("tokenizer*", "vocab*", "merges*", "special_tokens_map.json")


@dataclass(frozen=True)
class ClipFiles:
    """A CLIP as a preset names it.

    Attributes:
        source: where its files are.
        weights_file: the safetensors file in that source.
        is_folder: True for open_clip's folder layout; False for an open_clip name with a tag.
    """

    source: ModelSource
    weights_file: str
    is_folder: bool

    @property
    def required(self) -> tuple[str, ...]:
        """Files without which the model does not load."""
        return (CONFIG_FILE, self.weights_file) if self.is_folder else (self.weights_file,)

    @property
    def patterns(self) -> tuple[str, ...]:
        """Globs of everything else to fetch."""
        return TOKENIZER_PATTERNS if self.is_folder else ()


def clip_files(settings: ClipSettings) -> ClipFiles:
    """Find out where a preset's CLIP comes from.

    Raises:
        PresetError: an unknown open_clip name or tag.
        UnsupportedModelError: the tag's weights are not in the hub, so only a pickle exists.
        ModelMissingError: a folder is named that does not exist.
    """
    if settings.model.startswith((BUNDLED_PREFIX, LOCAL_PREFIX, HUB_PREFIX)):
        return ClipFiles(model_source(settings.model, settings.revision), WEIGHTS_FILE, is_folder=True)
    table = _tag_settings(settings)
    repository, _, file = str(table.get("hf_hub", "")).rpartition("/")
    if not repository:
        raise UnsupportedModelError(
            f"open_clip has no safetensors weights for {settings.model} '{settings.pretrained}'; "
            "choose a tag that is in the hub."
        )
    pickled = file and file != "open_clip_pytorch_model.bin"
    weights = f"{Path(file).stem}.safetensors" if pickled else WEIGHTS_FILE
    return ClipFiles(model_source(repository, settings.revision), weights, is_folder=False)


def _tag_settings(settings: ClipSettings) -> dict[str, Any]:
    import open_clip

    if open_clip.get_model_config(settings.model) is None:
        raise PresetError(
            f"open_clip knows no model '{settings.model}'; see open_clip.list_models(), or give "
            "'local-dir:PATH' or 'hf-hub:owner/name'."
        )
    table: dict[str, Any] = open_clip.get_pretrained_cfg(settings.model, settings.pretrained)
    if not table:
        tags = ", ".join(open_clip.list_pretrained_tags_by_model(settings.model)) or "none"
        raise PresetError(
            f"open_clip has no weights '{settings.pretrained}' for {settings.model}; it has: {tags}."
        )
    if bool(table.get("quick_gelu")) != bool(open_clip.get_model_config(settings.model).get("quick_gelu")):
        raise PresetError(
            f"'{settings.pretrained}' was trained with another activation than {settings.model}; "
            "add or remove '-quickgelu' in the model's name."
        )
    return table


_Deviation = Annotated[float, Field(gt=0)]


class _Vision(Excerpt):
    image_size: Size | Annotated[tuple[Size, Size], Field(strict=False)] = 224


class _Words(Excerpt):
    context_length: Size = 77


class _Model(Excerpt):
    embed_dim: Size
    vision_cfg: _Vision
    text_cfg: _Words


class _Pixels(Excerpt):
    mean: Annotated[tuple[float, float, float], Field(strict=False)] = CLIP_MEAN
    std: Annotated[tuple[_Deviation, _Deviation, _Deviation], Field(strict=False)] = CLIP_STD


class _Declared(Excerpt):
    """A CLIP's own file. Older ones hold the model at their top."""

    model_cfg: _Model
    preprocess_cfg: _Pixels = _Pixels()

    @model_validator(mode="before")
    @classmethod
    def _at_the_top(cls, values: Any) -> Any:
        return {"model_cfg": values} if isinstance(values, dict) and "model_cfg" not in values else values


@dataclass(frozen=True)
class ClipConfig:
    """What identity and loading need of a CLIP's configuration."""

    dim: int
    window: int
    pixels: PixelPreparation


def clip_config(settings: ClipSettings, files: ClipFiles) -> ClipConfig | None:
    """The configuration, or None if it is in the hub and not on this machine yet.

    Raises:
        UnsupportedModelError: its file is broken.
    """
    if files.is_folder:
        path = files.source.find(CONFIG_FILE)
        if path is None:
            return None
        declared = read_config(path, _Declared)
    else:
        import open_clip

        model = _Model.model_validate(open_clip.get_model_config(settings.model))
        declared = _Declared(model_cfg=model, preprocess_cfg=_Pixels.model_validate(_tag_settings(settings)))
    model, preparation = declared.model_cfg, declared.preprocess_cfg
    size = model.vision_cfg.image_size
    pixels = PixelPreparation(
        size=size if isinstance(size, int) else size[0],
        mean=preparation.mean,
        std=preparation.std,
        resize=Resize(settings.resize),
    )
    return ClipConfig(model.embed_dim, model.text_cfg.context_length, pixels)


def clip_identity(settings: ClipSettings) -> ModelIdentity:
    """Identity of a preset's CLIP, without loading it."""
    files = clip_files(settings)
    config = clip_config(settings, files)
    name = files.source.name if files.is_folder else f"{settings.model} {settings.pretrained}"
    return ModelIdentity(
        id=name,
        revision=files.source.revision,
        sha256=file_sha256(files.source.find(files.weights_file)),
        dim=config.dim if config else 0,
        preprocessing=f"{config.pixels} {config.window} tokens" if config else "",
    )
