"""A batch of examples to what the bank keeps: each picture and each network is asked once."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

import numpy as np
from typing_extensions import override

from freeda_ingest.clock import StageClock
from freeda_ingest.masks import MAX_CONTRAST
from freeda_ingest.scores import clip_agreements, masked_crop
from freeda_learn.errors import LearnError
from freeda_learn.examples import Example, Rejected, example_caption, example_seed
from freeda_learn.finding import Found, RegionFinder, find
from freeda_learn.making import Extracted, Maker, Naming, Read, T, Turns
from freeda_learn.models import Networks
from freeda_learn.prototypes import ExampleVectors, pool_example
from freeda_learn.seeing import SeenPicture, WorkingPicture, encode_windows, prepare
from freeda_models.protocols import BoolArray, DenseBackbone, FloatArray, ImageArray, Noun, NounKind
from freeda_models.text.keys import embed_nouns, prompts_named
from freeda_segment.errors import SegmentError
from freeda_segment.settings import SegmentSettings
from freeda_store import Filter, generation_key, parse_filter
from freeda_store.records import EXAMPLE, REST, NewGeneration, NewPrototype, Origin, Scores

THUMBNAIL_SIDE = 512
"""Longest side of the pictures that are kept."""


@dataclass(frozen=True)
class KeySettings:
    """How names become text keys, as the bank's manifest says.

    Attributes:
        strategy: a name of :data:`freeda_models.text.keys.STRATEGIES`.
        templates: prompts of the strategy ``template_mean``.
    """

    strategy: str
    templates: str


@dataclass(frozen=True, eq=False)
class _Pooled:
    read: Read[Example]
    seen: SeenPicture
    found: Found
    vectors: ExampleVectors


@dataclass(frozen=True)
class ExampleNaming(Naming[Example]):
    """How examples are known again."""

    @property
    @override
    def known(self) -> Filter:
        return parse_filter([f"origin={Origin.LEARNED}", "part=0"])

    @override
    def seed(self, item: Example, digest: str) -> int:
        return example_seed(item, digest)

    @override
    def key(self, item: Example, digest: str) -> UUID:
        return generation_key(example_caption(item, digest, by=""), example_seed(item, digest))


@dataclass(frozen=True)
class Extractor(Maker[Example]):
    """Makes generations of examples.

    Attributes:
        models: the networks.
        settings: sizes, windows and batches, as pictures are segmented.
        keys: how names become text keys.
        finder: finds what points and boxes mean.
        turns: what several threads wait for.
    """

    models: Networks
    settings: SegmentSettings
    keys: KeySettings
    finder: RegionFinder
    turns: Turns = field(default_factory=Turns)

    @override
    def shared(self) -> Extractor:
        return replace(self, turns=Turns.taken())

    @override
    def extract(self, batch: Sequence[Read[Example]]) -> Extracted:
        clock = StageClock()
        seen, rejected = see_each(batch, self.models.backbone, self.settings, self.turns, clock)
        pooled: list[_Pooled] = []
        for read, picture in seen:
            try:
                pooled.append(self._pool(read, picture, clock))
            except LearnError as error:
                rejected.append(Rejected(read.place, str(error)))
        return Extracted(tuple(self._generations(pooled, clock)), tuple(rejected), clock.seconds)

    def _pool(self, read: Read[Example], seen: SeenPicture, clock: StageClock) -> _Pooled:
        with self.turns.regions, clock.stage("regions"):
            found = find(seen, read.item.marks, self.finder)
        with clock.stage("prototypes"):
            return _Pooled(read, seen, found, pool_example(seen, found))

    def _generations(self, pooled: Sequence[_Pooled], clock: StageClock) -> Iterator[NewGeneration]:
        if not pooled:
            return
        reads = [each.read for each in pooled]
        captions = [example_caption(read.item, read.picture.digest, read.by) for read in reads]
        names = [read.item.name for read in reads]
        nouns = [Noun(name, (0, len(name)), _kind(name), None) for name in names]
        texts = [caption.text for caption in captions]
        with clock.stage("crops"):
            crops = [masked_crop(each.seen.working, each.found.mask_hw) for each in pooled]
            beside = [masked_crop(each.seen.working, _beside(each.found.mask_hw)) for each in pooled]
        with self.turns.networks, clock.stage("texts and scores"):
            keys = embed_nouns(
                self.models.keys, self.keys.strategy, texts, nouns, prompts_named(self.keys.templates)
            )
            semantics = self.models.clip.encode_images(np.stack([*crops, *beside]))
            agreements = clip_agreements(self.models.clip, semantics, range(len(pooled)), names)
        views = zip(semantics[: len(pooled)], semantics[len(pooled) :], strict=True)
        for each, caption, noun, key, view, agreement in zip(
            pooled, captions, nouns, keys, views, agreements, strict=True
        ):
            scores = Scores(MAX_CONTRAST, each.vectors.area, _finite(float(agreement)), outlier_distance=0.0)
            yield NewGeneration(
                caption=caption,
                seed=each.read.seed,
                image_hwc=thumbnail(each.seen.working) if each.read.thumbnails else None,
                prototypes=tuple(_prototypes(each, noun, key, scores, view)),
                origin=Origin.LEARNED,
            )


def see_each(
    batch: Sequence[Read[T]],
    backbone: DenseBackbone,
    settings: SegmentSettings,
    turns: Turns,
    clock: StageClock,
) -> tuple[list[tuple[Read[T], SeenPicture]], list[Rejected]]:
    """Show each picture of a batch to the backbone, once: items with what it saw, and those with no picture.

    Args:
        batch: what is to be learned.
        backbone: dense features.
        settings: sizes, windows and batches.
        turns: what several threads wait for.
        clock: of the batch.

    Raises:
        ModelOutputError: the backbone gave values that are not finite.
    """
    with clock.stage("decode"):
        prepared, rejected = _prepare_each(batch, settings)
    with turns.networks, clock.stage("features"):
        seen = {id(each.picture): each for each in encode_windows(prepared, backbone, settings)}
    return [(read, seen[id(read.picture)]) for read in batch if id(read.picture) in seen], rejected


def _prepare_each(
    batch: Sequence[Read[T]], settings: SegmentSettings
) -> tuple[list[WorkingPicture], list[Rejected]]:
    """Each picture of a batch once, and the items whose picture is none."""
    prepared: dict[int, WorkingPicture | str] = {}
    for read in batch:
        if id(read.picture) not in prepared:
            try:
                prepared[id(read.picture)] = prepare(read.picture, settings)
            except SegmentError as error:
                prepared[id(read.picture)] = str(error)
    told = [(read.place, prepared[id(read.picture)]) for read in batch]
    return (
        [each for each in prepared.values() if isinstance(each, WorkingPicture)],
        [Rejected(place, each) for place, each in told if isinstance(each, str)],
    )


def _kind(name: str) -> NounKind:
    return NounKind.PHRASE if " " in name else NounKind.NOUN


def _finite(agreement: float) -> float:
    return agreement if math.isfinite(agreement) else 0.0


def _beside(mask_hw: BoolArray) -> BoolArray:
    """What is not in a mask; all, of one that leaves nothing out."""
    rest: BoolArray = ~mask_hw
    return rest if rest.any() else mask_hw


def known_view(semantic: FloatArray) -> FloatArray | None:
    """CLIP's view of a region; None where it is no direction."""
    return semantic if np.isfinite(semantic).all() and semantic.any() else None


