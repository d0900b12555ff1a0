"""The values that cross this package's border: plain frozen dataclasses, no SQL, no vectors API.

Importing this module imports only NumPy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]
ImageArray = NDArray[np.uint8]
JsonValue = str | int | float | bool | None | list["JsonValue"] | dict[str, "JsonValue"]


class Origin(StrEnum):
    """How prototypes came to be.

    GENERATED: of a picture that was drawn from a caption.
    LEARNED: of a region that a person marked in a picture and named.
    UNLABELLED: of a region of a picture that nobody named.
    IMPORTED: made by another program; there is no picture.
    """

    GENERATED = "generated"
    LEARNED = "learned"
    UNLABELLED = "unlabelled"
    IMPORTED = "imported"


EXAMPLE = "example"
"""``kind`` of prototypes of what a person marked, or of parts of it."""

REST = "rest"
"""``kind`` of prototypes of what an example's picture shows beside it. They have the example's text key and a
noun of their own; no class is made of them."""

REGION = "region"
"""``kind`` of prototypes of regions that nobody named. They have neither noun nor text key, so no text finds
them; regions do."""

NO_NOUN = "without a noun"
"""How such a prototype's noun is written for people."""


class Direction(StrEnum):
    """What prototypes are searched by."""

    CLASSES = "classes"
    """A text, among the text keys."""
    REGIONS = "regions"
    """A region's features, among the visual vectors."""


@dataclass(frozen=True)
class Caption:
    """A caption with its provenance.

    Attributes:
        text: the caption itself.
        external_id: the id it has where it comes from, ``""`` if none.
        source, license, url: provenance, ``""`` if unknown.
        extra: anything else its line held.
    """

    text: str
    external_id: str = ""
    source: str = ""
    license: str = ""
    url: str = ""
    extra: Mapping[str, JsonValue] = field(default_factory=dict)


@dataclass(frozen=True)
class Scores:
    """Quality of one prototype, kept (to 12 significant digits) so that filters need no regeneration.

    Attributes:
        contrast: mean attribution inside the mask over mean outside, >= 1 is good.
        area: share of the picture that the mask covers, 0..1.
        clip_agreement: cosine of CLIP(masked crop) with CLIP(noun), -1..1.
        outlier_distance: 1 - cosine to the mean of the noun's other prototypes, 0..2; 0 when the
            noun has no other. The bank fills it in when the revision is committed.
    """

    contrast: float
    area: float
    clip_agreement: float
    outlier_distance: float

    @property
    def known(self) -> bool:
        """Whether a mask was scored at all; without one only ``outlier_distance`` means anything."""
        return self.area > 0


@dataclass(frozen=True, eq=False)
class NewPrototype:
    """A prototype on its way into a bank.

    Attributes:
        noun: its key, e.g. ``red car``; empty for a region that nobody named.
        kind: noun, compound or phrase, :data:`EXAMPLE`, :data:`REST` or :data:`REGION`.
        span: characters of the caption it was read from; (0, 0) without a noun.
        text_key: float32 (D_text,), L2-normalised; None without a noun.
        visual: float32 (D_visual,), raw mean of patch features.
        scores: see :class:`Scores`.
        attribution_hw: uint8 (h, w), the min-max normalised map, for the thumbnail; None when there is
            none to keep.
        part: which prototype of its noun and span it is, where there are several: 0 is of the whole region,
            from 1 on of parts of it.
        semantic: float32 (D_clip,), CLIP's image embedding of the region alone, L2-normalised; None when
            there is none. The bank keeps it as float16. Without a noun there must be one.
    """

    noun: str
    kind: str
    span: tuple[int, int]
    text_key: FloatArray | None
    visual: FloatArray
    scores: Scores
    attribution_hw: ImageArray | None
    part: int = 0
    semantic: FloatArray | None = None


@dataclass(frozen=True, eq=False)
class NewGeneration:
    """One drawn caption with what was read from it: the unit that is written or not written.

    Attributes:
        seed: the seed its picture was drawn with.
        image_hwc: uint8 (H, W, 3), the picture, for the thumbnail; None when there is none to keep.
        notes: what a person should know, e.g. nouns cut off by the text window.
        origin: how it came to be. What was not drawn is one picture's example, and its caption says which.
    """

    caption: Caption
    seed: int
    image_hwc: ImageArray | None
    prototypes: tuple[NewPrototype, ...]
    notes: tuple[str, ...] = ()
    origin: Origin = Origin.GENERATED


@dataclass(frozen=True)
class Prototype:
    """What every copy of a stored prototype has, without its vectors; see :data:`freeda_store.fields.FIELDS`.

    Attributes:
        id: names its generation, revision, noun, span and part.
        noun: empty for a region that nobody named.
        attribution_key: of its map's thumbnail; empty where none was kept.
        part: see :class:`NewPrototype`.
    """

    id: UUID
    noun: str
    kind: str
    span: tuple[int, int]
    scores: Scores
    attribution_key: str
    part: int = field(default=0, kw_only=True)


@dataclass(frozen=True)
class PrototypeInfo(Prototype):
    """A stored prototype with its provenance: what filtering and explaining need.

    ``picture_key`` and ``attribution_key`` are empty where no picture was kept; ``origin`` is one of
    :class:`Origin`.
    """

    caption: str
    external_id: str
    source: str
    license: str
    url: str
    seed: int
    picture_key: str
    revision: int
    origin: str = field(default=Origin.GENERATED.value, kw_only=True)


@dataclass(frozen=True, eq=False)
class Retrieved:
    """The nearest prototypes of one text or region, most similar first.

    Attributes:
        ids: their ids, length K (fewer when the bank holds fewer).
        similarities: float32 (K,), cosine of the query with each text key or visual vector.
        visuals: float32 (K, D_visual).
        infos: what is known of each.
    """

    ids: tuple[UUID, ...]
    similarities: FloatArray
    visuals: FloatArray
    infos: tuple[PrototypeInfo, ...]


@dataclass(frozen=True, eq=False)
class Neighbours:
    """The prototypes whose visual vectors are nearest to each of some regions, every prototype once.

    Attributes:
        rows: int32 (R, K), the place of each neighbour in the other arrays, most similar first; -1 where a
            region has fewer than K.
        similarities: float32 (R, K), cosines; 0 where there is none.
        ids: of the N prototypes that are near to any region.
        infos: what is known of each.
        text_keys: float32 (N, D_text), L2-normalised; zeros for a prototype without a noun.
        semantics: float32 (N, D_clip), L2-normalised as far as float16 is; zeros for a prototype that has
            none, and D_clip is 0 where none has any.
    """

    rows: NDArray[np.int32]
    similarities: FloatArray
    ids: tuple[UUID, ...]
    infos: tuple[PrototypeInfo, ...]
    text_keys: FloatArray
    semantics: FloatArray


@dataclass(frozen=True)
class RevisionInfo:
    """A committed revision. ``number`` counts commits from 1; ``parent`` is the one it builds on."""

    number: int
    parent: int | None
    message: str
    created_at: str
    committed_at: str
    prototypes_added: int
    prototypes_retired: int
    tags: tuple[str, ...] = ()
