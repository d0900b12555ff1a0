"""What competes with the classes of a list and is none of them: the bank's other nouns.

A list of classes is rarely complete. Where a part of a picture looks more like a noun that the list does not
name than like any class on it, it belongs to no class.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from freeda_models.nouns.vocabulary import spellings
from freeda_models.protocols import BoolArray, FloatArray
from freeda_segment.retrieval.bank_nouns import BankNouns

if TYPE_CHECKING:
    from freeda_segment.retrieval.prototypes import ClassPrototypes

SAME_TEXT = 0.95
"""Nouns whose keys are nearer to a class than this mean the same."""

_MADE_OF = 0.1
"""A noun that gave a class so large a share of its prototypes is what the class is made of."""


@dataclass(frozen=True, eq=False)
class Competitors:
    """Looks that belong to no class of a list.

    Attributes:
        names: what each is, for people.
        looks: float32 (J, D), L2-normalised.
    """

    names: tuple[str, ...]
    looks: FloatArray

    @classmethod
    def joined(cls, parts: Sequence[Competitors]) -> Competitors:
        """Those of several sources together: the bank's nouns, and whatever else is known to be no class."""
        names = tuple(name for part in parts for name in part.names)
        return cls(names, np.concatenate([part.looks for part in parts]))

    def __len__(self) -> int:
        return len(self.names)

    def cosines(self, features_nd: FloatArray) -> FloatArray:
        """L2-normalised features (N, D) to float32 (N,): cosine with the most similar."""
        highest: FloatArray = (features_nd @ self.looks.T).max(axis=1)
        return highest

    def nearest(self, feature_d: FloatArray) -> str:
        """The name of the one that a feature (D,) is most similar to."""
        return self.names[int((self.looks @ feature_d).argmax())]


def competing_nouns(nouns: BankNouns, prototypes: ClassPrototypes) -> Competitors | None:
    """The bank's nouns that no class of a list names, means, looks like or is made of.

    Args:
        nouns: of the bank.
        prototypes: of the classes.

    Returns:
        One for each group of nouns, the mean of those that are left of it, with the most frequent one's name;
        None when none is left, or when the bank is too small to say which look alike.
    """
    if nouns.likeness is None or not nouns.names:
        return None
    means = (nouns.keys @ _queries(prototypes).T >= SAME_TEXT).any(axis=1) | _made_of(nouns, prototypes)
    texts = [text for each in prototypes.classes for text in each.texts]
    words = _Words([*texts, *(name for name, one in zip(nouns.names, means, strict=True) if one)])
    named = np.array([words.name(noun) for noun in nouns.names])
    sisters = np.array([words.name_a_sister_of(noun) for noun in nouns.names])
    likest = (nouns.looks @ prototypes.vectors.T).max(axis=1)
    alike = likest >= np.where(sisters, nouns.likeness.unrelated, nouns.likeness.middle)
    left = np.flatnonzero(~(means | named | alike))
    return Competitors(*nouns.mean_looks(left)) if len(left) else None


def _queries(prototypes: ClassPrototypes) -> FloatArray:
    """float32 (T, D_text), the texts of all classes in the key space."""
    return np.stack([support.query for texts in prototypes.support for support in texts])


class _Words:
    """The words of class names and their synonyms."""

    def __init__(self, names: Sequence[str]) -> None:
        self._texts = {spelling for name in names for spelling in spellings(name)}
        self._endings = {ending for text in self._texts for ending in _endings(text)}
        self._heads = {text.split()[-1] for text in self._texts}

    def name(self, noun: str) -> bool:
        """Whether a noun is one of the names, with more words before it or fewer: ``red car``, ``car``."""
        spelt = _spelt(noun)
        return spelt in self._endings or any(ending in self._texts for ending in _endings(spelt))

    def name_a_sister_of(self, noun: str) -> bool:
        """Whether a name ends with the same word. A blue car has windows and wheels like a red one's."""
        return _spelt(noun).rpartition(" ")[2] in self._heads


def _spelt(noun: str) -> str:
    return noun.casefold().replace("-", " ")


def _endings(text: str) -> list[str]:
    """``big red car``, ``red car`` and ``car``."""
    words = text.split()
    return [" ".join(words[start:]) for start in range(len(words))]


def _made_of(nouns: BankNouns, prototypes: ClassPrototypes) -> BoolArray:
    """Nouns that gave a class much of what it retrieved, as ``car`` and ``bus`` give ``vehicle``."""
    found: set[str] = set()
    for texts in prototypes.support:
        owners = [info.noun for support in texts for info in support.infos]
        found |= {noun for noun in set(owners) if owners.count(noun) >= _MADE_OF * len(owners)}
    return np.array([noun in found for noun in nouns.names], dtype=np.bool_)
