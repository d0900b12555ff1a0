"""New concepts for a bank, from their names alone: captions that show them in varied scenes.

A caption is the concept, a place and a light: ``a forklift in a workshop in daylight``. The words come
from ``data/scenes.toml``; those that a preset's models do not know are left out. The captions of a
concept have an order that follows from its name and the seed: more of them begin with the same ones.

Where the concept stands in its captions is known, so it gets its prototypes whether or not the noun
extractor takes it for a noun. The nouns of the scenes get none, so that nothing else in the bank changes.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from pathlib import Path

from typing_extensions import override

from freeda_ingest.errors import OptionError
from freeda_ingest.executors.local import LocalExecutor
from freeda_ingest.ingestor import CaptionRecipe, RunOptions, open_ingestor
from freeda_ingest.manifests import stage_settings
from freeda_ingest.models import IngestModels, PresetModels
from freeda_ingest.report import IngestReport, ProgressCallback
from freeda_ingest.settings import knows_all
from freeda_ingest.spans import FindUnknown
from freeda_models.presets import Preset, preset_for_bank
from freeda_models.protocols import (
    DenseBackbone,
    ImageGenerator,
    ModelIdentity,
    Noun,
    NounExtractor,
    NounKind,
    Span,
    TextEncoder,
    TextImageEncoder,
)
from freeda_store.peek import read_manifest
from freeda_store.records import Caption

SOURCE = "freeda bank add"
"""Provenance of the captions made here."""

DEFAULT_IMAGES = 20
DEFAULT_OPTIONS = RunOptions()
MAX_WORDS, MAX_CHARACTERS = 6, 60
_NAME = re.compile(r"[^\W_]+(?:[ '’-][^\W_]+)*")
_ARTICLES = ("a", "an", "the")
_PLACING = frozenset({"a", "an", "the", "at", "by", "from", "in", "of", "on", "seen", "under"})


@dataclass(frozen=True)
class ConceptCaption:
    """A caption made for a concept.

    Attributes:
        concept: its name, the key of the prototypes to come.
        caption: what to draw; ``external_id`` numbers it.
        span: characters of the caption's text where the concept stands, without its article.
    """

    concept: str
    caption: Caption
    span: Span


def parse_concepts(names: Sequence[str]) -> tuple[str, ...]:
    """Names as a bank writes them: small letters, single spaces, no article; each once.

    Raises:
        OptionError: there is none, or one is no name.
    """
    parsed = tuple(dict.fromkeys(map(_parse, names)))
    if not parsed:
        raise OptionError("no concept was given; name at least one, for example 'forklift'.")
    return parsed


def _parse(given: str) -> str:
    words = given.lower().split()
    name = " ".join(words[1:] if words and words[0] in _ARTICLES else words)
    if not _NAME.fullmatch(name):
        raise OptionError(
            f"'{given}' cannot be a concept; give a noun or a short phrase such as 'red forklift', "
            "and several concepts as several arguments."
        )
    if len(name.split()) > MAX_WORDS or len(name) > MAX_CHARACTERS:
        raise OptionError(
            f"'{given}' is too long for a concept; give at most {MAX_WORDS} words and "
            f"{MAX_CHARACTERS} characters."
        )
    return name


def concept_captions(
    concept: str, images: int = DEFAULT_IMAGES, seed: int = 0, find_unknown: FindUnknown = knows_all
) -> list[ConceptCaption]:
    """Captions that show a concept in different places and lights.

    Places come all once before one comes again. When the scenes are used up they come again, to be
    drawn with other seeds.

    Args:
        concept: its name, as :func:`parse_concepts` writes it.
        images: how many captions; a larger number begins with the captions of a smaller one.
        seed: of the scenes' order.
        find_unknown: those of some words that the models do not know; scenes with such are left out.

    Raises:
        OptionError: images is below 1.
    """
    if images < 1:
        raise OptionError(f"images is {images}; give a number from 1 on.")
    scenes = _scenes(find_unknown, f"{seed} {concept}")
    article = _article(concept)
    span = (len(article), len(article) + len(concept))
    made = []
    for number in range(images):
        text = " ".join((article + concept, *scenes[number % len(scenes)]))
        caption = Caption(
            text, external_id=f"{concept} {number + 1}", source=SOURCE, extra={"concept": concept}
        )
        made.append(ConceptCaption(concept, caption, span))
    return made


def _article(concept: str) -> str:
    """``a `` or ``an ``; nothing before what looks like a plural."""
    if concept.endswith("s") and not concept.endswith(("ss", "us", "is")):
        return ""
    return "an " if concept[0] in "aeiou" else "a "


@cache
def _groups() -> tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]:
    """Places and lights that go together."""
    text = (resources.files("freeda_ingest") / "data" / "scenes.toml").read_text(encoding="utf-8")
    return tuple((tuple(group["places"]), tuple(group["lights"])) for group in tomllib.loads(text)["scenes"])


def _scenes(find_unknown: FindUnknown, order: str) -> list[tuple[str, ...]]:
    """Places with lights, in an order that follows from a text; one empty scene when no place is known."""
    of_place = []
    for places, lights in _groups():
        known = _known(lights, find_unknown)
        for place in _known(places, find_unknown):
            mixed = _mixed(known, f"{order} {place}")
            of_place.append([(place, light) for light in mixed] if mixed else [(place,)])
    turns = max(map(len, of_place), default=0)
    scenes: list[tuple[str, ...]] = []
    for turn in range(turns):
        row = [of[turn] for of in of_place if turn < len(of)]
        scenes += sorted(row, key=lambda scene: _draw(f"{order} {turn} {scene[0]}"))
    return scenes or [()]


def _known(phrases: Sequence[str], find_unknown: FindUnknown) -> list[str]:
    """Phrases of which every word is known, but for those that only place things."""
    things = {phrase: " ".join(word for word in phrase.split() if word not in _PLACING) for phrase in phrases}
    unknown = set(find_unknown(list(things.values())))
    return [phrase for phrase, thing in things.items() if thing not in unknown]


def _mixed(items: Sequence[str], order: str) -> list[str]:
    return sorted(items, key=lambda item: _draw(f"{order} {item}"))


def _draw(text: str) -> bytes:
    """A fair draw that is the same on every machine."""
    return hashlib.sha256(text.encode()).digest()


class ConceptNouns(NounExtractor):
    """A :class:`~freeda_models.protocols.NounExtractor` that knows where concepts stand.

    A concept's caption has one noun, the concept. The real extractor is asked where its head is: the
    map of "red forklift" is read at "forklift" (see :mod:`freeda_ingest.spans`). Other captions are left
    to it.

    Args:
        real: the preset's extractor.
        placed: captions with their concepts.
    """

    def __init__(self, real: NounExtractor, placed: Sequence[ConceptCaption]) -> None:
        self._real = real
        self._placed = {each.caption.text: each for each in placed}

    @property
    @override
    def identity(self) -> ModelIdentity:
        """The real extractor's: concepts belong into the bank that it made."""
        return self._real.identity

    @override
    def extract(self, captions: Sequence[str]) -> list[tuple[Noun, ...]]:
        """The concept of each caption, or what the real extractor finds."""
        found = self._real.extract(captions)
        return [self._of(text, nouns) for text, nouns in zip(captions, found, strict=True)]

    def _of(self, text: str, nouns: tuple[Noun, ...]) -> tuple[Noun, ...]:
        placed = self._placed.get(text)
        return nouns if placed is None else (_noun(placed, nouns),)


