"""Retire prototypes in a new revision, and compare a picture's labels before and after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable
from uuid import UUID

import numpy as np

from freeda_models.protocols import BoolArray
from freeda_segment.classes import ClassList
from freeda_segment.encoding import EncodedImage
from freeda_segment.errors import NoPrototypesError, OptionError
from freeda_segment.result import Segmentation
from freeda_segment.retrieval.learned import PrototypeSource
from freeda_segment.retrieval.prototypes import ClassPrototypes
from freeda_segment.segmenter import Segmenter
from freeda_store.records import RevisionInfo


@runtime_checkable
class RetiringBank(PrototypeSource, Protocol):
    """What retiring needs of a bank; ``freeda_store.Bank`` opened at its newest revision is one."""

    def retire(self, which: Sequence[UUID], message: str, /) -> RevisionInfo | None:
        """Hide prototypes from a new revision on."""


@dataclass(frozen=True, eq=False)
class Comparison:
    """A picture before and after.

    Attributes:
        before, after: the two results, with their evidence.
        retired: the prototypes that the later revision no longer shows.
        used: those of them that stood behind a class of this picture before.
        changed: bool (H, W), pixels whose label is another.
    """

    before: Segmentation
    after: Segmentation
    retired: tuple[UUID, ...]
    used: tuple[UUID, ...]
    changed: BoolArray

    @property
    def changed_area(self) -> float:
        """Share of pixels whose label is another, 0..1."""
        return float(self.changed.mean())


def retire_and_compare(
    segmenter: Segmenter,
    encoded: EncodedImage,
    classes: ClassList | str | Sequence[str],
    ids: Sequence[UUID],
    message: str = "",
) -> Comparison:
    """Label a picture, retire prototypes in a new revision, and label it again.

    Args:
        segmenter: its bank is opened at its newest revision.
        encoded: the picture.
        classes: as for ``Segmenter.prepare``.
        ids: of the prototypes, at least one.
        message: what a person reads in the bank's history.

    Raises:
        NoPrototypesError: a class would be left without a prototype; nothing is retired.
        PrototypeMissingError: an id is not among those shown; nothing is retired.
        ReadOnlyViewError: the bank was opened at a version.
        OptionError: the segmenter's bank is of a kind that cannot retire prototypes.
    """
    bank = segmenter.bank
    if not isinstance(bank, RetiringBank):
        raise OptionError(
            f"the segmenter's bank {bank.address} cannot retire prototypes; open it with open_segmenter."
        )
    gone = tuple(dict.fromkeys(ids))
    prepared = segmenter.prepare(classes)
    before = segmenter.label(encoded, prepared, keep_evidence=True)
    _refuse_the_last(segmenter, bank, prepared, gone)
    bank.retire(gone, message or f"retire {len(gone)} by hand")
    after = segmenter.label(encoded, segmenter.prepare(classes), keep_evidence=True)
    support = {id_ for each in prepared.supports for id_ in each.ids}
    used = tuple(id_ for id_ in gone if id_ in support)
    return Comparison(before, after, gone, used, before.labels != after.labels)


def _refuse_the_last(
    segmenter: Segmenter, bank: RetiringBank, prepared: ClassPrototypes, gone: tuple[UUID, ...]
) -> None:
    """Refuse when the prototypes to retire are all that a class has."""
    for described, texts in zip(prepared.classes, prepared.support, strict=True):
        if not all(set(each.ids) <= set(gone) for each in texts):
            continue
        queries = np.stack([each.query for each in texts])
        found = bank.nearest(queries, len(gone) + 1, segmenter.settings.where)
        if all(set(each.ids) <= set(gone) for each in found):
            raise NoPrototypesError(
                f"retiring these would leave '{described.name}' without a prototype; "
                "retire fewer, or ingest captions with it first."
            )
