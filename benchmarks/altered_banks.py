"""Copies of a bank in which words and pictures do not fit: what retrieval by names costs, and by looks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from freeda_ingest.scores import clip_agreements
from freeda_models.loading import load_key_encoder, load_text_image_encoder
from freeda_models.presets import load_preset
from freeda_models.text.keys import embed_classes, prompts_named
from freeda_store import Bank, Caption, ModelRecord, NewGeneration, NewPrototype
from freeda_store.records import PrototypeInfo

WRONG = 0.3
"""Share of prototypes that another's noun is written under."""

_SYLLABLES = ("zo", "ri", "ku", "pa", "te", "mu", "lo", "shi", "va", "ne")


def with_wrong_captions(source: Path, target: Path, share: float = WRONG) -> None:
    """A copy in which a share of the prototypes, drawn at random, has the noun of another."""
    rng = np.random.default_rng(0)
    with Bank.read(source) as bank:
        infos = list(bank.infos())
    nouns = [info.noun for info in infos]
    for place in np.flatnonzero(rng.random(len(nouns)) < share):
        others = [info.noun for info in infos if info.noun != infos[place].noun]
        nouns[place] = others[rng.integers(len(others))]
    _copy(source, target, infos, nouns)


def in_unknown_words(source: Path, target: Path) -> None:
    """A copy whose captions are of made-up words: no class name is in them, and CLIP knows none of them."""
    rng = np.random.default_rng(1)
    with Bank.read(source) as bank:
        infos = list(bank.infos())
    made: dict[str, str] = {}
    for noun in sorted({info.noun for info in infos}):
        made[noun] = "".join(rng.choice(_SYLLABLES, 3)) + str(len(made))
    _copy(source, target, infos, [made[info.noun] for info in infos])


def with_sentence_keys(source: Path, target: Path, preset: str = "tiny-sentences") -> None:
    """A copy whose keys are those of a sentence encoder, as another preset would have made it."""
    with Bank.read(source) as bank:
        infos = list(bank.infos())
    _copy(source, target, infos, [info.noun for info in infos], preset)


def _copy(
    source: Path, target: Path, infos: Sequence[PrototypeInfo], nouns: Sequence[str], preset_name: str = ""
) -> None:
    """The prototypes under other nouns, with the keys and the agreement with CLIP that these would have."""
    with Bank.read(source) as bank:
        manifest = bank.manifest
        vectors = bank.vectors([info.id for info in infos])
    preset = load_preset(preset_name or manifest.preset)
    clip = load_text_image_encoder(preset, "cpu")
    keys = load_key_encoder(preset, "cpu", clip)
    manifest = manifest.model_copy(update={"preset": preset.name, "keys": ModelRecord.of(keys.identity)})
    words = sorted(set(nouns))
    embedded = embed_classes(keys, words, prompts_named(manifest.templates))
    key_of = dict(zip(words, embedded, strict=True))
    agreements = clip_agreements(clip, vectors.semantics, range(len(nouns)), nouns)
    with Bank.open(target, create=manifest) as bank, bank.write("altered", "altered") as writer:
        rows = zip(infos, nouns, vectors.visuals, vectors.semantics, agreements, strict=True)
        for number, (info, noun, visual, semantic, agreement) in enumerate(rows):
            prototype = NewPrototype(
                noun=noun,
                kind=info.kind,
                span=(0, len(noun)),
                text_key=key_of[noun],
                visual=visual,
                scores=replace(info.scores, clip_agreement=float(agreement)),
                attribution_hw=None,
                semantic=semantic if semantic.any() else None,
            )
            caption = Caption(noun, external_id=str(number), source="altered")
            writer.add([NewGeneration(caption, number, None, (prototype,))])
        writer.commit()