def _noun(placed: ConceptCaption, nouns: Sequence[Noun]) -> Noun:
    start, stop = placed.span
    whole = [noun.kind for noun in nouns if noun.span == placed.span]
    heads = [
        noun.span
        for noun in nouns
        if noun.kind is not NounKind.PHRASE and noun.span[1] == stop and noun.span[0] > start
    ]
    several = " " in placed.concept
    guess = NounKind.NOUN if not several else NounKind.PHRASE if heads else NounKind.COMPOUND
    kind = whole[0] if whole else guess
    head = min(heads, default=None) if kind is NounKind.PHRASE else None
    return Noun(placed.concept, placed.span, kind, head)


class ConceptModels(IngestModels):
    """Networks, with :class:`ConceptNouns` for the noun extractor; each is loaded when first asked for.

    Args:
        models: the networks.
        placed: captions with their concepts.
    """

    def __init__(self, models: IngestModels, placed: Sequence[ConceptCaption]) -> None:
        self._models = models
        self._placed = placed

    @property
    @override
    def device(self) -> str:
        return self._models.device

    @property
    @override
    def nouns(self) -> NounExtractor:
        return ConceptNouns(self._models.nouns, self._placed)

    @property
    @override
    def generator(self) -> ImageGenerator:
        return self._models.generator

    @property
    @override
    def backbone(self) -> DenseBackbone:
        return self._models.backbone

    @property
    @override
    def clip(self) -> TextImageEncoder:
        return self._models.clip

    @property
    @override
    def keys(self) -> TextEncoder:
        return self._models.keys


def captions_of(
    concepts: Sequence[str],
    images: int = DEFAULT_IMAGES,
    seed: int = 0,
    find_unknown: FindUnknown = knows_all,
) -> list[ConceptCaption]:
    """Captions of several concepts, taking turns, so that a run cut short has some of each.

    Raises:
        OptionError: see :func:`concept_captions`.
    """
    each = [concept_captions(concept, images, seed, find_unknown) for concept in concepts]
    return [placed for turn in zip(*each, strict=True) for placed in turn]


def add_concepts(
    address: str | Path,
    concepts: Sequence[str],
    *,
    images: int = DEFAULT_IMAGES,
    preset: str | Preset | None = None,
    device: str = "auto",
    options: RunOptions = DEFAULT_OPTIONS,
    progress: ProgressCallback | None = None,
) -> IngestReport:
    """Draw concepts in varied scenes and add their prototypes to a bank, as one revision.

    The same call again adds nothing, or goes on where it was cut short; a larger ``images`` adds the
    difference. :func:`freeda_store.views.separation.measure_separation` then measures how the concepts lie.

    Args:
        address: of a bank that exists.
        concepts: names such as ``forklift`` or ``red forklift``; new ones, or ones the bank has.
        images: pictures per concept, in all.
        preset: name, path or preset; by default the one that made the bank.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``mps``.
        options: seed, batch size and message count.
        progress: called after every batch.

    Raises:
        OptionError: a name cannot be a concept, or images is below 1.
        BankMissingError, ManifestMismatchError, PresetError, ModelError: see
            :func:`freeda_ingest.ingestor.open_ingestor`; there must be a bank already.
    """
    names = parse_concepts(concepts)
    chosen = preset_for_bank(preset, read_manifest(address))
    placed = captions_of(names, images, options.seed, stage_settings(chosen).find_unknown)

    def executor(recipe: CaptionRecipe) -> LocalExecutor:
        models = ConceptModels(PresetModels(recipe.preset, device), placed)
        return LocalExecutor(models, stage_settings(recipe.preset))

    run = replace(options, limit=len(placed), message=options.message or f"add {', '.join(names)}")
    with open_ingestor(address, chosen, device=device, executor=executor) as ingestor:
        return ingestor.run([each.caption for each in placed], run, progress)
