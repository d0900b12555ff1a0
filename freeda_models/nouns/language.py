"""Whether a caption is English at all: by its script, and by its small words."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter

from freeda_models.nouns.lexicon import Lexicon
from freeda_models.nouns.word_lists import FOREIGN

UNKNOWN = "another language"

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_LATIN_SHARE = 0.5
_ENGLISH_SHARE = 0.6
_FEWEST_WORDS = 3
_SHARED = frozenset(word for words in FOREIGN.values() for word in words)
_SHORT_FOR = re.compile(r"\bw/o?", re.IGNORECASE)
_SCRIPTS = {
    "HIRAGANA": "Japanese",
    "KATAKANA": "Japanese",
    "CJK": "Chinese or Japanese",
    "HANGUL": "Korean",
    "CYRILLIC": "a language in Cyrillic letters",
    "ARABIC": "Arabic or a language in its letters",
    "HEBREW": "Hebrew",
    "DEVANAGARI": "Hindi or a language in its letters",
    "THAI": "Thai",
    "GREEK": "Greek",
}


def other_language(caption: str, lexicon: Lexicon) -> str:
    """The language that a caption seems to be in, if that is not English; empty for English and for what
    holds no words.

    A caption is in another script when most of its letters are. In Latin letters it is in another language
    when it holds that language's small words ("un", "auf", "nad") and few English ones, or when most of its
    words, three or more, are no English ones and its letters have accents.
    """
    words = _WORD.findall(_SHORT_FOR.sub(" ", caption))
    letters = [letter for word in words for letter in word]
    if not letters or not lexicon.nouns:
        return ""
    scripts = Counter(unicodedata.name(letter, "").split(" ")[0] for letter in letters)
    if scripts["LATIN"] < _LATIN_SHARE * len(letters):
        return _script_language(scripts)
    lower = [word.lower() for word in words]
    english = [word for word in lower if _is_english(word, lexicon)]
    if len(english) >= _ENGLISH_SHARE * len(lower):
        return ""
    small = {
        name: sum(_weight(word, lexicon) for word in lower if word in its_words)
        for name, its_words in FOREIGN.items()
    }
    language: str = max(small, key=lambda name: small[name])
    own = sum(word in lexicon.function_words and word not in _SHARED for word in lower)
    if small[language] >= 1 and small[language] > own:
        return language
    accented = any(not word.isascii() for word in lower)
    mostly = len(lower) >= _FEWEST_WORDS and 2 * len(english) < len(lower)
    return UNKNOWN if accented and mostly else ""


def _is_english(word: str, lexicon: Lexicon) -> bool:
    """Whether a word speaks for English. Of two letters only small ones do: a dictionary holds "un"."""
    if word in lexicon.function_words:
        return True
    return len(word) > 2 and word not in _SHARED and lexicon.is_english(word)


def _weight(word: str, lexicon: Lexicon) -> float:
    """How much a small word of another language says: nothing if it is one of English too ("on"), and half if
    it is an English word ("van")."""
    if word in lexicon.function_words:
        return 0.0
    return 0.5 if lexicon.is_english(word) and len(word) > 2 else 1.0


def _script_language(scripts: Counter[str]) -> str:
    if scripts["HIRAGANA"] or scripts["KATAKANA"]:
        return _SCRIPTS["HIRAGANA"]
    script, _ = max(scripts.items(), key=lambda item: (item[0] != "LATIN", item[1]))
    return _SCRIPTS.get(script, "a language in other letters")