def _prototypes(
    each: _Pooled,
    noun: Noun,
    key: FloatArray,
    scores: Scores,
    view: tuple[FloatArray, FloatArray],
) -> Iterator[NewPrototype]:
    """The whole, its parts, and the rest of the picture under a noun of its own.

    ``view`` is what CLIP sees in the example, and in the rest.
    """
    own, rest = map(known_view, view)
    mask = each.found.mask_hw
    shown = thumbnail_mask(mask) if each.read.thumbnails else None
    for part, visual in enumerate((each.vectors.whole, *each.vectors.parts)):
        yield NewPrototype(noun.key, EXAMPLE, noun.span, key, visual, scores, shown, part, own)
    others = Scores(MAX_CONTRAST, 1 - each.vectors.area, scores.clip_agreement, 0.0)
    beside = thumbnail_mask(~mask) if each.read.thumbnails else None
    for part, visual in enumerate(each.vectors.rest):
        yield NewPrototype(rest_of(noun.key), REST, noun.span, key, visual, others, beside, part, rest)


def rest_of(name: str) -> str:
    """The noun of what is beside an example of a class."""
    return f"not {name}"


def thumbnail(image: ImageArray) -> ImageArray:
    """A picture (H, W, 3) or a mask (H, W), small."""
    from PIL import Image

    picture = Image.fromarray(image)
    picture.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE))
    return np.asarray(picture)


def thumbnail_mask(mask_hw: BoolArray) -> ImageArray:
    """A mask (H, W) as levels, small."""
    return thumbnail(mask_hw.astype(np.uint8) * 255)
