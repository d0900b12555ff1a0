"""Captions as the parser reads them best: in fragments, in small letters, with known compounds as one word.

The web writes ``Red Running Shoes | Shop #shoes`` and ``pasta w/ sauce``; a parser has learnt sentences.
A caption is cut at bars, brackets and spaced dashes, shouted words and titles become small letters, and each
known compound ("fire hydrant") is replaced by one plain noun, which no parser mistakes for a verb. Each
character keeps the place in the caption that it stands for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from freeda_models.nouns.lexicon import LONGEST, Lexicon
from freeda_models.nouns.word_lists import (
    AFTER_NOUN,
    ANIMATE,
    BEFORE_NOUN,
    COLOURS,
    FORBIDDEN,
    GENERAL_ADJECTIVES,
    GIVEN_NAMES,
    NAMES,
)
from freeda_models.protocols import Span

STAND_INS = {
    (False, False): "truck",
    (False, True): "trucks",
    (True, False): "woman",
    (True, True): "women",
}
"""What a known noun is to the parser: by whether a verb follows, and whether it is a plural."""

_PIECE = re.compile(
    r"""(?P<address>https?://\S+|www\.\S+)
    |(?P<tag>\#\w+)
    |(?P<without>\b[wW]/[oO]\b)
    |(?P<with>\b[wW]/)
    |(?P<bar>[|•·;()\[\]{}]|(?<!\w):|:(?=\s|$)|(?<=\s)[-–—/~](?=\s)|[–—])
    |(?P<word>[^\W_]+(?:['’][^\W\d_]+)?)
    |(?P<space>\s+)
    |(?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)
_TITLE_SHARE = 0.6
_SIGNS = frozenset({"sign", "signs"})


class _Piece(NamedTuple):
    kind: str
    text: str
    start: int

    @property
    def stop(self) -> int:
        return self.start + len(self.text)


@dataclass(frozen=True)
class Known:
    """A known compound or noun, which the parser sees as one plain word.

    Attributes:
        words: all of it, in small letters, as it stands.
        key: the same in the singular.
        head: its last word in the singular, empty where that names another thing ("hot dog").
        head_span: where the last word is in the caption.
        describes: whether the first word is a describing one ("golden retriever").
    """

    words: str
    key: str
    head: str
    head_span: Span
    describes: bool

    @property
    def several(self) -> bool:
        """Whether it is a compound, not a single word that a parser might take for another class."""
        return " " in self.key


@dataclass
class Fragment:
    """A part of a caption that is parsed by itself.

    Attributes:
        text: for the parser; white space is one space.
        origin: for each character of it, the span of the caption that it stands for.
        known: known compounds, by the character where their stand-in begins.
        listed: it is a list of nouns and nothing else, as ``cat dog bird``.
    """

    text: str = ""
    origin: list[Span] = field(default_factory=list)
    known: dict[int, Known] = field(default_factory=dict)
    listed: bool = False

    def add(self, text: str, start: int, stop: int, *, whole: bool = False) -> None:
        """Append what stands for a span of the caption: a character for each, or ``whole`` for all of it."""
        self.text += text
        if whole or len(text) != stop - start:
            self.origin += [(start, stop)] * len(text)
        else:
            self.origin += [(place, place + 1) for place in range(start, stop)]


def fragments(caption: str, lexicon: Lexicon) -> Iterator[Fragment]:
    """The fragments of a caption, in order; none of them is empty."""
    parts: list[list[_Piece]] = [[]]
    tags: list[_Piece] = []
    for found in _PIECE.finditer(caption):
        piece = _Piece(str(found.lastgroup), found[0], found.start())
        if piece.kind == "bar" and lexicon.nouns:
            parts.append([])
        elif piece.kind == "tag" and lexicon.nouns:
            tags.append(piece)
        else:
            parts[-1].append(piece)
    titled = _is_titled([piece.text for part in parts for piece in part if piece.kind == "word"])
    for part in parts:
        made = _Maker(part, lexicon, titled).make()
        if made.text.strip():
            yield made
    for tag in tags:
        word = tag.text[1:].lower()
        if lexicon.is_thing(word) and len(word) == len(tag.text) - 1:
            made = Fragment(listed=True)
            made.add(word, tag.start + 1, tag.stop)
            yield made


def _is_titled(words: list[str]) -> bool:
    """Captions In Title Case or ALL CAPITALS: there, capitals say nothing of names."""
    long = [word for word in words if len(word) > 3 and word[0].isalpha()]
    capital = sum(word[0].isupper() for word in long)
    if all(word.isupper() for word in words if word[0].isalpha()):
        return True
    return len(long) > 1 and capital >= (_TITLE_SHARE * len(long) if capital > 2 else len(long))


class _Maker:
    """Writes one fragment."""

    def __init__(self, pieces: list[_Piece], lexicon: Lexicon, titled: bool) -> None:
        self._pieces, self._lexicon, self._titled = pieces, lexicon, titled
        self._first = next((i for i, piece in enumerate(pieces) if piece.kind == "word"), -1)
        self._made = Fragment()

    def make(self) -> Fragment:
        self._made.listed = self._is_list()
        if not self._made.listed and self._begins_bare():
            start = self._pieces[self._first].start
            self._made.add("the ", start, start, whole=True)
        place = 0
        while place < len(self._pieces):
            length = 0 if self._made.listed else self._compound_at(place)
            if length:
                self._add_compound(place, length)
                place += length
            elif not self._made.listed and self._is_plain_noun(place):
                self._add_noun(place)
                place += 1
            else:
                self._add(place)
                place += 1
        return self._made

    def _begins_bare(self) -> bool:
        """Whether it begins with a noun or what describes one, and no article: then the parser gets one."""
        if self._first < 0:
            return False
        word, lexicon = self._cased(self._first), self._lexicon
        if not word.islower() or word in lexicon.function_words or len(word) < 3 or not word.isalpha():
            return False
        following = self._neighbour(self._first, 1)
        if word.endswith("ing") and (not following or following in lexicon.function_words):
            return False
        return lexicon.is_noun(word) or word in lexicon.others or word.endswith(("ing", "ed"))

    def _neighbour(self, place: int, step: int) -> str:
        """The word right before or after another, or nothing."""
        other = place + 2 * step
        between = place + step
        if not (0 <= other < len(self._pieces) and self._pieces[between].kind == "space"):
            return ""
        return self._pieces[other].text.lower() if self._pieces[other].kind == "word" else ""

    def _is_plain_noun(self, place: int) -> bool:
        """Whether a word can only be a noun, or names a thing and stands as a noun does: ``a can.``"""
        piece, lexicon = self._pieces[place], self._lexicon
        text = self._cased(place)
        if piece.kind != "word" or not text.islower() or not text.isalpha() or len(text) < 3:
            return False
        if self._is_hyphenated(place - 1) or self._is_hyphenated(place + 1) or text in COLOURS:
            return False
        before, after = self._neighbour(place, -1), self._neighbour(place, 1)
        if after and after not in AFTER_NOUN:
            return False
        begins = before in BEFORE_NOUN or before in COLOURS or (not after and before in lexicon.others)
        if lexicon.is_only_noun(text):
            return lexicon.is_thing(text) or not before
        return lexicon.is_thing(text) and begins

    def _add_noun(self, place: int) -> None:
        piece, made = self._pieces[place], self._made
        word = piece.text.lower()
        key = word if word in self._lexicon.nouns and not word.endswith("s") else self._lexicon.singular(word)
        made.known[len(made.text)] = Known(word, key, key, (piece.start, piece.stop), describes=False)
        made.add(STAND_INS[False, word != key], piece.start, piece.stop, whole=True)

    def _add(self, place: int) -> None:
        piece, made = self._pieces[place], self._made
        if piece.kind == "space":
            if made.text and not made.text.endswith(" "):
                made.add(" ", piece.start, piece.stop, whole=True)
        elif piece.kind in ("with", "without") and self._lexicon.nouns:
            made.add(f"{piece.kind} ", piece.start, piece.stop, whole=True)
        else:
            made.add(self._cased(place), piece.start, piece.stop)

    def _cased(self, place: int) -> str:
        text = self._pieces[place].text
        lower = text.lower()
        if self._pieces[place].kind != "word" or lower == text or len(lower) != len(text):
            return text
        if not self._lexicon.nouns:
            return lower if self._titled else text
        shouted = text.isupper() and len(text) > 3
        if self._titled or shouted:
            return lower if self._lexicon.is_english(lower) or not self._is_name_like(text) else text.title()
        if place != self._first or lower in GIVEN_NAMES or lower in self._lexicon.function_words:
            return text
        return lower if self._lexicon.is_english(lower) else text

    def _is_name_like(self, text: str) -> bool:
        """A word that is none of English, in a title with others that are: most likely a name."""
        return len(text) > 1 and len(self._pieces) > 1

    def _compound_at(self, place: int) -> int:
        """How many pieces from here on are a known compound; 0 when none."""
        if self._pieces[place].kind != "word" or self._is_hyphenated(place - 1):
            return 0
        for words in range(LONGEST, 1, -1):
            stop = place + 2 * words - 1
            pieces = self._pieces[place:stop]
            if len(pieces) == 2 * words - 1 and self._is_compound(pieces, place, stop):
                return len(pieces)
        return 0

    def _is_compound(self, pieces: list[_Piece], place: int, stop: int) -> bool:
        kinds = ["word", "space"] * (len(pieces) // 2) + ["word"]
        if [piece.kind for piece in pieces] != kinds or self._is_hyphenated(stop):
            return False
        words = [piece.text.lower() for piece in pieces[::2]]
        if _is_prohibition(words):
            return bool(self._lexicon.nouns)
        name = self._lexicon.compound(words)
        before = self._neighbour(place, -1)
        if not name or (before in ("a", "an") and not name.endswith(words[-1])):
            return False  # in "a fish flies" no fish fly is meant
        return not (words[0].endswith("ing") and before in ANIMATE)

    def _is_hyphenated(self, place: int) -> bool:
        return 0 <= place < len(self._pieces) and self._pieces[place].text == "-"

    def _add_compound(self, place: int, length: int) -> None:
        pieces = self._pieces[place : place + length]
        words = [piece.text.lower() for piece in pieces[::2]]
        key = self._lexicon.compound(words) or " ".join([*words[:-1], words[-1].removesuffix("s")])
        last = key.split()[-1]
        known = Known(
            words=" ".join(words),
            key=key,
            head="" if key in NAMES else last,
            head_span=(pieces[-1].start, pieces[-1].stop),
            describes=key not in NAMES and (words[0] in COLOURS or self._describes(words[0])),
        )
        made = self._made
        made.known[len(made.text)] = known
        acts = self._acts(self._neighbour(place + length - 1, 1))
        stand_in = STAND_INS[acts, words[-1] != last]
        made.add(stand_in, pieces[0].start, pieces[-1].stop, whole=True)

    def _acts(self, following: str) -> bool:
        """Whether what follows a noun is likely its verb."""
        if following == "half" or following.endswith(("ing", "ed")):
            return True
        verbs, bare = self._lexicon.verbs, following.removesuffix("s")
        is_third_person = bare != following and (bare in verbs or bare.removesuffix("e") in verbs)
        return is_third_person and following not in self._lexicon.function_words

    def _describes(self, word: str) -> bool:
        return word in self._lexicon.others and word not in self._lexicon.nouns

    def _is_list(self) -> bool:
        """Three nouns or more and nothing between them, of things that are no compound together."""
        if any(piece.kind not in ("word", "space") for piece in self._pieces):
            return False
        places = [place for place, piece in enumerate(self._pieces) if piece.kind == "word"]
        words = [self._cased(place) for place in places]
        if len(words) < 3 or set(words) & (COLOURS | GENERAL_ADJECTIVES):
            return False
        if not all(word.islower() and self._lexicon.is_noun(word) for word in words):
            return False
        if any(self._compound_at(place) for place in places):
            return False
        plain = all(self._lexicon.is_thing(word) for word in words)
        plurals = [self._lexicon.is_plural(word) and self._lexicon.is_thing(word) for word in words[:-1]]
        return plain or (sum(plurals) > 0 and all(map(self._names_thing, words)))

    def _names_thing(self, word: str) -> bool:
        lexicon = self._lexicon
        return lexicon.is_thing(word) or (
            word not in lexicon.others and word not in lexicon.verbs and word not in lexicon.function_words
        )


def _is_prohibition(words: list[str]) -> bool:
    """``no parking sign`` denies no sign."""
    return (
        len(words) == 3
        and words[0] == "no"
        and (words[1].endswith("ing") or words[1] in FORBIDDEN)
        and words[2] in _SIGNS
    )
