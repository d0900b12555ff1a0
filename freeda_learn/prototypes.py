"""From a mask to prototypes: its mean feature, its parts, and what the rest of the picture looks like.

One example must be found beside hundreds of generated prototypes, and its thing has several sides: so beside
the mean over the mask there are means over parts of it, found by k-means over its patches (as in Matcher and
other training-free few-shot methods). The rest of the picture is divided alike: what resembles it more than
the example is not the example's thing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from freeda_learn.errors import UnusableExampleError
from freeda_learn.finding import Found
from freeda_learn.seeing import SeenPicture
from freeda_models.protocols import BoolArray, FloatArray
from freeda_models.unit_vectors import normalised
from freeda_segment.retrieval.aggregation import cluster_directions

MOST_PARTS = 10
"""Prototypes of the parts of one example, at most."""

MOST_REST = 10
"""Prototypes of the rest of its picture, at most."""

TOKENS_PER_PART = 16
"""So many patches make a part; fewer say little of themselves, for each sees far beyond its border."""

_COVERED = 0.5
_STARTS = 3
_COMPONENTS = 32
"""Patches are clustered by so many principal components: as tightly as by all 1024, in far less time."""


@dataclass(frozen=True, eq=False)
class ExampleVectors:
    """What one example looks like.

    Attributes:
        whole: float32 (D,), raw mean of the features over the mask.
        parts: float32 (P, D), raw means over parts of it; none where it is one part.
        rest: float32 (R, D), raw means over parts of the rest of the picture.
        area: share of the picture that the mask covers.
    """

    whole: FloatArray
    parts: FloatArray
    rest: FloatArray
    area: float


def pool_example(seen: SeenPicture, found: Found) -> ExampleVectors:
    """Average what the backbone saw of an example and of the rest of its picture.

    Parts of the rest that look as much like the example as its own patches do are left out: another thing of
    the kind, that nobody marked, stands there.

    Raises:
        UnusableExampleError: no patch sees the mask, or the features cancel out.
    """
    tokens = seen.tokens.reshape(-1, seen.tokens.shape[-1])
    whole = mean_feature(seen, found.mask_hw)
    if whole is None:
        raise UnusableExampleError(
            "the backbone sees nothing at its mask; mark a larger part of the picture."
        )
    own = tokens[seen.weights(found.mask_hw).ravel() >= _COVERED]
    parts = _parts(own, MOST_PARTS)
    return ExampleVectors(
        whole=whole,
        parts=parts if len(parts) > 1 else parts[:0],
        rest=_rest(seen, found, tokens, own, whole),
        area=float(found.mask_hw.mean()),
    )


def mean_feature(seen: SeenPicture, mask_hw: BoolArray) -> FloatArray | None:
    """Raw mean of the features over a mask's pixels: float32 (D,).

    Args:
        seen: the picture.
        mask_hw: bool, at the working picture's size.

    Returns:
        None where no patch sees the mask, the features cancel out, or they are larger than float16 holds.
    """
    tokens = seen.tokens.reshape(-1, seen.tokens.shape[-1])
    shares = seen.shares(mask_hw).ravel().astype(np.float64)
    mean: FloatArray = (shares @ tokens / max(shares.sum(), 1e-12)).astype(np.float32)
    too_large = float(np.abs(mean).max()) > float(np.finfo(np.float16).max)
    return mean if shares.any() and mean.any() and not too_large else None


def _rest(
    seen: SeenPicture, found: Found, tokens: FloatArray, own: FloatArray, whole: FloatArray
) -> FloatArray:
    outside = ~(found.mask_hw | found.ignored_hw)
    rest = _parts(tokens[_fully(seen, outside)], MOST_REST)
    if len(rest) and len(own):
        direction = normalised(whole[None])[0]
        rest = rest[normalised(rest) @ direction < np.median(normalised(own) @ direction)]
    if not found.not_hw.any():
        return rest
    refused = _parts(tokens[seen.weights(found.not_hw).ravel() >= _COVERED], MOST_REST)
    return np.concatenate([refused, rest])[:MOST_REST]


def _fully(seen: SeenPicture, mask_hw: BoolArray) -> BoolArray:
    """Tokens that lie in a mask altogether: bool (N,)."""
    covered: BoolArray = seen.weights(mask_hw).ravel() > 1 - 1e-6
    return covered


def _parts(tokens: FloatArray, most: int) -> FloatArray:
    """Raw means of clusters of directions, largest first: float32 (P, D)."""
    tokens = tokens[tokens.any(axis=1)]
    if not len(tokens):
        return tokens
    wanted = min(most, max(1, len(tokens) // TOKENS_PER_PART))
    owner = cluster_directions(tokens, wanted, _STARTS, _COMPONENTS)
    labels, counts = np.unique(owner, return_counts=True)
    order = labels[np.argsort(-counts, kind="stable")]
    means = np.stack([tokens[owner == label].mean(axis=0, dtype=np.float64) for label in order])
    kept: FloatArray = means[np.linalg.norm(means, axis=1) > 0].astype(np.float32)
    return kept
