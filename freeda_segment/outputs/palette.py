"""Colours for classes: deterministic, distinct, also for people who see few colours.

The distance of two colours is the smaller of their CIEDE2000 differences as most people see them and as
people with deuteranopia do (Machado et al. 2009). The first 22 were searched for so that no two are
nearer than 13; each further one is the candidate farthest from all before it. So the first n colours
are the same whatever the number of classes.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

ColourArray = NDArray[np.uint8]
_Floats = NDArray[np.float64]

_FIRST = (
    *((255, 137, 0), (20, 177, 255), (39, 118, 78), (235, 255, 0), (157, 39, 255), (235, 0, 20)),
    *((118, 196, 157), (39, 39, 137), (216, 157, 216), (137, 137, 98), (255, 0, 157), (177, 255, 255)),
    *((59, 98, 137), (157, 39, 0), (59, 255, 137), (98, 20, 78), (177, 98, 177), (39, 59, 0)),
    *((39, 0, 255), (177, 39, 118), (196, 255, 216), (20, 78, 59)),
)
DEUTERANOPIA = np.array(
    (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    )
)
"""How linear RGB is seen without green cones (Machado et al. 2009, severity 1)."""
_STEPS = 16
_LIGHTNESS = (20, 96)
_LEAST_CHROMA = 12


@lru_cache(maxsize=8)
def class_colours(count: int) -> ColourArray:
    """Colours of ``count`` classes: uint8 (count, 3) RGB, read-only."""
    colours = np.array(_FIRST[:count], dtype=np.uint8).reshape(-1, 3)
    if count > len(_FIRST):
        colours = np.concatenate([colours, _farther(count - len(_FIRST))])
    colours.setflags(write=False)
    return colours


def hex_colours(count: int) -> list[str]:
    """The same as ``#rrggbb``."""
    return ["#" + bytes(colour).hex() for colour in class_colours(count)]


def differences(places: _Floats, others: _Floats) -> _Floats:
    """CIEDE2000 of colours that :func:`as_seen` placed, in the sight that tells them apart least."""
    from skimage.color import deltaE_ciede2000

    smallest: _Floats = deltaE_ciede2000(places, others).min(axis=0)
    return smallest


def as_seen(colours: NDArray[np.integer]) -> _Floats:
    """CIELAB of sRGB (N, 3) in each kind of sight: (2, N, 3)."""
    from skimage.color import rgb2lab

    encoded = colours / 255
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ DEUTERANOPIA.T, 0, 1)
    shown = np.where(seen <= 0.0031308, seen * 12.92, 1.055 * seen ** (1 / 2.4) - 0.055)
    places: _Floats = rgb2lab(np.stack([encoded, shown]))
    return places


def _farther(count: int) -> ColourArray:
    """Colours after the first, each the farthest from all before it."""
    candidates = _candidates()
    places = as_seen(candidates)
    nearest = np.full(len(candidates), np.inf)
    for place in as_seen(np.array(_FIRST)).transpose(1, 0, 2):
        nearest = np.minimum(nearest, differences(places, place[:, None]))
    chosen = []
    for _ in range(count):
        farthest = int(np.argmax(nearest))
        chosen.append(candidates[farthest])
        nearest = np.minimum(nearest, differences(places, places[:, farthest : farthest + 1]))
    return np.array(chosen, dtype=np.uint8)


def _candidates() -> NDArray[np.int64]:
    levels = np.rint(np.linspace(0, 255, _STEPS)).astype(np.int64)
    grid = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), axis=-1).reshape(-1, 3)
    lightness, green_red, blue_yellow = as_seen(grid)[0].T
    chroma = np.hypot(green_red, blue_yellow)
    keep = (lightness > _LIGHTNESS[0]) & (lightness < _LIGHTNESS[1]) & (chroma > _LEAST_CHROMA)
    kept: NDArray[np.int64] = grid[keep]
    return kept
