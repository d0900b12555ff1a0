"""Settings of the online stage: one frozen dataclass, made from a preset's defaults."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from freeda_models.presets import SegmentDefaults
from freeda_models.text.keys import TEMPLATE_SETS
from freeda_segment.errors import OptionError
from freeda_segment.pixels.background import Background
from freeda_segment.pixels.refinement import Refinement
from freeda_segment.regions.superpixels import Felzenszwalb, Superpixels, parse_superpixels
from freeda_segment.regions.windows import RESIZES
from freeda_segment.retrieval.aggregation import AGGREGATIONS
from freeda_store import Filter, parse_filter
from freeda_store.errors import FilterError

_MOST = {
    **dict.fromkeys(("shorter_side", "longest_side", "window", "stride"), 16384),
    "batch_size": 4096,
    **dict.fromkeys(("k", "prototypes", "neighbours"), 1_000_000),
}
"""Whole numbers from 1 on, by their name, and the largest of each that any machine can work with."""

ENCODING = ("shorter_side", "longest_side", "resize", "window", "stride", "superpixels")
"""Settings that shape an encoded picture."""

RETRIEVAL = (
    *("k", "where", "similarity_threshold", "templates"),
    *("aggregation", "prototypes", "neighbours"),
)
"""Settings that shape the prototypes of classes."""


@dataclass(frozen=True)
class SegmentSettings:
    """How pictures are segmented. ``dataclasses.replace`` makes a changed copy.

    Attributes:
        shorter_side, longest_side: size of the working picture in pixels.
        window, stride: the sliding window over it, in pixels.
        superpixels: algorithm and options.
        batch_size: windows a network call.
        k: prototypes retrieved a class text.
        where: which prototypes may be retrieved.
        similarity_threshold: prototypes whose text key is less similar are left out, but the
            nearest always stays, with those that are as near; None for no threshold.
        aggregation: how retrieved vectors become prototypes, a name of
            :data:`freeda_segment.retrieval.aggregation.AGGREGATIONS`.
        prototypes: at most how many per class text, for the k-means aggregations.
        neighbours: how many prototypes vote for a region, for the aggregation ``knn``.
        templates: prompt templates of class names, a name of
            :data:`freeda_models.text.keys.TEMPLATE_SETS`; None for those that made the bank.
        resize: to the working picture, ``antialiased`` or ``plain``; see
            :func:`freeda_segment.regions.windows.resize_picture`.
        alpha: weight of the local similarity against the global one, 0..1.
        background: how pixels of no class are found; None gives every pixel a class.
        refinement: PAMR; None for none.

    Raises:
        OptionError: a value outside its range.
    """

    shorter_side: int = 448
    longest_side: int = 2048
    window: int = 448
    stride: int = 224
    superpixels: Superpixels = field(default_factory=Felzenszwalb)
    batch_size: int = 8
    k: int = 350
    where: Filter = Filter()  # noqa: RUF009 - frozen
    similarity_threshold: float | None = None
    aggregation: str = "mean"
    prototypes: int = 4
    neighbours: int = 15
    templates: str | None = None
    resize: str = "antialiased"
    alpha: float = 0.8
    background: Background | None = None
    refinement: Refinement | None = None

    def __post_init__(self) -> None:
        for name, most in _MOST.items():
            if not 1 <= (value := getattr(self, name)) <= most:
                raise OptionError(
                    f"{name} is {value}; expected a whole number of at least 1, at most {most:,}."
                )
        for what, chosen, known in (
            ("aggregation", self.aggregation, AGGREGATIONS),
            ("set of prompt templates", self.templates, TEMPLATE_SETS),
            ("way to resize", self.resize, RESIZES),
        ):
            if chosen is not None and chosen not in known:
                raise OptionError(f"unknown {what} '{chosen}'; choose one of {', '.join(known)}.")
        if self.stride > self.window:
            raise OptionError(
                f"stride {self.stride} is larger than window {self.window}, which would skip pixels; "
                "make it at most as large."
            )
        if not 0 <= self.alpha <= 1:
            raise OptionError(f"alpha is {self.alpha}; expected a number from 0 to 1.")
        threshold = self.similarity_threshold
        if threshold is not None and not (math.isfinite(threshold) and -1 <= threshold <= 1):
            raise OptionError(f"similarity threshold is {threshold}; expected a number from -1 to 1.")

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
    def of(cls, defaults: SegmentDefaults) -> SegmentSettings:
        """The settings that a preset declares.

        Raises:
            OptionError: the preset's superpixel options do not fit its algorithm, or its filter cannot be
                read.
        """
        try:
            superpixels = parse_superpixels(defaults.superpixels, defaults.superpixel_options)
            where = parse_filter(defaults.where)
        except (OptionError, FilterError) as error:
            raise OptionError(f"the preset's table [segment] is wrong: {error}") from error
        return cls(
            shorter_side=defaults.shorter_side,
            longest_side=defaults.longest_side,
            resize=defaults.resize,
            window=defaults.window,
            stride=defaults.stride,
            superpixels=superpixels,
            k=defaults.k,
            similarity_threshold=defaults.similarity_threshold,
            where=where,
            alpha=defaults.alpha,
        )
