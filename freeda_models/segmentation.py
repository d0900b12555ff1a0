"""Every setting of segmentation, once: its name, meaning, range and default, and where it may be said.

From these classes follow the table ``[segment]`` of a preset (:mod:`freeda_models.presets`), its page in the
documentation, the settings that a segmenter works with (``freeda_segment.settings``), what results say of
their provenance, and the options of ``freeda segment``, ``explain`` and ``evaluate``. A setting that is a
number or a name is added to :class:`PlainSettings` and nowhere else. Nothing heavy is imported, for the
command line reads this before it starts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import Enum
from functools import cache
from types import MappingProxyType, NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints

Templates = Literal["openai_subset", "openai_subset_raw", "imagenet80", "single", "none"]
"""Sets of prompts, by name: :data:`freeda_models.text.keys.TEMPLATE_SETS`."""

_PIXELS = {"least": 1, "most": 16384}
_HOW_MANY = {"least": 1, "most": 1_000_000}
_ABOUT = "about"


class Stage(Enum):
    """What a setting shapes: its value is the heading over its options."""

    PICTURE = "The picture and its regions"
    PROTOTYPES = "The prototypes of a class"
    NEIGHBOURS = "The neighbours of a region"
    LABELS = "From scores to labels"
    WORK = "Work"
    """No result, only how it is computed."""


@dataclass(frozen=True)
class Option:
    """How a setting is given on the command line.

    Attributes:
        flag: ``--`` and the setting's name when empty.
        metavar: by the setting's type when empty.
        default: what holds when it is not given; by the setting's default when empty.
        meaning: where a command takes it in another form than a preset.
        hint: what is to be said on the command line only.
    """

    flag: str = ""
    metavar: str = ""
    default: str = ""
    meaning: str = ""
    hint: str = ""


@dataclass(frozen=True)
class About:
    """What is known of a setting beside its name, type and default.

    Attributes:
        meaning: a phrase without a full stop.
        stage: what it shapes.
        more: whole sentences that belong to the meaning.
        kind: what its values are called in messages.
        least, most: the range of a number, both included; None for none.
        choices: the names it can be; empty for what is no name.
        option: None when it is not given on the command line.
    """

    meaning: str
    stage: Stage
    more: str = ""
    kind: str = ""
    least: float | None = None
    most: float | None = None
    choices: tuple[str, ...] = ()
    option: Option | None = None

    @property
    def description(self) -> str:
        """Meaning and more, as sentences."""
        return f"{self.meaning}. {self.more}".rstrip()


def _setting(default: Any, meaning: str, stage: Stage, **about: Any) -> Any:
    made = {"default_factory": default} if callable(default) else {"default": default}
    return field(**made, metadata={_ABOUT: {"meaning": meaning, "stage": stage, **about}})


@dataclass(frozen=True)
class PlainSettings:
    """The settings that are numbers and names, the same in a preset and in a segmenter."""

    shorter_side: int = _setting(
        448, "Shorter side of the working picture, in pixels", Stage.PICTURE, **_PIXELS
    )
    longest_side: int = _setting(
        2048, "What its longer side may be at most, in pixels", Stage.PICTURE, **_PIXELS
    )
    resize: Literal["antialiased", "plain"] = _setting(
        "antialiased",
        "Bilinear to the working picture; `plain`: without antialiasing, as the authors' code",
        Stage.PICTURE,
        kind="way to resize",
    )
    window: int = _setting(448, "Side of the sliding window, in pixels", Stage.PICTURE, **_PIXELS)
    stride: int = _setting(
        224, "From one window to the next, in pixels; at most `window`", Stage.PICTURE, **_PIXELS
    )
    merge_similarity: float | None = _setting(
        None,
        "Merge neighbouring superpixels whose backbone features are at least so similar (cosine)",
        Stage.PICTURE,
        more="Does not apply to proposed masks.",
        least=-1,
        most=1,
        option=Option(default="the preset's, else none are merged"),
    )
    k: int = _setting(
        350,
        "Prototypes retrieved per class name",
        Stage.PROTOTYPES,
        **_HOW_MANY,
        option=Option(flag="-k"),
    )
    similarity_threshold: float | None = _setting(
        None,
        "Leave out prototypes whose text key is less similar to the class",
        Stage.PROTOTYPES,
        more="The nearest always stays.",
        least=-1,
        most=1,
        option=Option(),
    )
    aggregation: Literal["mean", "weighted_mean", "kmeans_max", "kmeans_mean", "knn"] = _setting(
        "mean",
        "How a class's prototypes are combined",
        Stage.PROTOTYPES,
        more="`weighted_mean` weighs them by similarity; of the several means of `kmeans_max` and "
        "`kmeans_mean` the nearest or all count; with `knn` the nearest to a region vote.",
        option=Option(),
    )
    prototypes: int = _setting(
        4,
        "How many means a class name has at most, for kmeans",
        Stage.PROTOTYPES,
        **_HOW_MANY,
        option=Option(),
    )
    neighbours: int = _setting(
        15, "How many prototypes vote for a region, for knn", Stage.PROTOTYPES, **_HOW_MANY, option=Option()
    )
    templates: Templates | None = _setting(  # noqa: RUF009 - a field
        None,
        "Prompt templates of class names",
        Stage.PROTOTYPES,
        more="Those of `openai_subset_raw` are averaged before they are normalised, as the authors do.",
        kind="set of prompt templates",
        option=Option(default="the preset's, else the bank's"),
    )
    retrieval: Literal["classes", "regions", "both"] = _setting(
        "classes",
        "Where retrieval starts",
        Stage.NEIGHBOURS,
        more="`classes`: each class name finds its prototypes, and regions are compared with these; "
        "`regions`: each region finds the prototypes that look like it, and what these mean decides; `both` "
        "joins them.",
        kind="retrieval",
        option=Option(),
    )
    region_k: int = _setting(
        20, "Prototypes retrieved per region", Stage.NEIGHBOURS, **_HOW_MANY, option=Option()
    )
    region_values: Literal["semantic", "text", "noun"] = _setting(
        "semantic",
        "What the neighbours of a region bring",
        Stage.NEIGHBOURS,
        more="`semantic`: CLIP's view of their regions, or their text keys in a bank that keeps none; "
        "`text`: their text keys; `noun`: a vote each for the class nearest to their noun. Regions without a "
        "name take part with `semantic` alone.",
        kind="value of neighbours",
        option=Option(),
    )
    region_weight: float = _setting(
        0.5,
        "Weight of a region's neighbours against the classes' prototypes, where both are asked",
        Stage.NEIGHBOURS,
        least=0,
        most=1,
        option=Option(),
    )
    region_scale: float = _setting(
        40.0,
        "How sharply classes divide a region by what its neighbours bring: the factor before the softmax",
        Stage.NEIGHBOURS,
        least=0,
        most=1000,
        option=Option(),
    )
    majority_vote: Literal["masks", "regions", "none"] = _setting(
        "masks",
        "Where all pixels get the label that most of them have, once all else is done",
        Stage.LABELS,
        more="`masks`: in each mask that a network proposed or that was given, whose borders are then the "
        "label's; `regions`: in superpixels too.",
        kind="majority vote",
        option=Option(),
    )
    alpha: float = _setting(
        0.8,
        "Weight of the regions' similarity against the whole picture's",
        Stage.LABELS,
        least=0,
        most=1,
        option=Option(),
    )
    dense_weight: float = _setting(
        0.0,
        "Weight of what CLIP itself sees in a region against what the bank says of it",
        Stage.LABELS,
        more="CLIP's patches, mixed by what looks alike to the backbone, are compared with the classes' "
        "texts; 0 does not compute them. Needs a CLIP with a vision transformer.",
        least=0,
        most=1,
        option=Option(),
    )
    unsure: float | None = _setting(
        None,
        "Leave regions without a class whose confidence is below this",
        Stage.LABELS,
        more="Of labels with a confidence about 0.5 half are right.",
        least=0,
        most=1,
        option=Option(default="the preset's, else none is left out"),
    )
    batch_size: int = _setting(8, "Windows that the networks see together", Stage.WORK, least=1, most=4096)


@dataclass(frozen=True)
class PresetSettings(PlainSettings):
    """How pictures are segmented, where no option of the command says otherwise."""

    superpixels: Literal["felzenszwalb", "slic", "quickshift", "watershed", "none"] = _setting(
        "felzenszwalb",
        "How a window is divided into superpixels",
        Stage.PICTURE,
        option=Option(),
    )
    regions: Literal["superpixels", "sam2", "edgetam", "eomt"] = _setting(
        "superpixels",
        "What divides a picture into regions",
        Stage.PICTURE,
        more="The others are networks that propose masks, once per picture; what no mask covers is divided "
        "into superpixels. `eomt` was trained on COCO's masks.",
        option=Option(),
    )
    region_options: dict[str, float] = _setting(  # noqa: RUF009 - a field
        dict,
        "Options of that network, e.g. `{ points_per_side = 16 }`",
        Stage.PICTURE,
        option=Option(
            flag="--region-option",
            metavar="OPTION=NUMBER",
            default="the preset's",
            meaning="An option of the network that proposes regions, e.g. points_per_side=16",
        ),
    )
    superpixel_options: dict[str, float] = _setting(  # noqa: RUF009 - a field
        dict,
        "Options of that algorithm, e.g. `{ scale = 100.0 }`",
        Stage.PICTURE,
        option=Option(
            flag="--superpixel-option",
            metavar="OPTION=NUMBER",
            default="the preset's",
            meaning="An option of the superpixels, e.g. scale=200 or n_segments=300",
        ),
    )
    background: Literal["auto", "bank", "constant", "local", "winner", "none"] = _setting(
        "auto",
        "Which pixels belong to no class",
        Stage.LABELS,
        more="`bank`: those that look more like a noun of the bank that the list does not name than like any "
        "class; `auto`: so for lists of up to 32 classes; `none`: every pixel gets a class. The others leave "
        "out what lies below a threshold: `constant` the final score, `local` the highest similarity of the "
        "region, `winner` that of the winning class.",
        option=Option(metavar="STRATEGY"),
    )
    background_threshold: float = _setting(
        0.5,
        "The threshold of a background that has one",
        Stage.LABELS,
        more="0.5 is no similarity.",
        least=0,
        most=1,
        option=Option(),
    )
    refinement: Literal["none", "walk", "pamr"] = _setting(
        "none",
        "How borders are refined along the picture's colours",
        Stage.LABELS,
        more="`walk`: scores walk between superpixels of like colours, then pixels at borders are refined; "
        "`pamr`: PAMR as published, for every class and pixel, which is slow.",
        option=Option(),
    )
    where: tuple[str, ...] = _setting(
        (),
        "Use only prototypes that pass this filter",
        Stage.PROTOTYPES,
        option=Option(
            metavar="FILTER",
            default="the preset's: clip_agreement>=0.2 for tiny, none for photographs",
            hint="E.g. 'source=coco', 'contrast>=1.5', 'noun=car|bus'; several must all hold, and the "
            "preset's too. 'none' takes the preset's away.",
        ),
    )


@dataclass(frozen=True)
class CommandSettings(PresetSettings):
    """With what only a command says."""

    as_published: bool = _setting(
        False,
        "Start from the procedure of the paper's authors, not from the preset's",
        Stage.LABELS,
        more="No refinement, no background by the bank, no filter, K = 350, alpha = 0.8, pictures resized "
        "without antialiasing, prompts averaged before they are normalised. Sizes and superpixels stay, and "
        "other options still count.",
        option=Option(),
    )


@cache
def settings_of(kind: type[PlainSettings]) -> Mapping[str, About]:
    """What is known of each setting of a class, by its name, in the order of its fields."""
    hints = get_type_hints(kind)
    return MappingProxyType(
        {
            each.name: About(**each.metadata[_ABOUT], choices=_choices(hints[each.name]))
            for each in fields(kind)
            if _ABOUT in each.metadata
        }
    )


def names_at(stage: Stage) -> tuple[str, ...]:
    """The settings of a preset that shape one stage."""
    return tuple(name for name, about in settings_of(PresetSettings).items() if about.stage is stage)


def settings_fault(settings: PlainSettings) -> str:
    """What is wrong with plain settings, as a sentence; empty when nothing is."""
    for name, about in settings_of(PlainSettings).items():
        value = getattr(settings, name)
        called = about.kind or name.replace("_", " ")
        if value is None:
            continue
        if about.choices and value not in about.choices:
            return f"unknown {called} '{value}'; choose one of {', '.join(about.choices)}."
        if about.least is not None and about.most is not None and not about.least <= value <= about.most:
            wanted = f"a number from {about.least} to {about.most}"
            if isinstance(getattr(PlainSettings, name), int):
                wanted = f"a whole number of at least {about.least}, at most {about.most:,}"
            return f"{called} is {value}; expected {wanted}."
    return stride_fault(settings)


def stride_fault(settings: PlainSettings) -> str:
    """That windows leave pixels out between them; empty when they do not."""
    if settings.stride <= settings.window:
        return ""
    return (
        f"stride {settings.stride} is larger than window {settings.window}, which would skip pixels; "
        "make it at most as large."
    )


def _choices(hint: Any) -> tuple[str, ...]:
    """The names of a ``Literal``, also of one that may be None."""
    parts = [hint] if get_origin(hint) is Literal else get_args(hint)
    named = [part for part in parts if part is not NoneType and get_origin(part) is Literal]
    return get_args(named[0]) if named else ()
