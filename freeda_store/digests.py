"""Checksums of what a bank keeps of a prototype, written at the moment when the prototype is.

They prove later which of two copies is the one that was written. They name nothing: ids come from content
(:mod:`freeda_store.ids`) and no bit of a vector is in them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, cast
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from freeda_store.fields import FIELDS, Holds, defaults, names
from freeda_store.records import FloatArray
from freeda_store.vectors.protocol import Payload, Point

DIGEST_BYTES = 16
_UNIT_TOLERANCE = 5e-7
"""How far a squared length may be from 1. Engines leave a vector alone up to 1e-6, and sum in float32."""
CHANGING = frozenset({"retired_in", *(field.name for field in FIELDS if not field.lasting)})
"""Fields that are written after the prototype: by later revisions, and by its own commit."""
_INTEGERS = (*names(Holds.INTEGER), "added_in")


@dataclass(frozen=True)
class Checksums:
    """What SQL keeps to prove a prototype by.

    Attributes:
        vectors: of the vectors' bytes; None for a prototype written before checksums were kept.
        record: of the payload's fields that never change, and of ``vectors``; None likewise. So of two
            checksums that belong together, a damaged one is found out by the other.
        semantic: of the semantic vector's bytes, for it may come later; None for a prototype without one.
    """

    vectors: bytes | None = None
    record: bytes | None = None
    semantic: bytes | None = None


def canonical_point(
    id_: UUID,
    text: NDArray[Any] | None,
    visual: NDArray[Any],
    payload: Payload,
    semantic: NDArray[Any] | None = None,
) -> Point:
    """A point whose vectors every engine keeps bit for bit.

    Args:
        id_: its id.
        text: (D_text,), about unit length; None for none.
        visual: (D_visual,), within the range of float16.
        payload: its payload.
        semantic: (D_clip,), about unit length; None for none.
    """
    key = None if text is None else canonical_text(text)
    kept = None if semantic is None else canonical_semantic(semantic)
    return Point(id_, key, _halved(visual), payload, kept)


def canonical_semantic(semantic: NDArray[Any]) -> FloatArray:
    """Semantic vectors, (..., D_clip), as every engine keeps them."""
    return _halved(semantic)


def _halved(vector: NDArray[Any]) -> FloatArray:
    return vector.astype(np.float16).astype(np.float32)


def canonical_text(text: NDArray[Any]) -> FloatArray:
    """A text key of length 1 as float32: scaled in float64, unless it is so near that engines keep it."""
    kept = np.ascontiguousarray(text, dtype=np.float32)
    exact = kept.astype(np.float64)
    square = float(exact @ exact)
    if abs(square - 1) <= _UNIT_TOLERANCE or square == 0:
        return kept
    return np.asarray(exact / np.sqrt(square), dtype=np.float32)


def checksums(point: Point) -> Checksums:
    """Both checksums of a canonical point."""
    vectors = vectors_digest(point.text, point.visual)
    semantic = None if point.semantic is None else semantic_digest(point.semantic)
    return Checksums(vectors, record_digest(point.payload, vectors), semantic)


def semantic_digest(semantic: NDArray[Any]) -> bytes | None:
    """BLAKE2b of a semantic vector's float16, little-endian; None for zeros, which stand for none."""
    if not semantic.any():
        return None
    with np.errstate(over="ignore"):
        return blake2b(semantic.astype("<f2").tobytes(), digest_size=DIGEST_BYTES).digest()


def vectors_digest(text: FloatArray | None, visual: NDArray[Any]) -> bytes:
    """BLAKE2b of the text vector's float32 and the visual one's float16, little-endian.

    A text vector of zeros stands for none, and is left out.
    """
    hashed = blake2b(digest_size=DIGEST_BYTES)
    if text is not None and text.any():
        hashed.update(text.astype("<f4").tobytes())
    with np.errstate(over="ignore"):  # a damaged one may be too large for float16
        hashed.update(visual.astype("<f2").tobytes())
    return hashed.digest()


def record_digest(payload: Payload, vectors: bytes) -> bytes | None:
    """BLAKE2b of what a payload says for ever, and of the checksum of the vectors.

    Returns:
        None when a field is missing or has another type than was ever written.
    """
    usual = defaults()
    fields = {
        name: value
        for name, value in payload.items()
        if name not in CHANGING and (name not in usual or value != usual[name])
    }
    values = cast("Mapping[str, Any]", fields)
    try:
        plain = fields | {name: float(values[name]) for name in names(Holds.SCORE) if name not in CHANGING}
        plain |= {name: int(values[name]) for name in _INTEGERS if name in values or name not in usual}
        plain["span"] = [int(place) for place in values["span"]]
        document = json.dumps(plain, sort_keys=True, allow_nan=False)
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    return blake2b(document.encode() + vectors, digest_size=DIGEST_BYTES).digest()
