"""What a generation must be before any of it is written."""

from __future__ import annotations

import math

import numpy as np

from freeda_store.errors import InvalidGenerationError
from freeda_store.limits import MAX_INTEGER, storable
from freeda_store.records import Caption, FloatArray, NewGeneration, NewPrototype, Origin
from freeda_store.thumbnails.folder import MAX_PIXELS
from freeda_store.vectors.protocol import VectorSizes

FLOAT16_MAX = 65504.0


def check_generation(generation: NewGeneration, sizes: VectorSizes) -> None:
    """Refuse a generation that could not be stored or found again.

    Raises:
        InvalidGenerationError: names the caption, the field and what was expected.
    """
    name = f"generation of {generation.caption.text[:60]!r}"
    _check_caption(generation.caption, name)
    if not 0 <= generation.seed <= MAX_INTEGER:
        raise InvalidGenerationError(f"{name}: seed {generation.seed} is outside 0 to 2**63 - 1.")
    image = generation.image_hwc
    if image is not None and (
        image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0
    ):
        raise InvalidGenerationError(
            f"{name}: image_hwc is {image.dtype} {image.shape}; expected uint8 (H, W, 3)."
        )
    if image is not None and image.shape[0] * image.shape[1] > MAX_PIXELS:
        raise InvalidGenerationError(
            f"{name}: image_hwc has {image.shape[1]} x {image.shape[0]} pixels; "
            f"at most {MAX_PIXELS:,} can be kept."
        )
    if generation.origin not in tuple(Origin):
        known = ", ".join(Origin)
        raise InvalidGenerationError(f"{name}: origin is {generation.origin!r}; expected one of {known}.")
    seen: set[tuple[str, tuple[int, int], int]] = set()
    for prototype in generation.prototypes:
        where = f"{name}, noun {prototype.noun!r}"
        _check_prototype(prototype, where, sizes)
        if generation.origin == Origin.UNLABELLED:
            _check_unlabelled(prototype, where)
        else:
            _check_named(prototype, where, sizes, len(generation.caption.text))
        place = (prototype.noun, prototype.span, prototype.part)
        if place in seen:
            raise InvalidGenerationError(f"{name}: noun {prototype.noun!r} at {prototype.span} comes twice.")
        seen.add(place)


def _check_semantic(semantic: FloatArray, name: str, size: int) -> None:
    if semantic.ndim != 1 or len(semantic) != (size or len(semantic)):
        raise InvalidGenerationError(f"{name}: semantic has shape {semantic.shape}; expected ({size},).")
    length = float(np.linalg.norm(semantic.astype(np.float64)))
    if not abs(length - 1) <= 1e-2:
        raise InvalidGenerationError(f"{name}: semantic has length {length:.3f}; expected 1 (L2-normalised).")


def _check_caption(caption: Caption, name: str) -> None:
    if not caption.text:
        raise InvalidGenerationError(f"{name}: the caption is empty.")
    for field in ("text", "external_id", "source", "license", "url"):
        _check_text(getattr(caption, field), f"{name}: caption.{field}")


def _check_text(value: str, name: str) -> None:
    if storable(value) == value:
        return
    if "\x00" in value:
        raise InvalidGenerationError(f"{name} holds a NUL character; remove it.")
    raise InvalidGenerationError(f"{name} is not valid Unicode; remove lone surrogates.")


def _check_named(prototype: NewPrototype, name: str, sizes: VectorSizes, length: int) -> None:
    if not prototype.noun:
        raise InvalidGenerationError(f"{name}: the noun is empty.")
    _check_text(prototype.noun, f"{name}: noun")
    start, stop = prototype.span
    if not 0 <= start < stop <= length:
        raise InvalidGenerationError(f"{name}: span {prototype.span} is outside the caption (0, {length}).")
    if prototype.text_key is None:
        raise InvalidGenerationError(f"{name}: text_key is missing; only regions without a noun have none.")
    _check_vector(prototype.text_key, f"{name}: text_key", sizes.text)
    norm = float(np.linalg.norm(prototype.text_key.astype(np.float64)))
    if abs(norm - 1.0) > 1e-2:
        raise InvalidGenerationError(f"{name}: text_key has length {norm:.3f}; expected 1 (L2-normalised).")


def _check_unlabelled(prototype: NewPrototype, name: str) -> None:
    if prototype.noun or prototype.span != (0, 0) or prototype.text_key is not None:
        raise InvalidGenerationError(
            f"{name}: a region that nobody named has no noun, no text_key and the span (0, 0)."
        )
    if prototype.semantic is None:
        raise InvalidGenerationError(f"{name}: semantic is missing, so nothing could come of it; drop it.")


def _check_vector(vector: FloatArray, name: str, size: int) -> None:
    if vector.shape != (size,):
        raise InvalidGenerationError(f"{name} has shape {vector.shape}; expected ({size},).")
    if not np.isfinite(vector).all():
        raise InvalidGenerationError(f"{name} holds a value that is not finite; drop it.")


def _check_prototype(prototype: NewPrototype, name: str, sizes: VectorSizes) -> None:
    if not 0 <= prototype.part <= MAX_INTEGER:
        raise InvalidGenerationError(f"{name}: part {prototype.part} is outside 0 to 2**63 - 1.")
    _check_vector(prototype.visual, f"{name}: visual", sizes.visual)
    if float(np.abs(prototype.visual).max()) > FLOAT16_MAX:
        raise InvalidGenerationError(f"{name}: visual is larger than float16 holds ({FLOAT16_MAX:.0f}).")
    if prototype.semantic is not None:
        _check_semantic(prototype.semantic, name, sizes.semantic)
    scores = prototype.scores
    values = (scores.contrast, scores.area, scores.clip_agreement, scores.outlier_distance)
    if not all(math.isfinite(value) for value in values):
        raise InvalidGenerationError(f"{name}: {scores} holds a value that is not finite.")
    attribution = prototype.attribution_hw
    if attribution is not None and (
        attribution.dtype != np.uint8 or attribution.ndim != 2 or attribution.size == 0
    ):
        raise InvalidGenerationError(
            f"{name}: attribution_hw is {attribution.dtype} {attribution.shape}; expected uint8 (h, w)."
        )
