"""A small bank in the form that the authors of FreeDA published: .npy files and a faiss index."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import faiss
import numpy as np
from store_makers import TEXT_DIM, VISUAL_DIM

NOUNS = ("car", "tree", "red_car", "sky")


@dataclass
class AuthorsFiles:
    """The files, and what is in them.

    Attributes:
        folder, index: where they are.
        names: of the files, in order.
        keys: float32 (N, D_text), not of length 1.
        visuals: float32 (N, D_visual).
    """

    folder: Path
    index: Path
    names: list[str]
    keys: np.ndarray
    visuals: np.ndarray


def make_authors_files(
    place: Path, count: int = 40, *, text_dim: int = TEXT_DIM, visual_dim: int = VISUAL_DIM
) -> AuthorsFiles:
    """One vector per file, named by picture, number and noun."""
    rng = np.random.default_rng(7)
    keys = rng.standard_normal((count, text_dim)).astype(np.float32)
    visuals = rng.standard_normal((count, visual_dim)).astype(np.float32)
    names = [f"{n // 4:012d}_{n % 4}_{NOUNS[n % 4]}.npy" for n in range(count)]
    folder = place / "prototype_embeddings"
    folder.mkdir(parents=True)
    for name, visual in reversed(list(zip(names, visuals, strict=True))):
        np.save(folder / name, visual)
    return AuthorsFiles(folder, write_index(place / "knn.index", keys), names, keys, visuals)


def write_index(path: Path, keys: np.ndarray) -> Path:
    """An HNSW index over the keys, searched by inner product."""
    index = faiss.IndexHNSWFlat(keys.shape[1], 8, faiss.METRIC_INNER_PRODUCT)
    index.add(np.ascontiguousarray(keys))
    faiss.write_index(index, str(path))
    return path
