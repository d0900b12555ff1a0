"""The word lists of ``data/words.toml``."""

from __future__ import annotations

import tomllib
from importlib import resources

WORD_LISTS = (resources.files("freeda_models") / "data" / "words.toml").read_text(encoding="utf-8")
"""Their text."""

_WORDS = tomllib.loads(WORD_LISTS)
COLOURS = frozenset(_WORDS["colours"])
GENERAL_ADJECTIVES = frozenset(_WORDS["general_adjectives"])
PLURAL_ONLY = frozenset(_WORDS["plural_only"])
NAMES = frozenset(_WORDS["names"])
SINGULARS: dict[str, str] = _WORDS["singulars"]
ANIMATE = frozenset(_WORDS["animate"])
BEFORE_NOUN = frozenset(_WORDS["before_noun"])
AFTER_NOUN = frozenset(_WORDS["after_noun"])
FORBIDDEN = frozenset(_WORDS["forbidden"])
GIVEN_NAMES = frozenset(_WORDS["given_names"])
TIMES = frozenset(_WORDS["times"])
FOREIGN: dict[str, frozenset[str]] = {
    language: frozenset(words.split()) for language, words in _WORDS["foreign"].items()
}
