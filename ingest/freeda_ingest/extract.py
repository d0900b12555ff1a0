"""The second half of the offline stage: features, masks, prototypes, text keys and scores."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from freeda_ingest.batches import BatchResult
from freeda_ingest.generate import GeneratedBatch, PicturedCaption, unique_spans
from freeda_ingest.masks import DropReason, Mask, make_mask
from freeda_ingest.models import IngestModels
from freeda_ingest.prototypes import WEIGHTINGS, IntArray, pool
from freeda_ingest.scores import clip_agreements, masked_crop
from freeda_ingest.settings import StageSettings
from freeda_models.protocols import FloatArray, GeneratedImage, ImageArray, Noun, Span
from freeda_models.text.keys import embed_nouns, prompts_named
from freeda_store.records import NewGeneration, NewPrototype, Scores


@dataclass(frozen=True)
class _Candidate:
    """A noun on its way to a prototype: ``picture`` and ``cut`` index the batch's lists."""

    picture: int
    noun: Noun
    cut: int


def extract_batch(models: IngestModels, settings: StageSettings, batch: GeneratedBatch) -> BatchResult:
    """Extract prototypes from the pictures of a batch.

    Args:
        models: the networks, loaded by the first half; the generator is not asked.
        settings: masks, weighting, text keys and gates.
        batch: from :func:`freeda_ingest.generate.generate_batch`.
    """
    dropped: Counter[str] = Counter()
    generations: tuple[NewGeneration, ...] = ()
    if batch.pictured:
        extractor = _Extractor(models, settings, batch)
        generations, dropped = extractor.extract(), extractor.dropped
    return BatchResult(
        generations,
        batch.without_nouns,
        dict(dropped),
        dict(batch.unknown),
        dict(batch.clock.seconds),
        batch.captions,
        batch.undrawn,
        sound=len(batch.pictured),
        refused=batch.refused,
    )


