"""What was learned of the classes of a list, compared with regions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from freeda_models.protocols import BoolArray, FloatArray, IndexArray
from freeda_models.unit_vectors import normalised

if TYPE_CHECKING:
    from freeda_segment.retrieval.bank_nouns import Likeness
    from freeda_segment.retrieval.lookup import TextEvidence


@dataclass(frozen=True, eq=False)
class LearnedClasses:
    """Examples of classes, and what they have beside them.

    Attributes:
        looks: float32 (E, D), L2-normalised prototypes of examples and of their parts.
        owners: int64 (E,), the class of each.
        whole: bool (E,), which are of a whole example.
        rest: float32 (R, D), L2-normalised, what the examples' pictures show beside them.
        rest_owners: int64 (R,), the class of each.
        undrawn: bool (C,), classes of which nothing else is known.
        discounts: float32 (C,), by how much a cosine with the nearest of several examples is too high beside
            one with the mean of drawings; None for none. See :meth:`discounted`.
    """

    looks: FloatArray
    owners: IndexArray
    whole: BoolArray
    rest: FloatArray
    rest_owners: IndexArray
    undrawn: BoolArray
    discounts: FloatArray | None = None

    @classmethod
    def of(cls, owners: IndexArray, evidence: Sequence[TextEvidence]) -> LearnedClasses | None:
        """Join what was learned of texts; None where nothing was.

        Args:
            owners: int64 (T,), the class of each text, in rising order.
            evidence: what each text brought.
        """
        taught = [(int(owner), each) for owner, each in zip(owners, evidence, strict=True) if len(each.looks)]
        if not taught:
            return None
        rest = [(owner, each.examples.rest) for owner, each in taught if len(each.examples.rest)]
        empty = taught[0][1].looks[:0]
        drawn = [int(owner) for owner, each in zip(owners, evidence, strict=True) if len(each.rows)]
        return cls(
            looks=normalised(np.concatenate([each.looks for _, each in taught])),
            owners=np.repeat([owner for owner, _ in taught], [len(each.looks) for _, each in taught]),
            whole=np.array([info.part == 0 for _, each in taught for info in each.examples.found.infos]),
            rest=normalised(np.concatenate([empty, *(rows for _, rows in rest)])),
            rest_owners=np.repeat(
                np.array([owner for owner, _ in rest], dtype=np.int64), [len(rows) for _, rows in rest]
            ),
            undrawn=~np.isin(np.arange(int(owners[-1]) + 1), drawn),
        )

    def discounted(self, likeness: Likeness | None) -> LearnedClasses:
        """With cosines that can be compared with those of drawings.

        What was drawn is a mean, which even its own prototypes resemble less than fully
        (:attr:`Likeness.same`); the cosine with the nearest of n examples grows with n by chance. So
        (1 - same)(1 - 1/n) is taken off. Chosen on objects that are in no figure
        (``python -m benchmarks.learning --trial``).

        Args:
            likeness: of the bank; None where nothing is known of it.
        """
        if likeness is None:
            return self
        examples = np.bincount(self.owners[self.whole], minlength=len(self.undrawn))
        shares = 1 - 1 / np.maximum(examples, 1)
        return replace(self, discounts=((1 - likeness.same) * shares).astype(np.float32))

    def cosines(self, features_nd: FloatArray) -> FloatArray:
        """L2-normalised features (N, D) to float32 (N, C): cosine with the nearest example of each class.

        -1 where there is none, and where a feature is nearer to what the class's examples have beside them.
        """
        nearest = _highest(features_nd @ self.looks.T, self.owners, len(self.undrawn))
        beside = _highest(features_nd @ self.rest.T, self.rest_owners, len(self.undrawn))
        found = nearest if self.discounts is None else np.maximum(nearest - self.discounts, -1)
        return np.where(beside > nearest, np.float32(-1), found)


def _highest(cosines_ne: FloatArray, owners: IndexArray, classes: int) -> FloatArray:
    """float32 (N, E) to (N, C): the highest of each owner, -1 where it has none."""
    highest = np.full((len(cosines_ne), classes), -1, dtype=np.float32)
    present, starts = np.unique(owners, return_index=True)
    if len(present):
        highest[:, present] = np.maximum.reduceat(cosines_ne, starts, axis=1)
    return highest
