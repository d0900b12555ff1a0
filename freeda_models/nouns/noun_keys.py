"""Which noun keys a parsed caption gives: the rules, in terms of spaCy's tags and dependencies.

A *head* is a common noun that names a thing. It gives its lemma, the compound that ends in it, and
the phrases that end in it: with the nearest describing word, and with all of them.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from importlib import resources
from typing import Any, NamedTuple

from freeda_models.protocols import Noun, NounKind

RULES = 2
"""Raise this whenever a caption gives other keys than before: it is part of the extractor's identity,
so that a bank is not silently continued with keys of another make."""

ALONE = "~"
"""Before an entry of a stop list: the noun alone is stopped, a compound that ends in it is not."""

WORD_LISTS = (resources.files("freeda_models") / "data" / "words.toml").read_text(encoding="utf-8")
"""The text of the word lists below."""

_WORDS = tomllib.loads(WORD_LISTS)
COLOURS = frozenset(_WORDS["colours"])
GENERAL_ADJECTIVES = frozenset(_WORDS["general_adjectives"])
PLURAL_ONLY = frozenset(_WORDS["plural_only"])
NAMES = frozenset(_WORDS["names"])

_NOMINAL_DEPENDENCIES = frozenset({"ROOT", "nsubj", "nsubjpass", "dobj", "pobj", "attr", "conj"})
_DETERMINERS = frozenset({"det", "poss", "nummod"})


class _Describing(NamedTuple):
    """Describing words that belong together, ``red and white`` or ``snow-covered``: first and last token."""

    first: int
    last: int


def caption_keys(document: Any, stop: frozenset[str]) -> Iterator[Noun]:
    """Keys of a parsed caption that no entry of the stop list stops; spans are those of its text.

    Args:
        document: a spaCy ``Doc`` with tags, dependencies and lemmas.
        stop: entries as :func:`freeda_models.nouns.extractor.read_stop_nouns` gives them.
    """
    for head in document:
        if _is_thing(document, head) and not _is_denied(head):
            start = _compound_start(document, head)
            compound = _noun(document, start, head, NounKind.COMPOUND).key
            for noun in _keys(document, head, start):
                if not _is_stopped(noun.key, compound, stop):
                    yield noun


def _is_stopped(key: str, compound: str, stop: frozenset[str]) -> bool:
    """``photo`` stops every key that ends in it; ``~lot`` spares ``parking lot``."""
    words = key.split()
    ends = (" ".join(words[first:]) for first in range(len(words)))
    return any(end in stop for end in ends) or not stop.isdisjoint({ALONE + key, ALONE + compound})


def _keys(document: Any, head: Any, start: int) -> Iterator[Noun]:
    if not _is_one_word(document, head, start):
        yield _noun(document, head.i, head, NounKind.NOUN)
    if start < head.i:
        yield _noun(document, start, head, NounKind.COMPOUND)
    describing = list(_describing(document, start, head))
    if describing:
        yield _noun(document, describing[0].first, head, NounKind.PHRASE)
    if len(describing) > 1:
        yield _noun(document, describing[-1].first, head, NounKind.PHRASE)


def _noun(document: Any, first: int, head: Any, kind: NounKind) -> Noun:
    before = (
        " " if word.text == "," else word.lower_ + word.whitespace_ for word in document[first : head.i]
    )
    key = " ".join(("".join(before) + _lemma(head)).split())
    return Noun(key=key, span=(document[first].idx, head.idx + len(head.text)), kind=kind)


def _is_one_word(document: Any, head: Any, start: int) -> bool:
    """The last part of ``t-shirt`` is no key of its own, and a ``hot dog`` is no dog."""
    return bool(_word_start(document, head.i) < head.i or _is_name(document, head, start))


def _is_name(document: Any, head: Any, start: int) -> bool:
    before = document[head.i - 1].lower_ if head.i > start else ""
    return f"{before} {_lemma(head)}" in NAMES


def _word_start(document: Any, last: int) -> int:
    """Index of the first token of a hyphenated word: ``t - shirt`` is three tokens without spaces."""
    first = last
    while (
        first > 1
        and document[first - 1].text == "-"
        and not (document[first - 1].whitespace_ or document[first - 2].whitespace_)
        and document[first - 2].text.isalnum()
    ):
        first -= 2
    return first


def _compound_start(document: Any, head: Any) -> int:
    """Index of the first token of the head's compound: ``fire truck``, ``ice-cream cone``, ``t-shirt``."""
    start = _word_start(document, head.i)
    if start == head.i > 0 and _is_name(document, head, head.i - 1):
        start -= 1
    while start > 0:
        word = document[start - 1]
        first = _word_start(document, word.i)
        joins = word.dep_ == "compound" and start <= word.head.i <= head.i
        if not (joins and all(_joins_compound(part) for part in list(document[first:start])[::2])):
            break
        start = first
    return start


