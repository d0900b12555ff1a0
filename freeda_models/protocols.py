"""The borders of this package: five small protocols and the values that cross them.

Arrays at these borders are NumPy; torch stays inside the adapters. Layouts are named in the
variable: ``bhwc`` is batch, height, width, channel. Importing this module imports no network.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]
ImageArray = NDArray[np.uint8]
BoolArray = NDArray[np.bool_]
IndexArray = NDArray[np.int64]
LabelArray = NDArray[np.int32]

Span = tuple[int, int]
"""Character span in a caption: start (included) and stop (excluded), in code points."""


@dataclass(frozen=True)
class ModelIdentity:
    """What identifies a model in a manifest.

    Attributes:
        id: hub id, open_clip name, package name, or ``tiny`` for the bundled pack.
        revision: commit of the hub repository, package version, or ``""`` when unknown.
        sha256: hash of the weights file, lower-case hex, or ``""`` where there is none.
        dim: length of the vectors that the model gives (0 for generators and noun extractors).
        preprocessing: one line that fixes how input is prepared, e.g. ``518px bicubic imagenet``.
    """

    id: str
    revision: str
    sha256: str
    dim: int
    preprocessing: str


class NounKind(StrEnum):
    """How a noun key was made from the caption's words."""

    NOUN = "noun"
    COMPOUND = "compound"
    PHRASE = "phrase"


@dataclass(frozen=True)
class Noun:
    """A noun of a caption.

    Attributes:
        key: what a person would type to mean it, lower case, lemma: ``car``, ``fire truck``,
            ``red car``.
        span: characters of the caption that the key was read from (the head word for NOUN, all
            words for COMPOUND and PHRASE).
        kind: how the key was made.
        head: of a phrase, the characters of its head where no other noun of the caption covers them.
    """

    key: str
    span: Span
    kind: NounKind
    head: Span | None = None


@dataclass(frozen=True)
class GenerationRequest:
    """A caption to draw, the seed of its noise, and the spans whose attribution is wanted."""

    caption: str
    seed: int
    spans: tuple[Span, ...]


@dataclass(frozen=True, eq=False)
class GeneratedImage:
    """A drawn caption.

    Attributes:
        image_hwc: uint8 (H, W, 3) RGB.
        attribution_shw: float32 (S, h, w) at latent resolution, >= 0, one map per requested span
            (DAAM, Tang et al. 2023); all zero for a span outside the text encoder's window.
        inside_window: bool (S,); False where the text encoder's window cut the span off.
        flaw: why the picture cannot be used, in a few words; ``""`` for a sound one.
    """

    image_hwc: ImageArray
    attribution_shw: FloatArray
    inside_window: BoolArray
    flaw: str = ""


@runtime_checkable
class TextEncoder(Protocol):
    """Texts to vectors of one space. The key space of a bank is made by one of these."""

    @property
    def identity(self) -> ModelIdentity:
        """Which model this is."""

    def encode_texts(self, texts: Sequence[str]) -> FloatArray:
        """Embed texts: float32 (N, D), L2-normalised rows."""

    def encode_texts_raw(self, texts: Sequence[str]) -> FloatArray:
        """The same rows as the model gives them, before any normalising: float32 (N, D)."""

    def encode_spans(self, texts: Sequence[str], spans: Sequence[Span]) -> FloatArray:
        """Embed each text's span in its context: float32 (N, D), L2-normalised rows.

        The span's tokens are pooled after the last layer, through the final norm and projection.
        A span outside the window gives the embedding of the span's own characters.
        """


@runtime_checkable
class TextImageEncoder(TextEncoder, Protocol):
    """CLIP: texts and pictures to one space."""

    def encode_images(self, images_bhwc: ImageArray) -> FloatArray:
        """Embed pictures: uint8 (B, H, W, 3) RGB to float32 (B, D), L2-normalised rows.

        Pictures are resized to the model's square input; callers crop where aspect matters.
        """


