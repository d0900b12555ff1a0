"""Which noun keys a parsed caption gives: the rules, in terms of spaCy's tags and dependencies.

A *head* is a common noun that names a thing. It gives its lemma, the compound that ends in it, and
the phrases that end in it: with the nearest describing word, and with all of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from freeda_models.nouns.fragments import Fragment, Known
from freeda_models.nouns.lexicon import Lexicon
from freeda_models.nouns.word_lists import COLOURS, GENERAL_ADJECTIVES, NAMES, PLURAL_ONLY, SINGULARS, TIMES
from freeda_models.protocols import Noun, NounKind, Span

RULES = 3
"""Raise this whenever a caption gives other keys than before: it is part of the extractor's identity,
so that a bank is not silently continued with keys of another make."""

ALONE = "~"
"""Before an entry of a stop list: the noun alone is stopped, a compound that ends in it is not."""

_FREEDA = "freeda"
_COUNTS = frozenset({"several", "many", "some", "few", "both"})
_NOMINAL_DEPENDENCIES = frozenset({"ROOT", "nsubj", "nsubjpass", "dobj", "pobj", "attr", "conj"})
_DETERMINERS = frozenset({"det", "poss", "nummod"})


class _Describing(NamedTuple):
    """Describing words that belong together, ``red and white`` or ``snow-covered``: first and last token."""

    first: int
    last: int


def caption_keys(document: Any, fragment: Fragment, lexicon: Lexicon, stop: frozenset[str]) -> Iterator[Noun]:
    """Keys of a parsed fragment that no entry of the stop list stops; spans are those of the caption.

    Args:
        document: a spaCy ``Doc`` of the fragment's text with tags, dependencies and lemmas.
        fragment: what was parsed, and what its words stand for.
        lexicon: known words.
        stop: entries as :func:`freeda_models.nouns.extractor.read_stop_nouns` gives them.
    """
    document.user_data[_FREEDA] = (fragment, lexicon)
    for head in document:
        if fragment.listed:
            found = [_noun(document, head.i, head, NounKind.NOUN)] if head.is_alpha else []
            compound = ""
        elif _is_thing(document, head) and not _is_denied(head) and not _is_time(head):
            start = _compound_start(document, head)
            compound = _noun(document, start, head, NounKind.COMPOUND).key
            found = list(_keys(document, head, start))
        else:
            continue
        of = " of" if head.i + 1 < len(document) and document[head.i + 1].lower_ == "of" else ""
        for noun in found:
            before_of = bool(of) and _is_stopped(noun.key + of, "", stop)
            if not before_of and not _is_stopped(noun.key, compound, stop):
                yield noun


def _is_stopped(key: str, compound: str, stop: frozenset[str]) -> bool:
    """``photo`` stops every key that ends in it; ``~lot`` spares ``parking lot``."""
    words = key.split()
    ends = (" ".join(words[first:]) for first in range(len(words)))
    return any(end in stop for end in ends) or not stop.isdisjoint({ALONE + key, ALONE + compound})


def _keys(document: Any, head: Any, start: int) -> Iterator[Noun]:
    known = _known(head)
    if known is not None and known.head:
        yield Noun(key=known.head, span=known.head_span, kind=NounKind.NOUN)
    elif known is None and not _is_one_word(document, head, start):
        yield _noun(document, head.i, head, NounKind.NOUN)
    if known is not None and known.several and start == head.i:
        kind = NounKind.PHRASE if known.describes else NounKind.COMPOUND
        yield _noun(document, head.i, head, kind)
    if start < head.i:
        yield _noun(document, start, head, NounKind.COMPOUND)
    describing = list(_describing(document, start, head))
    if describing:
        yield _noun(document, describing[0].first, head, NounKind.PHRASE)
    if len(describing) > 1:
        yield _noun(document, describing[-1].first, head, NounKind.PHRASE)


def _noun(document: Any, first: int, head: Any, kind: NounKind) -> Noun:
    before = (
        " " if word.text == "," else _lower(word) + word.whitespace_ for word in document[first : head.i]
    )
    key = " ".join(("".join(before) + _lemma(head)).split())
    return Noun(key=key, span=_span(document[first], head), kind=kind)


def _span(first: Any, last: Any) -> Span:
    fragment, _ = first.doc.user_data[_FREEDA]
    return fragment.origin[first.idx][0], fragment.origin[last.idx + len(last.text) - 1][1]


def _known(word: Any) -> Known | None:
    """The compound that a word stands for."""
    fragment, _ = word.doc.user_data[_FREEDA]
    known: Known | None = fragment.known.get(word.idx)
    return known


def _lower(word: Any) -> str:
    known = _known(word)
    return known.words if known is not None else str(word.lower_)


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
    if _known(word) is not None:
        return bool(word.dep_ == "compound")
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
    if _known(word) is not None:
        return bool(word.dep_ != "compound")
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


def _is_time(word: Any) -> bool:
    """``at sunset`` is no sunset to segment."""
    return bool(word.lower_ in TIMES and word.dep_ == "pobj" and word.head.lower_ == "at")


def _lemma(word: Any) -> str:
    """The singular: by the lexicon, where it knows the word, else as the pipeline says."""
    known = _known(word)
    if known is not None:
        return known.key
    lower = str(word.lower_)
    if lower in PLURAL_ONLY:
        return "glass" if lower == "glasses" and _is_counted(word) else lower
    _, lexicon = word.doc.user_data[_FREEDA]
    plural = word.tag_ in ("NNS", "NNPS") or lexicon.is_plural(lower)
    singular: str = lexicon.singular(lower) if plural else lower
    return singular if singular != lower or lower in SINGULARS else str(word.lemma_).lower()


def _is_counted(word: Any) -> bool:
    """``two glasses`` are to drink from."""
    return any(child.dep_ == "nummod" or child.lower_ in _COUNTS for child in word.children)
