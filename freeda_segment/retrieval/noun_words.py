"""Nouns as words: which name the same thing, or kinds of one thing."""

from __future__ import annotations

from collections.abc import Iterable

from freeda_models.nouns.vocabulary import spellings


class NounWords:
    """Some names, against which others are held. Case, hyphens and plural endings do not matter.

    Args:
        names: class names or nouns.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._names = {spelling for name in names for spelling in spellings(name)}
        self._endings = {ending for name in self._names for ending in _endings(name)}
        self._heads = {name.split()[-1] for name in self._names}

    def name(self, other: str) -> bool:
        """Whether one of them is the other, with more words before it or fewer: ``red car`` and ``car``."""
        return any(
            spelling in self._endings or any(ending in self._names for ending in _endings(spelling))
            for spelling in spellings(other)
        )

    def name_a_sister_of(self, other: str) -> bool:
        """Whether one of them ends with the same word: ``red car`` and ``blue car``."""
        return any(spelling.split()[-1] in self._heads for spelling in spellings(other))


def _endings(name: str) -> list[str]:
    """``big red car``, ``red car`` and ``car``."""
    words = name.split()
    return [" ".join(words[start:]) for start in range(len(words))]
