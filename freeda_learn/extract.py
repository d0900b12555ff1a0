"""A batch of examples to what the bank keeps: each picture and each network is asked once."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from freeda_ingest.masks import MAX_CONTRAST
from freeda_ingest.scores import clip_agreements, masked_crop
from freeda_learn.errors import LearnError
from freeda_learn.examples import Example, Rejected, example_caption
from freeda_learn.finding import Found, RegionFinder, find
from freeda_learn.models import LearnModels
from freeda_learn.pictures import LearnPicture
from freeda_learn.prototypes import ExampleVectors, pool_example
from freeda_learn.seeing import SeenPicture, see
from freeda_models.protocols import BoolArray, FloatArray, ImageArray, Noun, NounKind
from freeda_models.text.keys import embed_nouns, prompts_named
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
    """

    example: Example
    picture: LearnPicture
    seed: int


@dataclass(frozen=True, eq=False)
class Extracted:
    """What a batch came to: generations in the order of their examples, and those that cannot be used."""

    generations: tuple[NewGeneration, ...]
    rejected: tuple[Rejected, ...]


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
        thumbnails: whether pictures are kept.
    """

    models: LearnModels
    settings: SegmentSettings
    keys: KeySettings
    finder: RegionFinder
    thumbnails: bool = True

    def extract(self, batch: Sequence[Read], by: str = "") -> Extracted:
        """Prototypes of examples.

        Args:
            batch: examples, those of a picture with the same :class:`LearnPicture`.
            by: who marked them.

        Raises:
            ModelOutputError: a network gave values that are not finite.
        """
        pictures = list({id(read.picture): read.picture for read in batch}.values())
        seen = {id(each.picture): each for each in see(pictures, self.models.backbone, self.settings)}
        pooled: list[_Pooled] = []
        rejected: list[Rejected] = []
        for read in batch:
            picture = seen[id(read.picture)]
            try:
                found = find(picture, read.example.marks, self.finder)
                pooled.append(_Pooled(read, picture, found, pool_example(picture, found)))
            except LearnError as error:
                rejected.append(Rejected(read.example.place, str(error)))
        return Extracted(tuple(self._generations(pooled, by)), tuple(rejected))

    def _generations(self, pooled: Sequence[_Pooled], by: str) -> Iterator[NewGeneration]:
        if not pooled:
            return
        captions = [example_caption(each.read.example, each.read.picture.digest, by) for each in pooled]
        names = [each.read.example.name for each in pooled]
        nouns = [Noun(name, (0, len(name)), _kind(name), None) for name in names]
        texts = [caption.text for caption in captions]
        keys = embed_nouns(
            self.models.keys, self.keys.strategy, texts, nouns, prompts_named(self.keys.templates)
        )
        crops = [masked_crop(each.seen.working, each.found.mask_hw) for each in pooled]
        beside = [masked_crop(each.seen.working, _beside(each.found.mask_hw)) for each in pooled]
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
                image_hwc=_thumbnail(each.seen.working) if self.thumbnails else None,
                prototypes=tuple(_prototypes(each, noun, key, scores, view, thumbnails=self.thumbnails)),
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
    *,
    thumbnails: bool,
) -> Iterator[NewPrototype]:
    """The whole, its parts, and the rest of the picture under a noun of its own.

    ``view`` is what CLIP sees in the example, and in the rest.
    """
    own, rest = map(_known, view)
    mask = each.found.mask_hw
    shown = _thumbnail_mask(mask) if thumbnails else None
    for part, visual in enumerate((each.vectors.whole, *each.vectors.parts)):
        yield NewPrototype(noun.key, EXAMPLE, noun.span, key, visual, scores, shown, part, own)
    others = Scores(MAX_CONTRAST, 1 - each.vectors.area, scores.clip_agreement, 0.0)
    beside = _thumbnail_mask(~mask) if thumbnails else None
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
