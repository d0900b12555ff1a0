"""The methods that are measured: each gives every pixel of a picture a class.

A labeller is made in the process that uses it, from a recipe: a value that travels between
processes, holds no network, and knows how to load what it needs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache
from typing import Any, Protocol
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from freeda_models.presets import Preset
from freeda_models.protocols import FloatArray, ImageArray
from freeda_segment.classes import ClassList, ClassName
from freeda_segment.errors import OptionError
from freeda_segment.evaluation.maskclip import MaskClip, MaskClipClasses, load_dense_clip
from freeda_segment.evaluation.specs import BACKGROUND_NAME, DatasetClasses
from freeda_segment.region_networks import load_regions
from freeda_segment.retrieval.prototypes import ClassPrototypes
from freeda_segment.segmenter import Segmenter
from freeda_segment.settings import SegmentSettings
from freeda_store import Bank, Filter, Manifest
from freeda_store.records import Neighbours, PrototypeInfo, Retrieved, RevisionInfo
from freeda_store.retrieval import PrototypeVectors

ClassMap = NDArray[np.integer[Any]]

_READ = "the prototypes were read already; open the bank to retrieve others."


class Method(StrEnum):
    """What labels the pictures.

    FREEDA: prototypes of a bank.
    MASKCLIP: CLIP's dense features against class text (Zhou et al., ECCV 2022), no bank.
    """

    FREEDA = "freeda"
    MASKCLIP = "maskclip"


class Labeller(Protocol):
    """Gives pixels classes."""

    def __call__(self, image_hwc: ImageArray) -> ClassMap:
        """uint8 (H, W, 3) to integers (H, W); indices of the counted classes, -1 for none."""


class Recipe(Protocol):
    """How to make a labeller; can be sent to another process."""

    def make(self) -> Labeller:
        """Load what is needed."""


@lru_cache(maxsize=1)
def _reader(address: str) -> Bank:
    """A bank that is open for reading until this process ends, or another is evaluated."""
    return Bank.read(address)


@dataclass(frozen=True)
class FreedaLabeller:
    """A segmenter with the classes of a data set.

    Attributes:
        segmenter: networks and settings.
        prototypes: of the classes, background left out.
        with_background: whether background is counted, as class 0.
    """

    segmenter: Segmenter
    prototypes: ClassPrototypes
    with_background: bool

    def __call__(self, image_hwc: ImageArray) -> ClassMap:
        """See :class:`Labeller`."""
        return self.segmenter.segment(image_hwc, self.prototypes).labels + int(self.with_background)


@dataclass(frozen=True)
class FreedaRecipe:
    """Prototypes that were read from the bank once, and which networks to load beside them."""

    preset: Preset
    device: str
    settings: SegmentSettings
    prototypes: ClassPrototypes
    with_background: bool
    bank: ReadBank

    def make(self) -> Labeller:
        """Load CLIP, the backbone and what proposes regions; the bank is not opened."""
        from freeda_models.loading import load_backbone, load_text_image_encoder

        clip = load_text_image_encoder(self.preset, self.device)
        backbone = load_backbone(self.preset, self.device)
        regions = load_regions(self.preset, self.settings, self.device)
        segmenter = Segmenter(self.bank, clip, backbone, settings=self.settings, regions=regions)
        return FreedaLabeller(segmenter, self.prototypes, self.with_background)


@dataclass(frozen=True)
class ReadBank:
    """What remains of a bank once its prototypes were read: where they came from.

    Only the neighbours of regions are asked of the bank itself, which is opened for reading by each process
    that needs them.
    """

    address: str
    manifest: Manifest
    revision: RevisionInfo | None

    @classmethod
    def of(cls, segmenter: Segmenter) -> ReadBank:
        """What a segmenter's bank says of itself."""
        bank = segmenter.bank
        return cls(str(bank.address), bank.manifest, bank.revision)

    def nearest(self, queries: FloatArray, k: int, where: Filter = Filter()) -> list[Retrieved]:  # noqa: B008
        """Refused.

        Raises:
            OptionError: always.
        """
        raise OptionError(_READ)

    def neighbours(
        self,
        queries: FloatArray,
        k: int,
        where: Filter = Filter(),  # noqa: B008 - frozen
        revision: int | None = None,
    ) -> Neighbours:
        """Those of the bank, at the revision that was read."""
        own = None if self.revision is None else self.revision.number
        return _reader(self.address).neighbours(queries, k, where, own if revision is None else revision)

    def infos(self, where: Filter = Filter()) -> Iterator[PrototypeInfo]:  # noqa: B008
        """Refused, as :meth:`nearest`."""
        raise OptionError(_READ)

    def vectors(self, ids: Sequence[UUID]) -> PrototypeVectors:
        """Refused, as :meth:`nearest`."""
        raise OptionError(_READ)

    def derived(self, name: str, make: Callable[[], bytes], where: Filter = Filter()) -> bytes:  # noqa: B008
        """Refused, as :meth:`nearest`."""
        raise OptionError(_READ)

    def close(self) -> None:
        """Nothing is open."""


@dataclass(frozen=True)
class MaskClipRecipe:
    """The baseline: the same windows, CLIP's dense features, class text."""

    preset: Preset
    device: str
    settings: SegmentSettings
    templates: str
    classes: ClassList

    def make(self) -> Labeller:
        """Load CLIP and embed the classes."""
        clip = load_dense_clip(self.preset, self.device)
        return MaskClip(clip, MaskClipClasses.embed(clip, self.classes, self.templates), self.settings)


def text_classes(classes: DatasetClasses) -> ClassList:
    """The classes of the baseline: background, where it is counted, is looked for by its name."""
    texts = classes.texts.classes
    if classes.with_background:
        texts = (ClassName((BACKGROUND_NAME,)), *texts)
    return ClassList(texts)


def without_evidence(prototypes: ClassPrototypes) -> ClassPrototypes:
    """Prototypes alone, for sending; where they came from is not needed to label.

    Nor is what the bank knows else, unless what is unsure is left out.
    """
    settings = prototypes.settings
    keeps_nouns = settings is not None and settings.unsure is not None
    return replace(prototypes, support=(), nouns=prototypes.nouns if keeps_nouns else None)
