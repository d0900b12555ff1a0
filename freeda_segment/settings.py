"""Settings of the online stage as a segmenter holds them, made from a preset's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from freeda_models.regions.options import RegionOptions, region_options
from freeda_models.segmentation import (
    PlainSettings,
    PresetSettings,
    Stage,
    names_at,
    settings_fault,
    settings_of,
)
from freeda_segment.errors import OptionError
from freeda_segment.pixels.background import Background, BackgroundStrategy
from freeda_segment.pixels.refinement import Refinement, parse_refinement
from freeda_segment.regions.providers import SUPERPIXELS
from freeda_segment.regions.superpixels import Felzenszwalb, Superpixels, parse_superpixels
from freeda_store import Filter, parse_filter
from freeda_store.errors import FilterError

ENCODING = tuple(
    name for name in names_at(Stage.PICTURE) if name not in ("superpixel_options", "region_options")
)
"""Settings that shape an encoded picture."""

RETRIEVAL = names_at(Stage.PROTOTYPES)
"""Settings that shape the prototypes of classes."""

NO_BACKGROUND = "none"
"""What a preset or an option says for every pixel to get a class."""

_PLAIN = tuple(settings_of(PlainSettings))


@dataclass(frozen=True)
class OwnRegions:
    """Regions by a provider that was handed in; nothing is known of it but its name."""

    name: str


@dataclass(frozen=True)
class SegmentSettings(PlainSettings):
    """How pictures are segmented. ``dataclasses.replace`` makes a changed copy.

    Numbers and names are those of a preset's table ``[segment]``, with the meanings, ranges and defaults that
    :class:`freeda_models.segmentation.PlainSettings` gives them. What a preset writes as text is an object
    here:

    Attributes:
        superpixels: algorithm and options.
        regions: the network that proposes regions, with its options, or one's own provider by its name; None
            divides each window into superpixels.
        where: which prototypes may be retrieved.
        background: how pixels of no class are found; None gives every pixel one.
        refinement: how borders are refined; None for not at all.

    Raises:
        OptionError: a value outside its range.
    """

    superpixels: Superpixels = field(default_factory=Felzenszwalb)
    regions: RegionOptions | OwnRegions | None = None
    where: Filter = Filter()  # noqa: RUF009 - frozen
    background: Background | None = Background(BackgroundStrategy.AUTO)  # noqa: RUF009 - frozen
    refinement: Refinement | None = None

    def __post_init__(self) -> None:
        if fault := settings_fault(self):
            raise OptionError(fault)

    def check_made_with(self, others: SegmentSettings | None, names: Sequence[str], what: str) -> None:
        """Refuse what was made with other settings than these, which a result would name wrongly.

        Args:
            others: it was made with; None when nobody knows.
            names: those of the settings that shape it.
            what: it is, and how it is made anew, for the message.

        Raises:
            OptionError: names the first setting that differs.
        """
        for name in names if others is not None else ():
            given, own = getattr(others, name), getattr(self, name)
            if given != own:
                raise OptionError(
                    f"{what} was made with {name} = {given}, this segmenter has {own}; make it anew."
                )

    @classmethod
    def of(cls, defaults: PresetSettings) -> SegmentSettings:
        """The settings that a preset declares.

        Raises:
            OptionError: the preset's superpixel or region options do not fit, or its filter cannot be read.
        """
        try:
            superpixels = parse_superpixels(defaults.superpixels, defaults.superpixel_options)
            regions = parse_regions(defaults.regions, defaults.region_options)
            where = parse_filter(defaults.where)
        except (OptionError, FilterError) as error:
            raise OptionError(f"the preset's table [segment] is wrong: {error}") from error
        background = parse_background(defaults.background, defaults.background_threshold)
        refinement = parse_refinement(defaults.refinement)
        plain = {name: getattr(defaults, name) for name in _PLAIN}
        return cls(
            superpixels=superpixels,
            regions=regions,
            where=where,
            background=background,
            refinement=refinement,
            **plain,
        )

    def as_published(self) -> SegmentSettings:
        """What the authors of the paper do, where these settings do otherwise.

        Sizes, superpixels and a background by threshold stay, for they go with the models and with the data
        set. ``docs/method.md`` lists what still differs.
        """
        by_threshold = self.background is not None and self.background.by_threshold
        return replace(
            self,
            regions=None,
            merge_similarity=None,
            majority_vote="none",
            resize="plain",
            k=350,
            similarity_threshold=None,
            aggregation="mean",
            templates="openai_subset_raw",
            retrieval="classes",
            alpha=0.8,
            dense_weight=0.0,
            unsure=None,
            where=Filter(),
            background=self.background if by_threshold else None,
            refinement=None,
        )


def parse_background(strategy: str, threshold: float) -> Background | None:
    """The background of a preset or an option.

    Raises:
        OptionError: unknown strategy, or a threshold outside 0..1.
    """
    if strategy == NO_BACKGROUND:
        return None
    if strategy not in list(BackgroundStrategy):
        names = ", ".join([*BackgroundStrategy, NO_BACKGROUND])
        raise OptionError(f"unknown background strategy '{strategy}'; choose one of {names}.")
    return Background(BackgroundStrategy(strategy), threshold)


def parse_regions(name: str, options: Mapping[str, float]) -> RegionOptions | None:
    """A network of regions by name, with numbers for some of its options; None for superpixels.

    Raises:
        OptionError: unknown network or option, or a number outside its range.
    """
    if name == SUPERPIXELS and not options:
        return None
    if name == SUPERPIXELS:
        raise OptionError(
            f"regions by superpixels have no option '{next(iter(options))}'; name a network, as in --regions "
            "sam2, or use --superpixel-option."
        )
    try:
        return region_options(name, options)
    except ValueError as error:
        raise OptionError(str(error)) from error