@dataclass(frozen=True, eq=False)
class GuidedImages:
    """Pictures in CLIP's space, whole and place by place.

    Attributes:
        embeddings: float32 (B, D), L2-normalised, of whole pictures.
        patches: float32 (B, h, w, D), L2-normalised, of their places.
    """

    embeddings: FloatArray
    patches: FloatArray


@runtime_checkable
class GuidedImageEncoder(TextImageEncoder, Protocol):
    """A CLIP that says of each place of a picture what it shows, guided by a dense backbone."""

    def encode_images_guided(self, images_bhwc: ImageArray, guides_bhwd: FloatArray) -> GuidedImages:
        """Embed pictures, as ``encode_images``, and their places with them.

        Args:
            images_bhwc: uint8 (B, H, W, 3) RGB.
            guides_bhwd: float32 (B, h, w, G), patch features of the same pictures by a
                :class:`DenseBackbone`, which say what belongs together; places lie on their grid.
        """


@runtime_checkable
class DenseBackbone(Protocol):
    """DINOv2 and its kin: pictures to patch features."""

    @property
    def identity(self) -> ModelIdentity:
        """Which model this is."""

    @property
    def grid_hw(self) -> tuple[int, int]:
        """Rows and columns of tokens of one picture."""

    def encode(self, images_bhwc: ImageArray) -> FloatArray:
        """Patch features: uint8 (B, H, W, 3) RGB to float32 (B, h, w, D), not normalised.

        Pictures are resized to the model's square input; class and register tokens are dropped.
        """


@dataclass(frozen=True, eq=False)
class MaskProposals:
    """Masks that may overlap and leave pixels out, in low resolution.

    Attributes:
        logits_nhw: float16 (N, h, w), above 0 inside a mask, to be upsampled before they are cut.
        quality: float32 (N,), 0..1, the network's own estimate.
        extent_hw: rows and columns of the grid that the picture fills, from the top left; the rest is
            padding.
    """

    logits_nhw: NDArray[np.float16]
    quality: FloatArray
    extent_hw: tuple[float, float]

    def __len__(self) -> int:
        return len(self.quality)


@runtime_checkable
class MaskProposer(Protocol):
    """Pictures to masks of whatever may be an object or a part, without classes."""

    @property
    def identity(self) -> ModelIdentity:
        """Which model this is; ``dim`` is 0."""

    def propose(self, image_hwc: ImageArray) -> MaskProposals:
        """Masks of one picture, uint8 (H, W, 3) RGB of any size; none is allowed."""


@runtime_checkable
class PromptedProposer(Protocol):
    """Pictures to the mask that a point or a box means."""

    @property
    def identity(self) -> ModelIdentity:
        """Which model this is; ``dim`` is 0."""

    def at_point(self, image_hwc: ImageArray, point_xy: tuple[int, int]) -> BoolArray:
        """The mask at a pixel, bool (H, W), of a picture uint8 (H, W, 3) RGB: the best of several."""

    def in_box(self, image_hwc: ImageArray, box: tuple[int, int, int, int]) -> BoolArray:
        """The mask that fills a box: left, top, right and bottom, of its first and last pixel."""


@runtime_checkable
class ImageGenerator(Protocol):
    """A text-to-image diffusion model that gives an attribution map for each span of the caption."""

    @property
    def identity(self) -> ModelIdentity:
        """Which model this is; ``preprocessing`` fixes steps, guidance, scheduler and size."""

    def generate(self, requests: Sequence[GenerationRequest]) -> list[GeneratedImage]:
        """Draw one batch. The same request gives the same picture whatever the batch around it,
        up to rounding: some pixels may be off by one level."""


@runtime_checkable
class NounExtractor(Protocol):
    """Captions to nouns."""

    @property
    def identity(self) -> ModelIdentity:
        """Which model this is."""

    def extract(self, captions: Sequence[str]) -> list[tuple[Noun, ...]]:
        """Nouns of each caption, in reading order; keys may repeat, (key, span) never does."""

    def refusal(self, caption: str) -> str:
        """Why a caption is not read at all, in a few words; empty when it is, or simply holds no noun."""
        return ""
