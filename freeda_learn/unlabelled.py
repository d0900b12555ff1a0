"""Regions of pictures that nobody named: they have a look, and CLIP's view, and no word.

No class name finds them. Where retrieval starts at regions, they are among what looks like a region, and say
what CLIP sees there (method, online stage 6b).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

import numpy as np
from typing_extensions import override

from freeda_ingest.clock import StageClock
from freeda_ingest.masks import MAX_CONTRAST
from freeda_ingest.scores import masked_crop
from freeda_learn.dividing import PictureDivider, RegionLimits, largest_regions
from freeda_learn.examples import Rejected, UnlabelledPicture, content_seed, picture_caption
from freeda_learn.extract import known_view, see_each, thumbnail, thumbnail_mask
from freeda_learn.making import Extracted, Maker, Naming, Read, Turns
from freeda_learn.models import Networks
from freeda_learn.prototypes import mean_feature
from freeda_learn.seeing import SeenPicture
from freeda_models.protocols import BoolArray, FloatArray, ImageArray
from freeda_segment.settings import SegmentSettings
from freeda_store import Filter, generation_key, parse_filter
from freeda_store.records import REGION, Caption, NewGeneration, NewPrototype, Origin, Scores

_CROPS_AT_ONCE = 32
_NO_SPAN = (0, 0)
_AGREES = 1.0
"""Of CLIP with a noun, where there is none to disagree with: filters by it judge drawings alone."""


def regions_caption(picture: UnlabelledPicture, digest: str, by: str) -> Caption:
    """The caption under which the regions of a picture are kept; see :func:`picture_caption`."""
    return picture_caption(picture, "regions of", digest, by)


def picture_seed(digest: str) -> int:
    """Names a picture by its content alone: it is divided once, under whatever name."""
    return content_seed(digest, "unlabelled")


@dataclass(frozen=True, eq=False)
class _Region:
    mask_hw: BoolArray
    visual: FloatArray


@dataclass(frozen=True)
class PictureNaming(Naming[UnlabelledPicture]):
    """How pictures are known again."""

    @property
    @override
    def known(self) -> Filter:
        return parse_filter([f"origin={Origin.UNLABELLED}"])

    @override
    def seed(self, item: UnlabelledPicture, digest: str) -> int:
        return picture_seed(digest)

    @override
    def key(self, item: UnlabelledPicture, digest: str) -> UUID:
        return generation_key(regions_caption(item, digest, by=""), picture_seed(digest))


@dataclass(frozen=True)
class RegionMaker(Maker[UnlabelledPicture]):
    """Makes a generation of each picture, with a prototype for each of its regions.

    Attributes:
        models: the networks.
        settings: sizes, windows and batches, as pictures are segmented.
        divide: finds the regions of a picture.
        limits: which of them are kept.
        turns: what several threads wait for.
    """

    models: Networks
    settings: SegmentSettings
    divide: PictureDivider
    limits: RegionLimits
    turns: Turns = field(default_factory=Turns)

    @override
    def shared(self) -> RegionMaker:
        return replace(self, turns=Turns.taken())

    @override
    def extract(self, batch: Sequence[Read[UnlabelledPicture]]) -> Extracted:
        clock = StageClock()
        seen, rejected = see_each(batch, self.models.backbone, self.settings, self.turns, clock)
        divided = [(read, picture, self._regions(picture, clock)) for read, picture in seen]
        with clock.stage("crops"):
            crops = [
                masked_crop(each.working, own.mask_hw) for _, each, regions in divided for own in regions
            ]
        with self.turns.networks, clock.stage("views"):
            views = iter(list(self._views(crops)))
        generations: list[NewGeneration] = []
        for read, picture, regions in divided:
            prototypes = tuple(_prototypes(regions, [next(views) for _ in regions], read.thumbnails))
            if prototypes:
                generations.append(_generation(read, picture, prototypes))
                continue
            least = f"{self.limits.min_share:.2%}"
            reason = f"no region that the networks see covers {least} of it; allow smaller ones."
            rejected.append(Rejected(read.place, reason))
        return Extracted(tuple(generations), tuple(rejected), clock.seconds)

    def _regions(self, seen: SeenPicture, clock: StageClock) -> list[_Region]:
        """The regions that are kept and that the backbone sees."""
        with self.turns.regions, clock.stage("regions"):
            masks = largest_regions(self.divide(seen), self.limits)
        with clock.stage("prototypes"):
            features = [(mask, mean_feature(seen, mask)) for mask in masks]
        return [_Region(mask, feature) for mask, feature in features if feature is not None]

    def _views(self, crops: Sequence[ImageArray]) -> Iterator[FloatArray]:
        for start in range(0, len(crops), _CROPS_AT_ONCE):
            yield from self.models.clip.encode_images(np.stack(crops[start : start + _CROPS_AT_ONCE]))


def _generation(
    read: Read[UnlabelledPicture], picture: SeenPicture, prototypes: tuple[NewPrototype, ...]
) -> NewGeneration:
    return NewGeneration(
        caption=regions_caption(read.item, read.picture.digest, read.by),
        seed=read.seed,
        image_hwc=thumbnail(picture.working) if read.thumbnails else None,
        prototypes=prototypes,
        origin=Origin.UNLABELLED,
    )


def _prototypes(
    regions: Sequence[_Region], views: Sequence[FloatArray], thumbnails: bool
) -> Iterator[NewPrototype]:
    """One for each region that CLIP sees; parts count from 1 on, for each is a part of the picture."""
    for part, (region, view) in enumerate(zip(regions, views, strict=True), start=1):
        if (semantic := known_view(view)) is None:
            continue
        scores = Scores(MAX_CONTRAST, float(region.mask_hw.mean()), _AGREES, outlier_distance=0.0)
        shown = thumbnail_mask(region.mask_hw) if thumbnails else None
        yield NewPrototype("", REGION, _NO_SPAN, None, region.visual, scores, shown, part, semantic)
