"""A batch of examples to what the bank keeps: each picture and each network is asked once."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

import numpy as np

from freeda_ingest.clock import StageClock
from freeda_ingest.masks import MAX_CONTRAST
from freeda_ingest.scores import clip_agreements, masked_crop
from freeda_learn.errors import LearnError
from freeda_learn.examples import Example, Rejected, example_caption
from freeda_learn.finding import Found, RegionFinder, find
from freeda_learn.models import Networks
from freeda_learn.pictures import LearnPicture
from freeda_learn.prototypes import ExampleVectors, pool_example
from freeda_learn.seeing import SeenPicture, WorkingPicture, encode_windows, prepare
from freeda_models.protocols import BoolArray, FloatArray, ImageArray, Noun, NounKind
from freeda_models.text.keys import embed_nouns, prompts_named
from freeda_segment.errors import SegmentError
from freeda_segment.settings import SegmentSettings
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
class Read:
    """An example whose picture was read.

    Attributes:
        example: what is to be learned.
        picture: its picture; one object for all examples of a picture.
        seed: names the example, see :func:`freeda_learn.examples.example_seed`.
        by: who marked it.
        thumbnails: whether the picture is kept.
    """

    example: Example
    picture: LearnPicture
    seed: int
    by: str = ""
    thumbnails: bool = True

    @property
    def place(self) -> str:
        """Names it in messages."""
        return self.example.place


@dataclass(frozen=True, eq=False)
class Extracted:
    """What a batch came to.

    Attributes:
        generations: in the order of their examples.
        rejected: those that cannot be used.
        seconds: of each stage.
    """

    generations: tuple[NewGeneration, ...]
    rejected: tuple[Rejected, ...]
    seconds: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class _Pooled:
    read: Read
    seen: SeenPicture
    found: Found
    vectors: ExampleVectors


@dataclass(frozen=True)
class Extractor:
    """Makes generations of examples.

    Attributes:
        models: the networks.
        settings: sizes, windows and batches, as pictures are segmented.
        keys: how names become text keys.
        finder: finds what points and boxes mean.
        turn, finding: entered while a network is asked, and while regions are found, where several threads
            share them.
    """

    models: Networks
    settings: SegmentSettings
    keys: KeySettings
    finder: RegionFinder
    turn: AbstractContextManager[object] = field(default_factory=nullcontext)
    finding: AbstractContextManager[object] = field(default_factory=nullcontext)

    def extract(self, batch: Sequence[Read]) -> Extracted:
        """Prototypes of examples, from nothing but the batch: any process may compute it.

        Args:
            batch: examples, those of a picture with the same :class:`LearnPicture`.

        Raises:
            ModelOutputError: a network gave values that are not finite.
        """
        clock = StageClock()
        with clock.stage("decode"):
            prepared, rejected = self._prepare(batch)
        with self.turn, clock.stage("features"):
            encoded = encode_windows(prepared, self.models.backbone, self.settings)
        seen = {id(each.picture): each for each in encoded}
        pooled: list[_Pooled] = []
        for read in batch:
            if id(read.picture) not in seen:
                continue
            try:
                pooled.append(self._pool(read, seen[id(read.picture)], clock))
            except LearnError as error:
                rejected.append(Rejected(read.place, str(error)))
        return Extracted(tuple(self._generations(pooled, clock)), tuple(rejected), clock.seconds)

    def _prepare(self, batch: Sequence[Read]) -> tuple[list[WorkingPicture], list[Rejected]]:
        """Each picture once, and the examples whose picture is none."""
        prepared: dict[int, WorkingPicture | str] = {}
        for read in batch:
            if id(read.picture) not in prepared:
                try:
                    prepared[id(read.picture)] = prepare(read.picture, self.settings)
                except SegmentError as error:
                    prepared[id(read.picture)] = str(error)
        told = [(read.place, prepared[id(read.picture)]) for read in batch]
        return (
            [each for each in prepared.values() if isinstance(each, WorkingPicture)],
            [Rejected(place, each) for place, each in told if isinstance(each, str)],
        )

    def _pool(self, read: Read, seen: SeenPicture, clock: StageClock) -> _Pooled:
        with self.finding, clock.stage("regions"):
            found = find(seen, read.example.marks, self.finder)
        with clock.stage("prototypes"):
            return _Pooled(read, seen, found, pool_example(seen, found))

    def _generations(self, pooled: Sequence[_Pooled], clock: StageClock) -> Iterator[NewGeneration]:
        if not pooled:
            return
        reads = [each.read for each in pooled]
        captions = [example_caption(read.example, read.picture.digest, read.by) for read in reads]
        names = [read.example.name for read in reads]
        nouns = [Noun(name, (0, len(name)), _kind(name), None) for name in names]
        texts = [caption.text for caption in captions]
        with clock.stage("crops"):
            crops = [masked_crop(each.seen.working, each.found.mask_hw) for each in pooled]
            beside = [masked_crop(each.seen.working, _beside(each.found.mask_hw)) for each in pooled]
        with self.turn, clock.stage("texts and scores"):
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
                image_hwc=_thumbnail(each.seen.working) if each.read.thumbnails else None,
                prototypes=tuple(_prototypes(each, noun, key, scores, view)),
                origin=Origin.LEARNED,
            )


def _kind(name: str) -> NounKind:
    return NounKind.PHRASE if " " in name else NounKind.NOUN


def _finite(agreement: float) -> float:
    return agreement if math.isfinite(agreement) else 0.0


def _beside(mask_hw: BoolArray) -> BoolArray:
    """What is not in a mask; all, of one that leaves nothing out."""
    rest: BoolArray = ~mask_hw
    return rest if rest.any() else mask_hw


def _known(semantic: FloatArray) -> FloatArray | None:
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
    own, rest = map(_known, view)
    mask = each.found.mask_hw
    shown = _thumbnail_mask(mask) if each.read.thumbnails else None
    for part, visual in enumerate((each.vectors.whole, *each.vectors.parts)):
        yield NewPrototype(noun.key, EXAMPLE, noun.span, key, visual, scores, shown, part, own)
    others = Scores(MAX_CONTRAST, 1 - each.vectors.area, scores.clip_agreement, 0.0)
    beside = _thumbnail_mask(~mask) if each.read.thumbnails else None
    for part, visual in enumerate(each.vectors.rest):
        yield NewPrototype(rest_of(noun.key), REST, noun.span, key, visual, others, beside, part, rest)


def rest_of(name: str) -> str:
    """The noun of what is beside an example of a class."""
    return f"not {name}"


def _thumbnail(image: ImageArray) -> ImageArray:
    """A picture (H, W, 3) or a mask (H, W), small."""
    from PIL import Image

    picture = Image.fromarray(image)
    picture.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE))
    return np.asarray(picture)


def _thumbnail_mask(mask_hw: BoolArray) -> ImageArray:
    return _thumbnail(mask_hw.astype(np.uint8) * 255)
