"""Words that are known beforehand: compounds that name one thing, singulars, and what is English at all.

Compounds and things are packaged lists; single words are those of the spaCy pipeline's lemmatizer, which
has WordNet's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

from freeda_models.nouns.word_lists import NAMES, PLURAL_ONLY, SINGULARS

LONGEST = 4
"""Words in the longest compound."""

_ENDINGS = (("ves", "f"), ("ves", "fe"), ("men", "man"), ("ies", "y"), ("es", ""), ("s", ""))
_VERB_ENDINGS = (
    *(("s", ""), ("es", ""), ("ies", "y")),
    *(("ed", ""), ("ed", "e"), ("d", ""), ("ing", ""), ("ing", "e")),
)


def packaged_names(file: str) -> frozenset[str]:
    """The lines of a packaged list, without comments."""
    lines = packaged_text(file).splitlines()
    return frozenset(line for line in lines if line and not line.startswith("#"))


def packaged_text(file: str) -> str:
    """A packaged list as it is."""
    return (resources.files("freeda_models") / "data" / file).read_text(encoding="utf-8")


COMPOUNDS = "compounds.txt"
THINGS = "things.txt"


@dataclass(frozen=True)
class Lexicon:
    """What is known of words, all in lower case and in the singular.

    Attributes:
        nouns, verbs, others: single words by class; ``others`` are adjectives and adverbs.
        irregular: singulars of irregular plurals.
        function_words: "the", "with" and their like.
        compounds: names of things in several words.
        things: names of things in one word.
    """

    nouns: frozenset[str] = frozenset()
    verbs: frozenset[str] = frozenset()
    others: frozenset[str] = frozenset()
    irregular: Mapping[str, str] = field(default_factory=dict)
    function_words: frozenset[str] = frozenset()
    compounds: frozenset[str] = frozenset()
    things: frozenset[str] = frozenset()

    def singular(self, word: str) -> str:
        """The singular of a noun in lower case: of those that are words, the one spelt most like it.

        ``vases`` is ``vase`` and ``cookies`` is ``cookie``, though ``vas`` and ``cooky`` are words too.
        """
        if word in PLURAL_ONLY or word in SINGULARS:
            return SINGULARS.get(word, word)
        plain = word[:-1]
        if word.endswith("s") and plain in self.things:
            return plain
        if word.endswith(("ses", "xes", "zes")) and plain in self.nouns:
            return plain
        if word in self.irregular:
            return self.irregular[word]
        if word.endswith(("ss", "us", "is")) and word in self.nouns:
            return word
        if word.endswith("s") and plain in self.nouns:
            return plain
        for ending, replacement in _ENDINGS:
            if word.endswith(ending) and word[: -len(ending)] + replacement in self.nouns:
                return word[: -len(ending)] + replacement
        return word

    def is_plural(self, word: str) -> bool:
        """Whether a word is a plural of a known noun, and no noun itself."""
        return word not in self.nouns and self.singular(word) != word

    def is_noun(self, word: str) -> bool:
        """Whether a word, or its singular, may be a noun."""
        return word in self.nouns or self.singular(word) in self.nouns or word in PLURAL_ONLY

    def is_thing(self, word: str) -> bool:
        """Whether a word names a thing of a list, in the singular or plural."""
        return word in self.things or self.singular(word) in self.things

    def is_only_noun(self, word: str) -> bool:
        """Whether a word, or its singular, is a noun and nothing else."""
        if word.endswith("ing") and word not in self.things:
            return False  # a dictionary has "hanging" as a noun alone
        single = self.singular(word)
        rest = (self.verbs, self.others, self.function_words)
        return single in self.nouns and not any(form in each for form in (word, single) for each in rest)

    def is_english(self, word: str) -> bool:
        """Whether a word is an English one, in any form."""
        if word in self.function_words or self.is_noun(word) or word in self.verbs or word in self.others:
            return True
        return any(
            word.endswith(ending) and word[: -len(ending)] + replacement in self.verbs
            for ending, replacement in _VERB_ENDINGS
        ) or (word.endswith(("er", "est")) and word.removesuffix("est").removesuffix("er") in self.others)

    def compound(self, words: list[str]) -> str:
        """The compound that words make, in the singular, or nothing."""
        *first, last = words
        forms = (self._singular_in_compound(last), last, last.removesuffix("s"), last.removesuffix("es"))
        for form in dict.fromkeys(forms):
            name = " ".join([*first, form])
            if name in self.compounds or name in NAMES:
                return name
        return ""

    def _singular_in_compound(self, last: str) -> str:
        """``glasses`` alone are worn, ``wine glasses`` are drunk from."""
        return last.removesuffix("es") if last == "glasses" else self.singular(last)


def english_lexicon(pipeline: Any) -> Lexicon:
    """The lexicon of an English spaCy pipeline; an empty one for another language."""
    if pipeline.lang != "en" or "lemmatizer" not in pipeline.pipe_names:
        return Lexicon()
    lookups = pipeline.get_pipe("lemmatizer").lookups
    index, exceptions = lookups.get_table("lemma_index"), lookups.get_table("lemma_exc")
    things = packaged_names(THINGS)
    return Lexicon(
        nouns=frozenset(index["noun"]) | things,
        verbs=frozenset(index["verb"]),
        others=frozenset(index["adj"]) | frozenset(index["adv"]),
        irregular={plural: singulars[0] for plural, singulars in exceptions["noun"].items()},
        function_words=frozenset(pipeline.Defaults.stop_words),
        compounds=packaged_names(COMPOUNDS),
        things=things,
    )
