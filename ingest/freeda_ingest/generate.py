"""The first half of the offline stage, on the generator: nouns of the captions, then pictures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from freeda_ingest.batches import SeededCaption, Undrawn
from freeda_ingest.clock import StageClock
from freeda_ingest.errors import ModelOutputError
from freeda_ingest.models import IngestModels
from freeda_ingest.settings import StageSettings
from freeda_ingest.spans import attribution_spans, distinct_nouns, unknown_nouns
from freeda_models.protocols import GeneratedImage, GenerationRequest, ImageGenerator, Noun, Span
from freeda_store.records import Caption


@dataclass(frozen=True)
class PicturedCaption:
    """A caption with its picture.

    Attributes:
        item: the caption.
        nouns: what is looked for in the picture.
        spans: which span's attribution map belongs to each noun.
        picture: what the generator made, finite.
    """

    item: SeededCaption
    nouns: tuple[Noun, ...]
    spans: Mapping[Noun, Span]
    picture: GeneratedImage


@dataclass(frozen=True)
class GeneratedBatch:
    """A batch after the first half of the stage.

    Attributes:
        captions: all of them.
        pictured: those with a picture; none when no missing caption holds a noun.
        without_nouns: missing captions that hold none.
        refused: missing captions that the extractor does not read, as in another language.
        undrawn: missing captions whose picture cannot be used.
        unknown: nouns that the models do not know, with how often they came.
        clock: goes on counting in the second half.
    """

    captions: tuple[SeededCaption, ...]
    pictured: tuple[PicturedCaption, ...]
    without_nouns: tuple[Caption, ...]
    refused: tuple[Undrawn, ...]
    undrawn: tuple[Undrawn, ...]
    unknown: Mapping[str, int]
    clock: StageClock


def generate_batch(
    models: IngestModels, settings: StageSettings, batch: Sequence[SeededCaption]
) -> GeneratedBatch:
    """Find the nouns of captions and generate a picture for each caption that has some.

    All networks are loaded here, so that the second half may run in another thread.

    Raises:
        ModelOutputError: a network breaks its protocol.
    """
    clock = StageClock()
    with clock.stage("load"):
        extractor = models.nouns
    with clock.stage("nouns"):
        found = extractor.extract([item.caption.text for item in batch])
    pairs = [(item, distinct_nouns(nouns)) for item, nouns in zip(batch, found, strict=True)]
    new = [(item, nouns) for item, nouns in pairs if not item.stored]
    empty = [Undrawn(item.caption, extractor.refusal(item.caption.text)) for item, nouns in new if not nouns]
    refused = tuple(each for each in empty if each.reason)
    without = tuple(each.caption for each in empty if not each.reason)
    unknown = Counter(word for _, nouns in new for word in unknown_nouns(nouns, settings.find_unknown))
    pictured: list[PicturedCaption] = []
    undrawn: list[Undrawn] = []
    if len(empty) < len(new):
        with clock.stage("load"):
            generator = models.generator
            _ = models.backbone, models.clip, models.keys
        asked = [(item, nouns, attribution_spans(nouns)) for item, nouns in pairs if nouns]
        with clock.stage("generate"):
            pictures = _generate(generator, [(item, spans) for item, _, spans in asked])
        for (item, nouns, spans), picture in zip(asked, pictures, strict=True):
            if not picture.flaw:
                pictured.append(PicturedCaption(item, nouns, spans, picture))
            elif not item.stored:
                undrawn.append(Undrawn(item.caption, picture.flaw))
    return GeneratedBatch(
        captions=tuple(batch),
        pictured=tuple(pictured),
        without_nouns=without,
        refused=refused,
        undrawn=tuple(undrawn),
        unknown=dict(unknown),
        clock=clock,
    )


def unique_spans(spans: Mapping[Noun, Span]) -> tuple[Span, ...]:
    """The spans whose maps are asked for, in the order of the maps."""
    return tuple(dict.fromkeys(spans.values()))


def _generate(
    generator: ImageGenerator, asked: Sequence[tuple[SeededCaption, Mapping[Noun, Span]]]
) -> list[GeneratedImage]:
    requests = [GenerationRequest(item.caption.text, item.seed, unique_spans(spans)) for item, spans in asked]
    pictures = generator.generate(requests)
    given = [(len(p.attribution_shw), len(p.inside_window)) for p in pictures]
    expected = [(len(r.spans), len(r.spans)) for r in requests]
    if given != expected:
        raise ModelOutputError(
            f"generator {generator.identity.id} gave maps {given} for spans {expected}; "
            "it must give one picture per request and one map per span."
        )
    return pictures
