"""What is equal up to rounding, and how far apart that may be: the one place for it.

Exact are words, whole numbers and ids, and whatever is copied, stored and read back: the same code on
the same data gives the same bytes on any machine. Not exact is what networks and long sums compute.
Libraries choose their kernels by processor, number of threads, size of the batch and place in memory,
and each kernel adds up in its own order. So two ways of computing the same are compared by the
functions below, and never bit for bit, though on one machine they may well agree.

Half of float32's last bit is 6e-8 of a value. Through the layers of these tests' networks that grows to
at most 3e-6 of the largest value, and moves 3 of 12,288 pixel values by one level: measured on attribution
maps, features and embeddings, AVX-512 against AVX2 and SSE kernels, and one picture against a batch.
The distances below are six and eight times that; mistakes are far larger, and so is the noise by which
the fakes of ``tests/ingest`` tell batches apart.
"""

from __future__ import annotations

from typing import Any

import numpy as np

NEAR = 2e-5
"""Of the largest value: how far apart float32 results may be."""
NEAR_IN_HALF = 1e-3
"""The same after storage in float16, whose last bit is 1e-3 of a value: it may fall to the other side."""
LEVELS = 1
"""A pixel of 0..255 that lies on the border of two levels may be rounded to either."""
FEW = 0.002
"""Share of the pixel values that may lie so; a mistake moves many."""


def assert_near(found: Any, expected: Any, what: object = "", *, near: float = NEAR) -> None:
    """Numbers that agree up to rounding: the same shape, apart by ``near`` of the largest at most."""
    found, expected = np.asarray(found, dtype=np.float64), np.asarray(expected, dtype=np.float64)
    assert found.shape == expected.shape, what
    largest = float(np.abs(expected).max(initial=0))
    np.testing.assert_allclose(found, expected, rtol=0, atol=near * largest, err_msg=str(what))


def assert_same_picture(found: Any, expected: Any, what: object = "") -> None:
    """Pictures, uint8, that agree up to rounding: few pixels differ, and by one level."""
    found, expected = np.asarray(found), np.asarray(expected)
    assert (found.shape, found.dtype) == (expected.shape, expected.dtype), what
    apart = np.abs(found.astype(int) - expected.astype(int))
    assert apart.max(initial=0) <= LEVELS, what
    assert (apart > 0).sum() <= max(1, FEW * apart.size), what
