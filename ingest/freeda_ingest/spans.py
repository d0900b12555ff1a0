"""Which characters of a caption a noun's attribution map is read from.

A noun and a compound ("fire truck") use their own words. An adjective + noun phrase ("red car")
uses the words of its head: Tang et al. (ACL 2023, section 5) find that the maps of adjectives
spread over the whole scene, so they say what a thing is like and not where it is. A phrase is thus
an extra text key for the head's mask.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from freeda_models.protocols import Noun, NounKind, Span

FindUnknown = Callable[[Sequence[str]], list[str]]
"""Those of some keys that a preset's models do not know."""


def distinct_nouns(nouns: Sequence[Noun]) -> tuple[Noun, ...]:
    """Nouns in their order, each (key, span) once. The same word at two places stays twice."""
    first: dict[tuple[str, Span], Noun] = {}
    for noun in nouns:
        first.setdefault((noun.key, noun.span), noun)
    return tuple(first.values())


def attribution_spans(nouns: Sequence[Noun]) -> dict[Noun, Span]:
    """The span of each noun's map: its own, or that of a phrase's head.

    The head is the one that the phrase names, or the longest noun or compound that ends where the phrase
    ends (English puts heads last); a phrase without one falls back on its own words.
    """
    return {noun: _head_span(noun, nouns) if noun.kind is NounKind.PHRASE else noun.span for noun in nouns}


def unknown_nouns(nouns: Sequence[Noun], find_unknown: FindUnknown) -> list[str]:
    """Plain nouns that the models do not know, and that are no part of a longer key they know."""
    strange = set(find_unknown([noun.key for noun in nouns]))
    covered = [noun.span for noun in nouns if noun.key not in strange]
    return [
        noun.key
        for noun in nouns
        if noun.kind is NounKind.NOUN and not any(_within(noun.span, span) for span in covered)
    ]


def _head_span(phrase: Noun, nouns: Sequence[Noun]) -> Span:
    if phrase.head is not None:
        return phrase.head
    heads = [
        noun.span
        for noun in nouns
        if noun.kind is not NounKind.PHRASE
        and noun.span[1] == phrase.span[1]
        and _within(noun.span, phrase.span)
    ]
    return min(heads, default=phrase.span)


def _within(inner: Span, outer: Span) -> bool:
    return outer[0] <= inner[0] and inner[1] <= outer[1]
