"""The offline stage for one batch: nouns, pictures, features, masks, prototypes, keys, scores.

:func:`process_batch` is a function of its captions and of nothing before it: no state is carried
from batch to batch, so any process may compute any batch, and again, with the same result.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from freeda_models.protocols import (
    FloatArray,
    GeneratedImage,
    GenerationRequest,
    ImageArray,
    Noun,
    Span,
)
from freeda_models.text_keys import embed_nouns
from freeda_store.records import Caption, NewGeneration, NewPrototype, Scores
from ingest.errors import ModelOutputError
from ingest.masks import DEFAULT_MASKS, DropReason, Mask, MaskSettings, make_mask
from ingest.models import IngestModels
from ingest.prototypes import IntArray, pool, token_weights
from ingest.scores import clip_agreements, masked_crop
from ingest.spans import FindUnknown, attribution_spans, distinct_nouns, unknown_nouns

logger = logging.getLogger(__name__)


def knows_all(nouns: Sequence[str]) -> list[str]:
    """For models that draw anything: no noun is unknown."""
    del nouns
    return []


@dataclass(frozen=True)
class StageSettings:
    """What shapes prototypes beside the networks; recorded in the bank's manifest.

    Attributes:
        key_strategy: how a noun becomes a text key, see :mod:`freeda_models.text_keys`.
        mask: see :class:`MaskSettings`.
        find_unknown: those of some nouns that the models do not know; they are counted and named.
    """

    key_strategy: str = "template_mean"
    mask: MaskSettings = DEFAULT_MASKS
    find_unknown: FindUnknown = knows_all


DEFAULT_SETTINGS = StageSettings()


@dataclass(frozen=True)
class SeededCaption:
    """A caption on its way through the stages.

    Attributes:
        caption: what to draw.
        seed: the seed its picture is drawn with.
        stored: the bank has it already. It is drawn again only beside others that are missing, since
            rounding depends on what a batch holds.
    """

    caption: Caption
    seed: int
    stored: bool = False


@dataclass(frozen=True)
class BatchResult:
    """What came of a batch.

    Attributes:
        generations: one a caption that has nouns and is not stored, in the order given, even when
            every noun of it was dropped, so that nobody draws it again.
        without_nouns: the captions that have none; they are not drawn.
        dropped: nouns that gave no prototype, by reason.
        unknown: nouns that the models do not know, with how often they came.
        seconds: duration of each stage; ``load`` is what the first batch waits for.
    """

    generations: tuple[NewGeneration, ...]
    without_nouns: tuple[Caption, ...] = ()
    dropped: Mapping[str, int] = field(default_factory=dict)
    unknown: Mapping[str, int] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class _Candidate:
    """A noun on its way to a prototype: ``picture`` and ``cut`` index the batch's lists."""

    picture: int
    noun: Noun
    cut: int