def _joins_compound(word: Any) -> bool:
    """A noun, or what a tagger mistakes for another class in a noun's place: ``velvet``, ``street``."""
    known = word.pos_ in ("NOUN", "ADJ") or (word.pos_ == "PROPN" and word.text.islower())
    joins = word.dep_ == "compound" and word.lower_ not in COLOURS | GENERAL_ADJECTIVES
    return bool(joins and known and word.text.isalpha())


def _describing(document: Any, start: int, head: Any) -> Iterator[_Describing]:
    """Describing words before a compound, the nearest first; commas between them are passed over."""
    while start > 0:
        last = start - 1
        if document[last].text == "," and start < head.i:
            last -= 1
        found = _describing_before(document, last, start, head)
        if found is None:
            return
        yield found
        start = found.first


def _describing_before(document: Any, last: int, start: int, head: Any) -> _Describing | None:
    """Describing words that end at one token, with those that they are joined to by ``and``."""
    first = last + 1
    while last >= 0:
        word = document[last]
        begin = _word_start(document, last)
        chief = _first_of_conjuncts(word)
        if not _describes(chief, word, begin < last, range(min(start, first), head.i + 1)):
            return None
        first = begin
        if chief.i >= first:
            return _Describing(first, last)
        if document[first - 1].lower_ not in ("and", "&", ","):
            return None
        last = first - 2
    return None


def _first_of_conjuncts(word: Any) -> Any:
    """``red`` for the ``white`` of ``red and white``: what the first modifies is modified by both."""
    while word.dep_ == "conj" and word.head.i < word.i:
        word = word.head
    return word


def _describes(chief: Any, word: Any, hyphenated: bool, heads: range) -> bool:
    if chief.head.i not in heads or word.lower_ in GENERAL_ADJECTIVES or not word.text.isalpha():
        return False
    if hyphenated:
        return chief.dep_ in ("amod", "compound", "nmod")
    if word.lower_ in COLOURS or word.lower_ == "orange":
        return chief.dep_ in ("amod", "compound", "nmod")
    return chief.dep_ == "amod" and word.pos_ in ("ADJ", "VERB")


def _is_thing(document: Any, word: Any) -> bool:
    """A common noun that heads its phrase. Two mistakes of small taggers are corrected: a lower-case
    word taken for a name (``penguin``), and one taken for an adjective (``the locomotive``)."""
    lemma = _lemma(word)
    if lemma in COLOURS or len(lemma) < 2 or not lemma.replace("-", "").isalpha():
        return False
    if word.i + 2 < len(document) and _word_start(document, word.i + 2) <= word.i:
        return False  # inside a hyphenated word, as the snow of snow-covered
    if word.pos_ == "NOUN" or (word.pos_ == "PROPN" and word.text.islower()):
        return bool(word.dep_ != "compound")
    mistaken = word.pos_ == "ADJ" and word.dep_ in _NOMINAL_DEPENDENCIES
    return mistaken and any(child.dep_ == "det" and child.i < word.i for child in word.children)


def _is_denied(word: Any) -> bool:
    """``no cars``, ``not any cars``, ``without cars``, ``no cars or dogs``: none is in the picture."""
    while True:
        own = {child.lower_ for child in word.children}
        if "no" in own or (word.dep_ == "pobj" and word.head.lower_ == "without"):
            return True
        if "any" in own and any(child.dep_ == "neg" for child in word.head.children):
            return True
        if word.dep_ != "conj" or any(child.dep_ in _DETERMINERS for child in word.children):
            return False
        alternatives = own | {child.lower_ for child in word.head.children}
        if alternatives.isdisjoint({"or", "nor"}):
            return False
        word = word.head


def _lemma(word: Any) -> str:
    if word.lower_ in PLURAL_ONLY:
        return str(word.lower_)
    return str(word.lemma_).lower()
