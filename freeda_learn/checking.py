"""Which pictures get other labels by what a bank has learned: each is labelled as of before and as of now."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from freeda_learn.examples import Rejected
from freeda_models.protocols import IndexArray
from freeda_segment.errors import ImageError
from freeda_segment.pixels.background import OTHER
from freeda_segment.result import Segmentation
from freeda_segment.segmenter import Segmenter
from freeda_store.records import REST, PrototypeInfo
from freeda_store.vectors.filters import Filter

MOST_CLASSES = 200
"""Names that pictures are labelled with at most: those learned, then the bank's most frequent."""

SHOWN_MOVES = 3


@dataclass(frozen=True, eq=False)
class View:
    """A bank as of one revision, to label pictures with.

    Attributes:
        segmenter: that asks it.
        names: of classes that it holds, at least one.
    """

    segmenter: Segmenter
    names: tuple[str, ...]


@dataclass(frozen=True)
class Move:
    """Pixels that went from one class to another.

    Attributes:
        before, after: names; :data:`OTHER` for no class.
        area: their share of the picture, 0..1.
    """

    before: str
    after: str
    area: float


@dataclass(frozen=True)
class CheckedPicture:
    """What learning changed in one picture.

    Attributes:
        picture: its file.
        changed: share of its pixels that have another label now, 0..1.
        moves: where they went, the largest first, the few largest.
    """

    picture: Path
    changed: float
    moves: tuple[Move, ...]


class InfoSource(Protocol):
    """What names to label with are taken from; ``freeda_store.Bank`` is one."""

    def infos(self, where: Filter = ..., /) -> Iterator[PrototypeInfo]:
        """All prototypes that it shows and a filter lets through."""


def names_to_check(learned: Sequence[str], bank: InfoSource, where: Filter) -> tuple[str, ...]:
    """Those of the names learned that a bank holds, then its other nouns, the most frequent first.

    Args:
        learned: names.
        bank: what is beside examples does not count.
        where: which of its prototypes segment.
    """
    counted = Counter(info.noun for info in bank.infos(where) if info.noun and info.kind != REST)
    frequent = sorted(counted, key=lambda noun: (-counted[noun], noun))
    own = [name for name in learned if name in counted]
    return tuple(dict.fromkeys([*own, *frequent]))[:MOST_CLASSES]


def check_pictures(
    before: View | None,
    after: View,
    pictures: Sequence[Path],
    progress: Callable[[int, int], None] = lambda done, failed: None,
) -> Iterator[CheckedPicture | Rejected]:
    """Label pictures as of two revisions; each is encoded once.

    Args:
        before: the earlier revision; None where it held nothing, and no pixel had a class.
        after: the later one, with the same models and settings.
        pictures: files.
        progress: told how many pictures are done, and how many of them cannot be read.

    Raises:
        NoPrototypesError: a revision holds none of the classes.
    """
    new = after.segmenter.prepare(after.names)
    old = None if before is None else before.segmenter.prepare(before.names)
    failed = 0
    for done, picture in enumerate(pictures, start=1):
        try:
            encoded = after.segmenter.encode(picture)
        except ImageError as error:
            failed += 1
            yield Rejected(str(picture), str(error))
        else:
            was = None if before is None or old is None else before.segmenter.label(encoded, old)
            yield _compared(picture, was, after.segmenter.label(encoded, new))
        progress(done, failed)


def _compared(picture: Path, before: Segmentation | None, after: Segmentation) -> CheckedPicture:
    names = list(dict.fromkeys((OTHER, *after.class_names, *(() if before is None else before.class_names))))
    new = _places(after, names)
    old = np.zeros_like(new) if before is None else _places(before, names)
    pairs = np.bincount(old * len(names) + new, minlength=len(names) ** 2).reshape(len(names), -1)
    np.fill_diagonal(pairs, 0)
    largest = np.argsort(-pairs, axis=None, kind="stable")[:SHOWN_MOVES]
    moves = [
        Move(names[row], names[column], float(pairs[row, column] / len(new)))
        for row, column in zip(*np.unravel_index(largest, pairs.shape), strict=True)
        if pairs[row, column]
    ]
    return CheckedPicture(picture, float(pairs.sum() / len(new)), tuple(moves))


def _places(segmentation: Segmentation, names: Sequence[str]) -> IndexArray:
    """The place of each pixel's class in a list of names, whose first is of no class: (H * W,)."""
    places = np.array([0, *(names.index(name) for name in segmentation.class_names)])
    found: IndexArray = places[segmentation.labels.ravel().astype(np.int64) + 1]
    return found
