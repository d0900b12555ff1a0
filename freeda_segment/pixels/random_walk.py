"""Scores of superpixels by a random walk with priors (Grady, CVPR 2005), on a graph of superpixels.

A superpixel at a border shares its tokens with what lies behind the border, so its own score says little.
Its colour says more. Superpixels that touch are tied the more the less their colours differ, and so are
superpixels of nearly one colour that lie near each other. A superpixel's own score holds it by its evidence:
the tokens that it touches, times the square of the lead of its best class. The scores R that leave the least
tension,

    sum_s evidence_s |R_s - S_s|^2 + 1/2 sum_st tie_st |R_s - R_t|^2,

solve (E + L) R = E S with E the evidence and L the Laplacian of the ties: one sparse, symmetric, positive
definite system, solved for all classes at once. Every new score is a mean of old ones, so a score keeps its
range and its meaning. Work grows with superpixels, not with pixels times classes.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from freeda_models.protocols import ImageArray, LabelArray
from freeda_segment.pixels.refinement import RandomWalk
from freeda_segment.regions.sampling import cells_of_pixels
from freeda_segment.regions.similarity import WindowScores, tokens_touched

_LEAST_EVIDENCE = 1e-3
"""Evidence of a superpixel that touches no token: enough for the system to have a solution."""

_LIKENESS_CUT = 2.0
"""Colours that differ by more deviations than this are not tied at a distance."""

_ALL = slice(None)
_NEIGHBOURS = (((_ALL, slice(-1)), (_ALL, slice(1, None))), ((slice(-1), _ALL), (slice(1, None), _ALL)))
"""Each pixel and the one to its right, each and the one below."""


def walk(window: WindowScores, crop_hwc: ImageArray, settings: RandomWalk) -> WindowScores:
    """Scores of one window after the walk; pixels in no superpixel keep theirs.

    Args:
        window: the scores of its superpixels and patches.
        crop_hwc: uint8 (H, W, 3), its part of the working picture.
        settings: of the walk.
    """
    from scipy.sparse.linalg import splu

    count = len(window.covered)
    if count < 2:
        return window
    parts = _parts(window.labels, count, _grid_hw(window))
    evidence = _evidence(window, settings.sure)
    factors = splu(
        _system(evidence, _ties(window, crop_hwc, parts, settings)),
        permc_spec="MMD_AT_PLUS_A",
        options={"SymmetricMode": True},
    )
    walked = factors.solve(evidence[:, None] * _own_scores(window, parts))
    everywhere = np.ones(count, dtype=np.bool_)
    return dataclasses.replace(window, regions=walked.astype(np.float32), covered=everywhere)


@dataclass(frozen=True, eq=False)
class _Ties:
    """Pairs of superpixels, (P,) each, and how strongly they are tied, (P,); a pair may come twice."""

    one: NDArray[np.integer[Any]]
    other: NDArray[np.integer[Any]]
    strength: NDArray[np.float64]


def _system(evidence: NDArray[np.float64], ties: _Ties) -> Any:
    """E + L: scipy CSC matrix, float64 (S, S), symmetric."""
    from scipy.sparse import coo_matrix

    count, own = len(evidence), np.arange(len(evidence))
    held = evidence.copy()
    for ends in (ties.one, ties.other):
        held += np.bincount(ends, ties.strength, count)
    values = np.concatenate([-ties.strength, -ties.strength, held])
    places = np.concatenate([ties.one, ties.other, own]), np.concatenate([ties.other, ties.one, own])
    return coo_matrix((values, places), shape=(count, count)).tocsc()


def _grid_hw(window: WindowScores) -> tuple[int, int]:
    return window.tokens.shape[0], window.tokens.shape[1]


def _parts(labels_hw: LabelArray, count: int, grid_hw: tuple[int, int]) -> Any:
    """Share of each token's cell that each superpixel fills: scipy CSR matrix, float64 (S, tokens)."""
    from scipy.sparse import csr_matrix

    (height, width), (rows, columns) = labels_hw.shape, grid_hw
    cells = cells_of_pixels(labels_hw.shape, grid_hw)
    inside = labels_hw >= 0
    shares = np.full(np.count_nonzero(inside), rows * columns / (height * width))
    return csr_matrix((shares, (labels_hw[inside], cells[inside])), shape=(count, rows * columns))


