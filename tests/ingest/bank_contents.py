"""All that a reader sees of a bank, and what is not the same in two of them.

Words, ids and counts are compared exactly, vectors, scores and pictures up to rounding: two runs of the
same networks need not agree to the last bit, see ``tests/rounding.py``. The names of thumbnails are
hashes of their bytes, and so differ with the last bit of a picture; what they show is compared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from rounding import NEAR_IN_HALF, assert_near

from freeda_store import Bank, PrototypeInfo, RevisionInfo, VerifyReport
from freeda_store.records import Scores

SCORES = 2e-4
"""Of a score; the distance to the others is kept with four decimals, and may be rounded to either side."""
LOSSY = 1.0
"""Mean distance of two thumbnails, in levels of 0..255: WebP spreads a pixel's last bit over its block."""


@dataclass(frozen=True)
class Contents:
    """What a bank holds.

    Attributes:
        revisions: without times.
        points: what is known of each prototype, without scores and names of thumbnails.
        scores: of each prototype.
        vectors: text key and visual vector of each prototype, float32.
        pictures: picture and attribution map of each prototype, uint8.
        proof: what ``verify`` found.
    """

    revisions: list[RevisionInfo]
    points: dict[UUID, PrototypeInfo]
    scores: dict[UUID, Scores]
    vectors: dict[UUID, tuple[NDArray[np.float32], NDArray[np.float32]]]
    pictures: dict[UUID, tuple[NDArray[np.uint8], NDArray[np.uint8]]]
    proof: VerifyReport


def contents_of(bank: Bank) -> Contents:
    """All that a reader can see of an open bank."""
    infos = list(bank.infos())
    found = bank.vectors([info.id for info in infos])
    no_scores = Scores(contrast=0, area=0, clip_agreement=0, outlier_distance=0)
    return Contents(
        revisions=[replace(each, created_at="", committed_at="") for each in bank.revisions()],
        points={
            info.id: replace(info, scores=no_scores, picture_key="", attribution_key="") for info in infos
        },
        scores={info.id: info.scores for info in infos},
        vectors=dict(zip(found.ids, zip(found.text_keys, found.visuals, strict=True), strict=True)),
        pictures={
            info.id: (
                np.asarray(bank.thumbnail(info.picture_key)),
                np.asarray(bank.thumbnail(info.attribution_key)),
            )
            for info in infos
        },
        proof=bank.verify(),
    )


def contents(folder: Path) -> Contents:
    """All that a reader can see of a bank in a folder."""
    with Bank.open(folder) as bank:
        return contents_of(bank)


def differences(found: Contents, expected: Contents) -> list[str]:
    """What is not the same in two banks, point by point."""
    told = [name for name in ("revisions", "proof") if getattr(found, name) != getattr(expected, name)]
    told += [f"point {id_} is missing" for id_ in expected.points.keys() - found.points.keys()]
    told += [f"point {id_} is too many" for id_ in found.points.keys() - expected.points.keys()]
    for id_ in expected.points.keys() & found.points.keys():
        told += [f"point {id_} differs in its {part}" for part in _differing(id_, found, expected)]
    return told


def _differing(id_: UUID, found: Contents, expected: Contents) -> Iterator[str]:
    def alike(check: Callable[..., None], mine: object, theirs: object, **how: float) -> bool:
        try:
            check(mine, theirs, **how)
        except AssertionError:
            return False
        return True

    if found.points[id_] != expected.points[id_]:
        yield "provenance"
    for mine, theirs in zip(astuple(found.scores[id_]), astuple(expected.scores[id_]), strict=True):
        if abs(mine - theirs) > SCORES * max(1, abs(theirs)):
            yield "scores"
    (my_text, my_visual), (text, visual) = found.vectors[id_], expected.vectors[id_]
    if not alike(assert_near, my_text, text):
        yield "text key"
    if not alike(assert_near, my_visual, visual, near=NEAR_IN_HALF):
        yield "visual vector"
    for mine, theirs in zip(found.pictures[id_], expected.pictures[id_], strict=True):
        if mine.shape != theirs.shape or np.abs(mine.astype(int) - theirs).mean() > LOSSY:
            yield "picture"


def assert_same_bank(found: Contents, expected: Contents) -> None:
    """Both hold the same, up to rounding."""
    assert differences(found, expected) == []
