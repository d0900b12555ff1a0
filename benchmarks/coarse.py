"""Coarse superpixels: what a picture of the tiny world is divided into where borders are not refined."""

from __future__ import annotations

from freeda_segment import parse_superpixels

COARSE = {"scale": 50.0, "sigma": 0.5, "min_size": 10.0}
"""Options of Felzenszwalb's superpixels. Beside refinement the preset's are finer."""

coarse_superpixels = parse_superpixels("felzenszwalb", COARSE)
