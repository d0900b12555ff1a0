"""Colours for classes: deterministic, distinct, also for people who see few colours.

The first seven are Okabe and Ito's. Each further one is the candidate farthest from all before it,
where the distance of two colours is the smallest of their distances in OKLab as most people see
them, and as people with protanopia or deuteranopia do (Machado et al. 2009). So the first n colours
are the same whatever the number of classes.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

ColourArray = NDArray[np.uint8]
_Floats = NDArray[np.float64]

_FIRST = (
    (230, 159, 0),
    (86, 180, 233),
    (0, 158, 115),
    (240, 228, 66),
    (0, 114, 178),
    (213, 94, 0),
    (204, 121, 167),
)
_PROTANOPIA = (
    (0.152286, 1.052583, -0.204868),
    (0.114503, 0.786281, 0.099216),
    (-0.003882, -0.048116, 1.051998),
)
_DEUTERANOPIA = (
    (0.367322, 0.860646, -0.227968),
    (0.280085, 0.672501, 0.047413),
    (-0.011820, 0.042940, 0.968881),
)
_SIGHTS = (np.eye(3), np.array(_PROTANOPIA), np.array(_DEUTERANOPIA))
_TO_CONES = np.array(
    (
        (0.4122214708, 0.5363325363, 0.0514459929),
        (0.2119034982, 0.6806995451, 0.1073969566),
        (0.0883024619, 0.2817188376, 0.6299787005),
    )
)
_TO_OKLAB = np.array(
    (
        (0.2104542553, 0.7936177850, -0.0040720468),
        (1.9779984951, -2.4285922050, 0.4505937099),
        (0.0259040371, 0.7827717662, -0.8086757660),
    )
)
_STEPS = 18
_LIGHTNESS = (0.30, 0.93)
_LEAST_CHROMA = 0.05


@lru_cache(maxsize=8)
def class_colours(count: int) -> ColourArray:
    """Colours of ``count`` classes: uint8 (count, 3) RGB, read-only."""
    candidates = _candidates()
    chosen = [np.array(colour) for colour in _FIRST[:count]]
    nearest = np.full(len(candidates), np.inf)
    places = _as_seen(candidates)
    for colour in chosen:
        nearest = np.minimum(nearest, _distance(places, _as_seen(colour[None])))
    while len(chosen) < count:
        farthest = int(np.argmax(nearest))
        chosen.append(candidates[farthest])
        nearest = np.minimum(nearest, _distance(places, places[:, farthest : farthest + 1]))
    colours = np.array(chosen, dtype=np.uint8).reshape(count, 3)
    colours.setflags(write=False)
    return colours


def _candidates() -> NDArray[np.int64]:
    levels = np.rint(np.linspace(0, 255, _STEPS)).astype(np.int64)
    grid = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), axis=-1).reshape(-1, 3)
    lightness, green_red, blue_yellow = _as_seen(grid)[0].T
    chroma = np.hypot(green_red, blue_yellow)
    keep = (lightness > _LIGHTNESS[0]) & (lightness < _LIGHTNESS[1]) & (chroma > _LEAST_CHROMA)
    kept: NDArray[np.int64] = grid[keep]
    return kept


def _as_seen(colours: NDArray[np.int64]) -> _Floats:
    """OKLab of sRGB (N, 3) in each kind of sight: (3, N, 3)."""
    encoded = colours / 255
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    seen = [np.clip(linear @ sight.T, 0, 1) for sight in _SIGHTS]
    return np.stack([np.cbrt(each @ _TO_CONES.T) @ _TO_OKLAB.T for each in seen])


def _distance(places: _Floats, place: _Floats) -> _Floats:
    smallest: _Floats = np.linalg.norm(places - place, axis=2).min(axis=0)
    return smallest
