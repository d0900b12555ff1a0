"""What a bank learned of a text from pictures: a group of its own beside what was drawn.

A single example among hundreds of generated prototypes would change nothing in their mean. So examples are
retrieved apart, and compared apart: a region is as similar to a class as to its drawn prototypes, or to the
example or part of an example that it resembles most, whichever is more (see :mod:`..prototypes`). What an
example's picture shows beside it comes along, to keep the example from what resembles that more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from freeda_models.protocols import FloatArray, IndexArray
from freeda_store import Filter
from freeda_store.records import EXAMPLE, REST, Retrieved
from freeda_store.vectors.filters import NUMBER_FIELDS, Condition, Operator

if TYPE_CHECKING:
    from freeda_segment.settings import SegmentSettings

SAME_TEXT = 0.95
"""Nouns whose keys are nearer to a class than this mean the same."""

MOST_LOOKS = 350
"""Prototypes of examples that a text gets at most, and as many of what is beside them."""


class PrototypeSource(Protocol):
    """What retrieval needs of a bank."""

    def nearest(self, queries: FloatArray, k: int, where: Filter = ...) -> list[Retrieved]:
        """The k nearest prototypes of each query."""


@dataclass(frozen=True, eq=False)
class LearnedLooks:
    """What was learned of one text.

    Attributes:
        found: prototypes of examples, and after them of their parts.
        rest: float32 (R, D), of what their pictures show beside them.
    """

    found: Retrieved
    rest: FloatArray


_NOTHING = Retrieved((), np.zeros(0, dtype=np.float32), np.zeros((0, 0), dtype=np.float32), ())
NOTHING_LEARNED = LearnedLooks(_NOTHING, _NOTHING.visuals)


def chosen_of(found: Retrieved, chosen: IndexArray) -> Retrieved:
    """Some of what was retrieved, by place."""
    return Retrieved(
        ids=tuple(found.ids[index] for index in chosen),
        similarities=found.similarities[chosen],
        visuals=found.visuals[chosen],
        infos=tuple(found.infos[index] for index in chosen),
    )


def without_examples(where: Filter) -> Filter:
    """A filter that lets neither examples through nor what is beside them."""
    return Filter((*where.conditions, Condition("kind", Operator.NE, (EXAMPLE, REST))))


def holds_examples(source: PrototypeSource, queries: FloatArray, settings: SegmentSettings) -> bool:
    """Whether a bank learned anything at all, by one question."""
    return bool(source.nearest(queries[:1], 1, _of_kind(EXAMPLE, settings))[0].ids)


def look_up_examples(
    source: PrototypeSource, queries: FloatArray, settings: SegmentSettings
) -> list[LearnedLooks]:
    """What was learned of each text.

    Filters by scores do not hold here: they judge drawings, and a person chose the examples.

    Args:
        source: the bank.
        queries: float32 (Q, D_text), the texts in the key space.
        settings: whose filter counts.
    """
    found = [_same(each) for each in source.nearest(queries, MOST_LOOKS, _of_kind(EXAMPLE, settings))]
    taught = [index for index, each in enumerate(found) if each.ids]
    looks = [LearnedLooks(each, NOTHING_LEARNED.rest) for each in found]
    beside = source.nearest(queries[taught], MOST_LOOKS, _of_kind(REST, settings)) if taught else []
    for index, each in zip(taught, beside, strict=True):
        looks[index] = LearnedLooks(found[index], _same(each).visuals)
    return looks


def _of_kind(kind: str, settings: SegmentSettings) -> Filter:
    own = tuple(each for each in settings.where.conditions if each.field not in NUMBER_FIELDS)
    return Filter((*own, Condition("kind", Operator.EQ, (kind,))))


def _same(found: Retrieved) -> Retrieved:
    """Those whose text means the same, and whose vectors have a direction."""
    sound = np.isfinite(found.visuals).all(axis=1) & found.visuals.any(axis=1)
    parts = np.array([info.part > 0 for info in found.infos], dtype=np.bool_)
    whole_first = np.argsort(parts, kind="stable")
    return chosen_of(found, whole_first[((found.similarities >= SAME_TEXT) & sound)[whole_first]])
