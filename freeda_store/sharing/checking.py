"""What a part must be before any of it is stored: it may come from a file that somebody else made."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import astuple
from typing import Any

import numpy as np
from numpy.typing import NDArray

from freeda_store.errors import BankDamagedError
from freeda_store.ids import generation_key, prototype_id
from freeda_store.limits import MAX_INTEGER
from freeda_store.records import Origin, Prototype
from freeda_store.sharing.parts import PART_GENERATIONS, Part, SharedGeneration
from freeda_store.thumbnails.folder import KEY_PATTERN
from freeda_store.vectors.protocol import VectorSizes


def check_part(part: Part, revision: int, sizes: VectorSizes, source: str) -> None:
    """Refuse a part whose names, vectors or scores cannot be those of a bank.

    Prototypes are named after their content and their revision, so a part cannot overwrite what
    another revision shows.

    Raises:
        BankDamagedError: names what is wrong.
    """
    keys = [generation.key for generation in part.generations]
    if not 1 <= len(keys) <= PART_GENERATIONS or keys != sorted(set(keys)):
        raise _damaged(source, f"a part holds {len(keys)} generations that are too many or in no order")
    for generation in part.generations:
        _check_generation(generation, revision, source)
    for key in part.thumbnail_keys:
        if not KEY_PATTERN.fullmatch(key):
            raise _damaged(source, f"{key[:80]!r} is no thumbnail's key")
    _check_vectors(part.texts, len(part.prototypes), sizes.text, "text", source)
    _check_vectors(part.visuals, len(part.prototypes), sizes.visual, "visual", source)
    if part.semantics is not None:
        _check_semantics(part, sizes, source)
    lengths = np.linalg.norm(part.texts.astype(np.float64), axis=1)
    expected = np.array([bool(prototype.noun) for prototype in part.prototypes], dtype=np.float64)
    if lengths.size and float(np.abs(lengths - expected).max()) > 1e-2:
        raise _damaged(source, "a text vector has not length 1, or belongs to no noun")


def _check_semantics(part: Part, sizes: VectorSizes, source: str) -> None:
    semantics = part.semantics
    if semantics is None:
        return
    _check_vectors(semantics, len(part.prototypes), sizes.semantic or semantics.shape[-1], "semantic", source)
    lengths = np.linalg.norm(semantics.astype(np.float64), axis=1)
    if lengths.size and float(np.minimum(lengths, np.abs(lengths - 1)).max()) > 1e-2:
        raise _damaged(source, "a semantic vector has not length 1")


def _check_generation(generation: SharedGeneration, revision: int, source: str) -> None:
    caption, seed = generation.caption, generation.seed
    if not caption.text or not 0 <= seed <= MAX_INTEGER or generation.key != generation_key(caption, seed):
        raise _damaged(source, f"generation {generation.key} is not that of its caption and seed")
    if generation.origin not in tuple(Origin):
        raise _damaged(source, f"generation {generation.key} has the origin {generation.origin[:40]!r}")
    for prototype in generation.prototypes:
        _check_prototype(prototype, generation, revision, source)


def _check_prototype(prototype: Prototype, generation: SharedGeneration, revision: int, source: str) -> None:
    id_ = prototype_id(generation.key, revision, prototype.noun, prototype.span, prototype.part)
    if prototype.id != id_ or prototype.part < 0:
        raise _damaged(source, f"prototype {prototype.id} is not that of its noun, caption and revision")
    start, stop = prototype.span
    named = generation.origin != Origin.UNLABELLED
    inside = 0 <= start < stop <= len(generation.caption.text) if named else start == stop == 0
    if bool(prototype.noun) != named or not inside:
        raise _damaged(source, f"prototype {prototype.id} has no noun in its caption")
    if not all(map(math.isfinite, astuple(prototype.scores))):
        raise _damaged(source, f"a score of prototype {prototype.id} is not finite")


def _check_vectors(vectors: NDArray[Any], count: int, size: int, name: str, source: str) -> None:
    expected: Sequence[int] = (count, size)
    if vectors.shape != expected:
        raise _damaged(source, f"its {name} vectors have shape {vectors.shape}, expected {expected}")
    if not np.isfinite(vectors).all():
        raise _damaged(source, f"a {name} vector holds a value that is not finite")


def _damaged(source: str, what: str) -> BankDamagedError:
    return BankDamagedError(f"what arrives at {source} is damaged: {what}; get the bank again.")
