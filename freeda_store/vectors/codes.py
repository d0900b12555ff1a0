"""Directions in 8 bits: products that are a quarter of the work, and how far from the truth they may be.

A direction x is kept as s c + r, where c are whole numbers from -127 to 127, s a scale and r what is left
over. For directions of length 1, q·x differs from the product of what is kept by at most
``|r_x| + |r_q| (1 + |r_x|)``, by Cauchy and Schwarz. That is a bound and no estimate: whoever compares again
what lies within it misses nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from freeda_store.records import FloatArray

CodeArray: TypeAlias = NDArray[np.int8]
_MOST = 127
_DEVIATIONS = 8
_TRIED = (64, 512)
"""Vectors and queries of the trial that finds the faster product."""


@dataclass(frozen=True, eq=False)
class Codes:
    """Directions in 8 bits.

    Attributes:
        values: int8 (N, D), the whole numbers.
        scales: float32 (N,), what they are multiplied by.
        errors: float32 (N,), the lengths of what is left over.
    """

    values: CodeArray
    scales: FloatArray
    errors: FloatArray

    def __getitem__(self, rows: slice | NDArray[np.intp]) -> Codes:
        """Some of them; of a slice, without a copy."""
        return Codes(self.values[rows], self.scales[rows], self.errors[rows])

    def put(self, rows: slice | NDArray[np.intp], codes: Codes) -> None:
        """Write some of them."""
        self.values[rows], self.scales[rows], self.errors[rows] = codes.values, codes.scales, codes.errors

    @classmethod
    def empty(cls, count: int, width: int) -> Codes:
        """Room for so many."""
        scales, errors = np.empty(count, dtype=np.float32), np.empty(count, dtype=np.float32)
        return cls(np.empty((count, width), dtype=np.int8), scales, errors)


Product: TypeAlias = Callable[[Codes, Codes], FloatArray]


def directions(vectors: FloatArray) -> FloatArray:
    """Vectors of length 1; those of length 0 stay.

    Raises:
        ValueError: one holds a value that is not finite.
    """
    lengths = np.sqrt(np.einsum("nd,nd->n", vectors, vectors))[:, None]
    if not np.isfinite(lengths).all():
        raise ValueError("a visual vector holds a value that is not finite")
    return np.asarray(vectors / np.where(lengths > 0, lengths, 1), dtype=np.float32)


def encode(units: FloatArray) -> Codes:
    """Directions, float32 (N, D), in 8 bits."""
    most = np.abs(units).max(axis=1, initial=0)
    scales = np.where(most > 0, most / np.float32(_MOST), np.float32(1))
    values = np.rint(units / scales[:, None])
    rest = units - values * scales[:, None]
    return Codes(values.astype(np.int8), scales, np.sqrt(np.einsum("nd,nd->n", rest, rest)))


def rounding(width: int) -> float:
    """The most by which sums of ``width`` products of float32 directions are off, in whatever order."""
    return width * 2.0**-23


def slack(queries: Codes, error: float, width: int) -> FloatArray:
    """How far products with vectors whose errors are at most ``error`` may be off, float32 (Q,)."""
    return (queries.errors * np.float32(1 + error) + np.float32(error + rounding(width))).astype(np.float32)


def likely_slack(queries: Codes, error: float, width: int) -> FloatArray:
    """The same where what rounding left over is like noise: eight times the deviation that it has then."""
    left_over = np.sqrt((queries.errors**2 + np.float32(error**2)) / width)
    return (_DEVIATIONS * left_over + np.float32(rounding(width))).astype(np.float32)


def by_whole_numbers(vectors: Codes, queries: Codes) -> FloatArray:
    """Products of what is kept, in units of each query's scale, float32 (N, Q).

    By the processor's instructions for 8 bits, if it has any. PyTorch leaves products unmade where a side
    is 1 (its issue 195066): those are made by floats.
    """
    import torch

    if 1 in (*vectors.values.shape, *queries.values.shape):
        return by_floats(vectors, queries)
    rows = np.require(vectors.values, requirements="W")  # a file's are not, of which PyTorch warns
    values = torch._int_mm(torch.from_numpy(rows), torch.from_numpy(queries.values).T).numpy()
    return np.asarray(values * vectors.scales[:, None], dtype=np.float32)


def by_floats(vectors: Codes, queries: Codes) -> FloatArray:
    """The same by the product of float32: whole numbers up to 2**24 are exact in it, in whatever order."""
    found = vectors.values.astype(np.float32) @ queries.values.astype(np.float32).T
    found *= vectors.scales[:, None]
    return np.asarray(found)


@cache
def fastest_product() -> Product:
    """What is right and faster here: on processors without instructions for 8 bits PyTorch's products may
    overflow without a word (its issue 136746), or be slow."""
    rng = np.random.default_rng(0)
    sizes = [(count, 1024) for count in _TRIED]
    extreme = [np.full(size, sign * _MOST, dtype=np.int8) for size, sign in zip(sizes, (1, -1), strict=True)]
    mixed = [rng.integers(-_MOST, _MOST + 1, size=size, dtype=np.int8) for size in sizes]
    for operands in (extreme, mixed):
        vectors, queries = map(_unscaled, operands)
        if not np.array_equal(by_whole_numbers(vectors, queries), by_floats(vectors, queries)):
            return by_floats
    return min((by_whole_numbers, by_floats), key=lambda product: _seconds(product, vectors, queries))


def _unscaled(values: CodeArray) -> Codes:
    ones = np.ones(len(values), dtype=np.float32)
    return Codes(values, ones, ones)


def _seconds(product: Product, vectors: Codes, queries: Codes) -> float:
    taken = []
    for _ in range(5):
        started = time.perf_counter()
        product(vectors, queries)
        taken.append(time.perf_counter() - started)
    return min(taken)