class StageClock:
    """Adds up the seconds of named stages."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count what runs inside towards ``name``."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start


def process_batch(
    models: IngestModels, settings: StageSettings, batch: Sequence[SeededCaption]
) -> BatchResult:
    """Draw captions and read prototypes from the pictures.

    Args:
        models: the networks.
        settings: key strategy and masks.
        batch: captions with their seeds; the same batch always gives the same result.

    Raises:
        ModelOutputError: a network breaks its protocol.
    """
    clock = StageClock()
    with clock.stage("load"):
        extractor = models.nouns
    with clock.stage("nouns"):
        found = extractor.extract([item.caption.text for item in batch])
    pairs = [(item, distinct_nouns(nouns)) for item, nouns in zip(batch, found, strict=True)]
    drawn = [(item, nouns) for item, nouns in pairs if nouns]
    new = [(item, nouns) for item, nouns in pairs if not item.stored]
    without = tuple(item.caption for item, nouns in new if not nouns)
    unknown = Counter(word for _, nouns in new for word in unknown_nouns(nouns, settings.find_unknown))
    dropped: Counter[str] = Counter()
    generations: tuple[NewGeneration, ...] = ()
    if len(without) < len(new):
        generations = _Batch(models, settings, clock, dropped).run(drawn)
    logger.info(
        "batch of %d: %s",
        len(batch),
        ", ".join(f"{name} {took:.2f} s" for name, took in clock.seconds.items()),
    )
    return BatchResult(generations, without, dict(dropped), dict(unknown), dict(clock.seconds))


class _Batch:
    """The stages after the nouns were found, for captions that have some."""

    def __init__(
        self, models: IngestModels, settings: StageSettings, clock: StageClock, dropped: Counter[str]
    ) -> None:
        with clock.stage("load"):
            self._generator, self._backbone = models.generator, models.backbone
            self._clip, self._key_encoder = models.clip, models.keys
        self._settings = settings
        self._clock = clock
        self._dropped = dropped
        self._stored: list[bool] = []

    def run(self, drawn: Sequence[tuple[SeededCaption, tuple[Noun, ...]]]) -> tuple[NewGeneration, ...]:
        self._stored = [item.stored for item, _ in drawn]
        spans = [attribution_spans(nouns) for _, nouns in drawn]
        with self._clock.stage("generate"):
            pictures = self._draw([item for item, _ in drawn], spans)
        images = np.stack([picture.image_hwc for picture in pictures])
        with self._clock.stage("features"):
            features = self._backbone.encode(images)
        with self._clock.stage("masks"):
            candidates, masks = self._cut([nouns for _, nouns in drawn], spans, pictures)
        with self._clock.stage("prototypes"):
            picture_of_cut = np.zeros(len(masks), dtype=np.intp)
            for candidate in candidates:
                picture_of_cut[candidate.cut] = candidate.picture
            visuals = self._pool(features, masks, picture_of_cut)
            candidates = [c for c in candidates if self._usable(c.picture, visuals[c.cut])]
        with self._clock.stage("keys"):
            keys = self._keys([drawn[c.picture][0].caption.text for c in candidates], candidates)
            kept = [(c, key) for c, key in zip(candidates, keys, strict=True) if self._key_usable(c, key)]
        with self._clock.stage("scores"):
            agreements = self._agree([c for c, _ in kept], images, masks)
        prototypes: list[list[NewPrototype]] = [[] for _ in drawn]
        for (candidate, key), agreement in zip(kept, agreements, strict=True):
            prototypes[candidate.picture].append(
                _prototype(
                    candidate.noun, key, visuals[candidate.cut], masks[candidate.cut], float(agreement)
                )
            )
        return tuple(
            NewGeneration(
                item.caption, item.seed, picture.image_hwc, tuple(rows), _notes(nouns, asked, picture)
            )
            for (item, nouns), asked, picture, rows in zip(drawn, spans, pictures, prototypes, strict=True)
            if not item.stored
        )

    def _draw(
        self, items: Sequence[SeededCaption], spans: Sequence[Mapping[Noun, Span]]
    ) -> list[GeneratedImage]:
        requests = [
            GenerationRequest(item.caption.text, item.seed, _unique(asked))
            for item, asked in zip(items, spans, strict=True)
        ]
        pictures = self._generator.generate(requests)
        given = [(len(p.attribution_shw), len(p.inside_window)) for p in pictures]
        expected = [(len(r.spans), len(r.spans)) for r in requests]
        if given != expected:
            raise ModelOutputError(
                f"generator {self._generator.identity.id} gave maps {given} for spans {expected}; "
                "it must give one picture a request and one map a span."
            )
        return pictures

    def _cut(
        self,
        nouns: Sequence[tuple[Noun, ...]],
        spans: Sequence[Mapping[Noun, Span]],
        pictures: Sequence[GeneratedImage],
    ) -> tuple[list[_Candidate], list[Mask]]:
        candidates: list[_Candidate] = []
        masks: list[Mask] = []
        for index, (row, asked, picture) in enumerate(zip(nouns, spans, pictures, strict=True)):
            cuts: dict[Span, int | DropReason] = {}
            for place, span in enumerate(_unique(asked)):
                made = self._mask(picture, place)
                if isinstance(made, Mask):
                    masks.append(made)
                    cuts[span] = len(masks) - 1
                else:
                    cuts[span] = made
            for noun in row:
                cut = cuts[asked[noun]]
                if isinstance(cut, DropReason):
                    self._drop(index, cut)
                else:
                    candidates.append(_Candidate(index, noun, cut))
        return candidates, masks

    def _mask(self, picture: GeneratedImage, place: int) -> Mask | DropReason:
        if not picture.inside_window[place]:
            return DropReason.OUTSIDE_WINDOW
        height, width = picture.image_hwc.shape[:2]
        return make_mask(picture.attribution_shw[place], (height, width), self._settings.mask)

    def _pool(self, features: FloatArray, masks: Sequence[Mask], pictures: IntArray) -> FloatArray:
        if not masks:
            return np.zeros((0, features.shape[-1]), dtype=np.float32)
        grid = (features.shape[1], features.shape[2])
        weights = token_weights(np.stack([mask.mask_hw for mask in masks]), grid)
        return pool(features, weights, pictures)

    def _drop(self, picture: int, reason: DropReason) -> None:
        """Count a noun that gave no prototype, unless an earlier run counted it."""
        if not self._stored[picture]:
            self._dropped[reason] += 1

    def _usable(self, picture: int, visual: FloatArray) -> bool:
        if not np.isfinite(visual).all():
            reason = DropReason.NON_FINITE_FEATURES
        elif float(np.abs(visual).max()) > float(np.finfo(np.float16).max):
            reason = DropReason.HUGE_FEATURES
        elif not visual.any():
            reason = DropReason.EMPTY_VECTOR
        else:
            return True
        self._drop(picture, reason)
        return False

    def _keys(self, captions: list[str], candidates: Sequence[_Candidate]) -> FloatArray:
        nouns = [candidate.noun for candidate in candidates]
        if not nouns:
            return np.zeros((0, self._key_encoder.identity.dim), dtype=np.float32)
        return embed_nouns(self._key_encoder, self._settings.key_strategy, captions, nouns)

    def _key_usable(self, candidate: _Candidate, key: FloatArray) -> bool:
        usable = bool(np.isfinite(key).all() and key.any())
        if not usable:
            self._drop(candidate.picture, DropReason.NON_FINITE_KEY)
        return usable

    def _agree(
        self, candidates: Sequence[_Candidate], images: ImageArray, masks: Sequence[Mask]
    ) -> FloatArray:
        crops = {c.cut: masked_crop(images[c.picture], masks[c.cut].mask_hw) for c in candidates}
        place = {cut: row for row, cut in enumerate(crops)}
        stack = np.stack(list(crops.values())) if crops else np.zeros((0, 1, 1, 3), dtype=np.uint8)
        return clip_agreements(
            self._clip, stack, [place[c.cut] for c in candidates], [c.noun.key for c in candidates]
        )


def _unique(asked: Mapping[Noun, Span]) -> tuple[Span, ...]:
    return tuple(dict.fromkeys(asked.values()))


def _notes(nouns: Sequence[Noun], asked: Mapping[Noun, Span], picture: GeneratedImage) -> tuple[str, ...]:
    inside = dict(zip(_unique(asked), picture.inside_window, strict=True))
    beyond = dict.fromkeys(noun.key for noun in nouns if not inside[asked[noun]])
    return (f"beyond the text encoder's window: {', '.join(beyond)}",) if beyond else ()


def _prototype(noun: Noun, key: FloatArray, visual: FloatArray, mask: Mask, agreement: float) -> NewPrototype:
    return NewPrototype(
        noun=noun.key,
        kind=noun.kind.value,
        span=noun.span,
        text_key=key,
        visual=visual,
        # The bank knows the noun's other prototypes, and fills the distance to them in at commit.
        scores=Scores(mask.contrast, mask.area, agreement, outlier_distance=0.0),
        attribution_hw=np.rint(mask.normalised_hw * 255).astype(np.uint8),
    )
