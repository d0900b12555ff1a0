"""From the options of ``segment`` and ``explain`` to classes and settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from freeda_cli.errors import UsageError

if TYPE_CHECKING:
    from freeda_models.regions.options import RegionOptions
    from freeda_segment import Background, ClassList, SegmentSettings
    from freeda_segment.regions.superpixels import Superpixels
    from freeda_segment.settings import OwnRegions
    from freeda_store import Filter

SUPERPIXELS = "superpixels"
"""What a person writes for regions by no network."""

NO_FILTER = "none"
"""What a person writes for no filter of the preset."""


@dataclass(frozen=True)
class SettingChanges:
    """What a person changed of a preset's settings.

    Attributes:
        given: by the names of :class:`freeda_models.segmentation.CommandSettings`; what is not there stays.
    """

    given: Mapping[str, Any]

    def change(self, settings: SegmentSettings) -> SegmentSettings:
        """The preset's settings with these changes.

        Raises:
            OptionError, FilterError, UsageError: an option cannot be read, or is outside its range.
        """
        from freeda_models.segmentation import PlainSettings, settings_of
        from freeda_segment.pixels.refinement import parse_refinement

        given, plain = self.given, settings_of(PlainSettings)
        if given.get("as_published"):
            settings = settings.as_published()
        refinement = settings.refinement
        if "refinement" in given:
            refinement = parse_refinement(given["refinement"])
        numbers = option_numbers(given.get("superpixel_options", ()), "superpixel option", "scale=100")
        region_numbers = option_numbers(
            given.get("region_options", ()), "region option", "points_per_side=16"
        )
        background = changed_background(
            settings.background, given.get("background"), given.get("background_threshold")
        )
        return replace(
            settings,
            superpixels=chosen_superpixels(settings.superpixels, given.get("superpixels"), numbers),
            regions=chosen_regions(settings.regions, given.get("regions"), region_numbers),
            where=chosen_filter(settings.where, given.get("where", ())),
            background=background,
            refinement=refinement,
            **{name: value for name, value in given.items() if name in plain},
        )


def chosen_filter(current: Filter, expressions: Sequence[str]) -> Filter:
    """The preset's filter and a person's together; ``none`` among them takes the preset's away.

    Raises:
        FilterError: an expression cannot be read.
    """
    from freeda_store import Filter, parse_filter

    parts = [part.strip() for expression in expressions for part in expression.split(",")]
    own = parse_filter([part for part in parts if part != NO_FILTER])
    return own if NO_FILTER in parts else Filter((*current.conditions, *own.conditions))


def gather_classes(expressions: Sequence[str], file: Path | None) -> ClassList:
    """The classes of the file, which keep their labels, and those of ``-c`` after them.

    Raises:
        ClassesError: there is none, or the file cannot be read.
    """
    from freeda_segment.classes import join_classes, parse_classes, read_classes_file

    if file is None:
        return parse_classes(list(expressions))
    listed = read_classes_file(file)
    return join_classes(listed, parse_classes(list(expressions))) if any(expressions) else listed


def option_numbers(expressions: Sequence[str], kind: str, example: str) -> dict[str, float]:
    """``scale=100`` and its like as names and numbers.

    Raises:
        UsageError: one of them is not so written; the message says what kind they are, with an example.
    """
    options = {}
    for expression in expressions:
        name, equals, number = (part.strip() for part in expression.partition("="))
        try:
            options[name] = float(number)
        except ValueError:
            equals = ""
        if not (name and equals):
            raise UsageError(f"'{expression}' is no {kind}; write for example {example}.")
    return options


def chosen_superpixels(current: Superpixels, name: str | None, options: Mapping[str, float]) -> Superpixels:
    """The preset's algorithm with some options changed, or another one.

    Raises:
        OptionError: unknown algorithm or option, or a number outside its range.
    """
    from freeda_segment import parse_superpixels

    same = name is None or name == current.name
    kept: dict[str, float] = asdict(current) if same else {}  # type: ignore[call-overload]
    return parse_superpixels(name or current.name, {**kept, **options})


def chosen_regions(
    current: RegionOptions | OwnRegions | None, name: str | None, options: Mapping[str, float]
) -> RegionOptions | OwnRegions | None:
    """The preset's network of regions with some options changed, or another one; None for superpixels.

    Raises:
        OptionError: unknown network or option, or a number outside its range.
    """
    from freeda_segment.settings import OwnRegions, parse_regions

    if (name is None and not options) or isinstance(current, OwnRegions):
        return current
    own = SUPERPIXELS if current is None else current.name
    kept: dict[str, float] = asdict(current) if current is not None and name in (None, own) else {}
    return parse_regions(name or own, {**kept, **options})


def changed_background(
    current: Background | None, strategy: str | None, threshold: float | None
) -> Background | None:
    """The background asked for; a threshold alone changes that of the current one, or means the constant one.

    Raises:
        OptionError: unknown strategy, or a threshold outside 0..1.
    """
    from freeda_segment import Background
    from freeda_segment.settings import parse_background

    if strategy is None and threshold is None:
        return current
    keeps = strategy is None and current is not None and current.by_threshold
    start = current if current is not None and keeps else Background()
    chosen = start.threshold if threshold is None else threshold
    return parse_background(start.strategy if strategy is None else strategy, chosen)