def _own_scores(window: WindowScores, parts: Any) -> NDArray[np.float64]:
    """Scores before the walk, (S, C); where no token is touched, the mean of the cells that it lies in."""
    own = window.regions.astype(np.float64)
    bare = ~window.covered
    if bare.any():
        here = parts[np.flatnonzero(bare)]
        tokens = window.tokens.reshape(-1, window.tokens.shape[2])
        own[bare] = (here @ tokens) / np.maximum(np.asarray(here.sum(axis=1)), _LEAST_EVIDENCE)
    return own


def _evidence(window: WindowScores, sure: float) -> NDArray[np.float64]:
    """How much each superpixel's own score counts, above 0: (S,)."""
    tokens = tokens_touched(window.labels, _grid_hw(window))
    lead = np.ones(len(tokens))
    if window.regions.shape[1] > 1:
        second, best = np.partition(window.regions, -2, axis=1)[:, -2:].T.astype(np.float64)
        lead = np.minimum((best - second) / sure, 1)
    return tokens * lead**2 + _LEAST_EVIDENCE


def _ties(window: WindowScores, crop_hwc: ImageArray, parts: Any, settings: RandomWalk) -> _Ties:
    """How strongly superpixels are tied that touch, or that are alike and near."""
    from skimage.color import rgb2lab

    count = len(window.covered)
    lab_hwc = rgb2lab(crop_hwc.astype(np.float32) / np.float32(255))
    colours = _mean_colours(lab_hwc, window.labels, count)
    side = math.sqrt(window.labels.size / parts.shape[1])
    one, other, lengths, steps = _touching(window.labels, lab_hwc, count)
    unlike = (_lengths(colours[one] - colours[other]) + steps) / 2
    touching = lengths / side * np.exp(-unlike / settings.step)
    near_one, near_other, shared = _near(parts, _grid_hw(window), settings.reach)
    unlike = _lengths(colours[near_one] - colours[near_other]) / settings.likeness
    alike = unlike < _LIKENESS_CUT
    near = settings.near * shared[alike] * np.exp(-(unlike[alike] ** 2) / 2)
    return _Ties(
        np.concatenate([one, near_one[alike]]),
        np.concatenate([other, near_other[alike]]),
        settings.tie * np.concatenate([touching, near]),
    )


def _lengths(rows: NDArray[Any]) -> NDArray[Any]:
    """Of some short vectors, (N, 3): (N,)."""
    found: NDArray[Any] = np.sqrt(np.einsum("nc,nc->n", rows, rows))
    return found


def _mean_colours(lab_hwc: NDArray[Any], labels_hw: LabelArray, count: int) -> NDArray[np.float64]:
    """Mean colour of each superpixel: (S, 3)."""
    inside = labels_hw >= 0
    labels, pixels = labels_hw[inside], lab_hwc[inside]
    sums = [np.bincount(labels, pixels[:, channel], count) for channel in range(3)]
    means: NDArray[np.float64] = np.stack(sums, axis=1) / np.bincount(labels, minlength=count)[:, None]
    return means


def _touching(
    labels_hw: LabelArray, lab_hwc: NDArray[Any], count: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Pairs of superpixels with a common border: both, its length in pixels, its mean colour step."""
    keys, steps = [], []
    for before, after in _NEIGHBOURS:
        first, second = labels_hw[before], labels_hw[after]
        border = (first != second) & (first >= 0) & (second >= 0)
        low, high = np.minimum(first, second)[border], np.maximum(first, second)[border]
        keys.append(low.astype(np.int64) * count + high)
        steps.append(_lengths(lab_hwc[before][border] - lab_hwc[after][border]))
    pairs, which = np.unique(np.concatenate(keys), return_inverse=True)
    lengths = np.bincount(which, minlength=len(pairs)).astype(np.float64)
    means = np.bincount(which, np.concatenate(steps), len(pairs)) / lengths
    return pairs // count, pairs % count, lengths, means


def _near(
    parts: Any, grid_hw: tuple[int, int], reach: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Pairs of superpixels near each other, and the sum over near cells of their shares' products."""
    shared = (parts @ _near_cells(grid_hw, reach) @ parts.T).tocoo()
    once = shared.row < shared.col
    return shared.row[once], shared.col[once], shared.data[once]


@lru_cache(maxsize=8)
def _near_cells(grid_hw: tuple[int, int], reach: int) -> Any:
    """Which cells lie within ``reach`` rows and columns: scipy CSR matrix (tokens, tokens) of ones."""
    from scipy.sparse import diags, kron

    offsets = range(-reach, reach + 1)
    return kron(*(diags([1.0] * len(offsets), offsets, shape=(size, size)) for size in grid_hw), "csr")
