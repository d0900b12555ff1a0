"""What the neighbours of a picture's regions say of its classes, under which settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from freeda_segment.retrieval.neighbours import (
    NeighbourCache,
    NeighbourSource,
    PictureNeighbours,
    WindowVotes,
    brought,
    count_votes,
    find_neighbours,
    of_window,
)
from freeda_segment.retrieval.prototypes import ClassPrototypes

if TYPE_CHECKING:
    from freeda_segment.encoding import EncodedWindow
    from freeda_segment.settings import SegmentSettings

NO_SEMANTICS = (
    "this bank keeps no view of its prototypes' regions, so neighbours bring their text keys; "
    "`freeda bank complete` fills in what its pictures still show."
)


@dataclass(frozen=True, eq=False)
class Asked:
    """What was found from the regions.

    Attributes:
        prototypes: of the classes, as they are compared with regions.
        votes: of each window; None where regions were not asked for.
        neighbours: that voted; None likewise.
        notes: what a person should know.
    """

    prototypes: ClassPrototypes
    votes: tuple[WindowVotes | None, ...]
    neighbours: PictureNeighbours | None = None
    notes: tuple[str, ...] = ()


def ask(
    bank: NeighbourSource,
    windows: Sequence[EncodedWindow],
    cache: NeighbourCache,
    prototypes: ClassPrototypes,
    settings: SegmentSettings,
) -> Asked:
    """Ask a bank what regions look like, if the settings say so.

    Args:
        bank: searched at the revision that the classes' prototypes are of.
        windows: of the picture.
        cache: of the picture.
        prototypes: of the classes, with what competes with them.
        settings: see ``retrieval`` and what stands with it.
    """
    if settings.retrieval == "classes":
        return Asked(prototypes, (None,) * len(windows))
    found = find_neighbours(windows, bank, settings, prototypes.revision, cache)
    values = brought(found.found, settings.region_values)
    if values == "semantic" and prototypes.unheld is not None:
        prototypes = replace(prototypes, unheld_cosine=_of_nothing(prototypes))
    votes = count_votes(found.found, prototypes, settings)
    weight = settings.region_weight if settings.retrieval == "both" else 1.0
    each = tuple(of_window(votes, rows, weight) for rows in found.windows)
    return Asked(prototypes, each, found, () if values == settings.region_values else (NO_SEMANTICS,))


def _of_nothing(prototypes: ClassPrototypes) -> float:
    """The cosine of looks that have nothing to do with each other, on the bank's scale."""
    nouns = prototypes.nouns
    return 0.0 if nouns is None or nouns.likeness is None else nouns.likeness.unrelated
