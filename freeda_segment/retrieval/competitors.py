"""What competes with the classes of a list and is none of them: the bank's other nouns.

A list of classes is rarely complete. Where a part of a picture looks more like a noun that the list does not
name than like any class on it, it belongs to no class.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from freeda_models.protocols import BoolArray, FloatArray
from freeda_segment.retrieval.bank_nouns import BankNouns, Likeness
from freeda_segment.retrieval.learned import SAME_TEXT
from freeda_segment.retrieval.noun_words import NounWords

if TYPE_CHECKING:
    from freeda_segment.retrieval.lookup import Support
    from freeda_segment.retrieval.prototypes import ClassPrototypes

_MADE_OF = 0.1
"""A noun that gave a class so large a share of its prototypes is what the class is made of."""


@dataclass(frozen=True, eq=False)
class Competitors:
    """Looks that belong to no class of a list.

    Attributes:
        names: what each is, for people.
        looks: float32 (J, D), L2-normalised.
        embeddings: float32 (J, D_clip), L2-normalised CLIP embedding of what each is called; None where they
            have no names that CLIP has embedded.
        nouns: of the bank, all that compete; prototypes of these speak for no class.
    """

    names: tuple[str, ...]
    looks: FloatArray
    embeddings: FloatArray | None = None
    nouns: tuple[str, ...] = ()

    @classmethod
    def joined(cls, parts: Sequence[Competitors]) -> Competitors:
        """Those of several sources together: the bank's nouns, and whatever else is known to be no class."""
        names = tuple(name for part in parts for name in part.names)
        known = [part.embeddings for part in parts if part.embeddings is not None]
        whole = np.concatenate(known) if len(known) == len(parts) else None
        nouns = tuple(noun for part in parts for noun in part.nouns)
        return cls(names, np.concatenate([part.looks for part in parts]), whole, nouns)

    def __len__(self) -> int:
        return len(self.names)

    def global_scores(self, embedding: FloatArray, most_of_classes: float) -> FloatArray:
        """How much a window speaks of each, to CLIP: float32 (J,).

        Args:
            embedding: float32 (D_clip,), L2-normalised, of the window.
            most_of_classes: how much it speaks of the class that it speaks of most; so much it speaks of what
                has no name.
        """
        spoken: FloatArray = self.spoken_of(embedding[None], np.array([most_of_classes], dtype=np.float32))[0]
        return spoken

    def spoken_of(self, embeddings_nd: FloatArray, most_n: FloatArray) -> FloatArray:
        """:meth:`global_scores` of several windows or places: float32 (N, J)."""
        if self.embeddings is None:
            nameless: FloatArray = np.repeat(most_n[:, None], len(self), axis=1)
            return nameless
        cosines: FloatArray = embeddings_nd @ self.embeddings.T
        return cosines

    def nearest(self, feature_d: FloatArray) -> str:
        """The name of the one that a feature (D,) is most similar to."""
        return self.names[int((self.looks @ feature_d).argmax())]


def competing_nouns(
    nouns: BankNouns, prototypes: ClassPrototypes, *, keys_are_clip: bool = False
) -> Competitors | None:
    """The bank's nouns that no class of a list names, means, looks like or is made of.

    Args:
        nouns: of the bank.
        prototypes: of the classes.
        keys_are_clip: whether the bank's keys are what CLIP embeds class names to.

    Returns:
        One for each group of nouns, the mean of those that are left of it, with the most frequent one's name;
        None when none is left, or when the bank is too small to say which look alike.
    """
    if nouns.likeness is None or not nouns.names:
        return None
    left = np.flatnonzero(~_taken(nouns, nouns.likeness, prototypes))
    if not len(left):
        return None
    names, looks, keys = nouns.by_group(left)
    own = tuple(nouns.names[index] for index in left)
    return Competitors(names, looks, keys if keys_are_clip else None, own)


def _taken(nouns: BankNouns, likeness: Likeness, prototypes: ClassPrototypes) -> BoolArray:
    """Nouns that a class is already: bool (N,). Texts that the bank does not hold take none."""
    supports: Sequence[Support] = prototypes.supports
    vectors = prototypes.vectors
    if prototypes.unheld is not None:
        supports = [each for each, gone in zip(supports, prototypes.unheld, strict=True) if not gone]
        vectors = vectors[~prototypes.unheld[prototypes.vector_texts]]
    if prototypes.learned is not None:  # a part alone may look like what is behind it
        vectors = np.concatenate([vectors, prototypes.learned.looks[prototypes.learned.whole]])
    if not supports:
        return np.zeros(len(nouns.names), dtype=np.bool_)
    queries = np.stack([support.query for support in supports])
    means = (nouns.keys @ queries.T >= SAME_TEXT).any(axis=1) | _made_of(nouns, supports)
    synonyms = [name for name, one in zip(nouns.names, means, strict=True) if one]
    words = NounWords([*(support.text for support in supports), *synonyms])
    named = np.array([words.name(noun) for noun in nouns.names])
    sisters = np.array([words.name_a_sister_of(noun) for noun in nouns.names])
    likest = (nouns.looks @ vectors.T).max(axis=1)
    taken: BoolArray = means | named | (likest >= np.where(sisters, likeness.unrelated, likeness.middle))
    return taken


def _made_of(nouns: BankNouns, supports: Sequence[Support]) -> BoolArray:
    """Nouns that gave a class name much of what it retrieved, as ``car`` and ``bus`` give ``vehicle``."""
    found: set[str] = set()
    for support in supports:
        owners = Counter(info.noun for info in support.infos)
        found |= {noun for noun, count in owners.items() if count >= _MADE_OF * len(support.infos)}
    return np.array([noun in found for noun in nouns.names], dtype=np.bool_)