class _Extractor:
    """The stages for one batch."""

    def __init__(self, models: IngestModels, settings: StageSettings, batch: GeneratedBatch) -> None:
        self._models = models
        self._settings = settings
        self._pictured: Sequence[PicturedCaption] = batch.pictured
        self._clock = batch.clock
        self.dropped: Counter[str] = Counter()

    def extract(self) -> tuple[NewGeneration, ...]:
        images = np.stack([source.picture.image_hwc for source in self._pictured])
        with self._clock.stage("features"):
            features = self._models.backbone.encode(images)
        with self._clock.stage("masks"):
            candidates, masks = self._cut()
        with self._clock.stage("prototypes"):
            picture_of_cut = np.zeros(len(masks), dtype=np.intp)
            for candidate in candidates:
                picture_of_cut[candidate.cut] = candidate.picture
            visuals = self._pool(features, masks, picture_of_cut)
            candidates = [c for c in candidates if self._usable(c.picture, visuals[c.cut])]
        with self._clock.stage("keys"):
            text_keys = self._text_keys(
                [self._pictured[c.picture].item.caption.text for c in candidates], candidates
            )
            kept = [
                (c, text_key)
                for c, text_key in zip(candidates, text_keys, strict=True)
                if self._text_key_usable(c, text_key)
            ]
        with self._clock.stage("scores"):
            semantics, agreements = self._see([c for c, _ in kept], images, masks)
        prototypes: list[list[NewPrototype]] = [[] for _ in self._pictured]
        for (c, text_key), semantic, agreement in zip(kept, semantics, agreements, strict=True):
            if self._agreement_usable(c.picture, float(agreement)):
                made = _prototype(c.noun, text_key, visuals[c.cut], masks[c.cut], float(agreement), semantic)
                prototypes[c.picture].append(made)
        return tuple(
            _generation(source, rows)
            for source, rows in zip(self._pictured, prototypes, strict=True)
            if not source.item.stored
        )

    def _cut(self) -> tuple[list[_Candidate], list[Mask]]:
        candidates: list[_Candidate] = []
        masks: list[Mask] = []
        for index, source in enumerate(self._pictured):
            cuts: dict[Span, int | DropReason] = {}
            for place, span in enumerate(unique_spans(source.spans)):
                made = self._mask(source.picture, place)
                if isinstance(made, Mask):
                    masks.append(made)
                    cuts[span] = len(masks) - 1
                else:
                    cuts[span] = made
            for noun in source.nouns:
                cut = cuts[source.spans[noun]]
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
        weights = WEIGHTINGS[self._settings.weighting](np.stack([mask.mask_hw for mask in masks]), grid)
        return pool(features, weights, pictures)

    def _drop(self, picture: int, reason: DropReason) -> None:
        """Count a noun that gave no prototype, unless an earlier run counted it."""
        if not self._pictured[picture].item.stored:
            self.dropped[reason] += 1

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

    def _text_keys(self, captions: list[str], candidates: Sequence[_Candidate]) -> FloatArray:
        nouns = [candidate.noun for candidate in candidates]
        if not nouns:
            return np.zeros((0, self._models.keys.identity.dim), dtype=np.float32)
        prompts = prompts_named(self._settings.templates)
        return embed_nouns(self._models.keys, self._settings.key_strategy, captions, nouns, prompts)

    def _text_key_usable(self, candidate: _Candidate, text_key: FloatArray) -> bool:
        usable = bool(np.isfinite(text_key).all() and text_key.any())
        if not usable:
            self._drop(candidate.picture, DropReason.NON_FINITE_KEY)
        return usable

    def _see(
        self, candidates: Sequence[_Candidate], images: ImageArray, masks: Sequence[Mask]
    ) -> tuple[FloatArray, FloatArray]:
        """What CLIP sees in the masked crop of each candidate, and how far it agrees with the noun."""
        crops = {c.cut: masked_crop(images[c.picture], masks[c.cut].mask_hw) for c in candidates}
        place = {cut: row for row, cut in enumerate(crops)}
        stack = np.stack(list(crops.values())) if crops else np.zeros((0, 1, 1, 3), dtype=np.uint8)
        semantics = self._models.clip.encode_images(stack) if crops else np.zeros((0, 0), dtype=np.float32)
        crop_n = [place[c.cut] for c in candidates]
        agreements = clip_agreements(self._models.clip, semantics, crop_n, [c.noun.key for c in candidates])
        return semantics[crop_n], agreements

    def _agreement_usable(self, picture: int, agreement: float) -> bool:
        if not math.isfinite(agreement):
            reason = DropReason.NON_FINITE_SCORE
        elif agreement < self._settings.min_agreement:
            reason = DropReason.LOW_AGREEMENT
        else:
            return True
        self._drop(picture, reason)
        return False


def _generation(source: PicturedCaption, prototypes: Sequence[NewPrototype]) -> NewGeneration:
    caption, seed = source.item.caption, source.item.seed
    return NewGeneration(caption, seed, source.picture.image_hwc, tuple(prototypes), _notes(source))


def _notes(source: PicturedCaption) -> tuple[str, ...]:
    inside = dict(zip(unique_spans(source.spans), source.picture.inside_window, strict=True))
    beyond = dict.fromkeys(noun.key for noun in source.nouns if not inside[source.spans[noun]])
    return (f"beyond the text encoder's window: {', '.join(beyond)}",) if beyond else ()


def _prototype(
    noun: Noun,
    text_key: FloatArray,
    visual: FloatArray,
    mask: Mask,
    agreement: float,
    semantic: FloatArray,
) -> NewPrototype:
    return NewPrototype(
        noun=noun.key,
        kind=noun.kind.value,
        span=noun.span,
        text_key=text_key,
        visual=visual,
        # The bank knows the noun's other prototypes, and fills the distance to them in at commit.
        scores=Scores(mask.contrast, mask.area, agreement, outlier_distance=0.0),
        attribution_hw=np.rint(mask.normalised_hw * 255).astype(np.uint8),
        semantic=semantic,
    )
