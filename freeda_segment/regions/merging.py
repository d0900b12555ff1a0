"""Superpixels that belong together, by the similarity of their backbone features.

The region adjacency graph of a window (scikit-image's) has an edge between superpixels that touch, weighed by
one less the cosine of their features. The lightest edge is contracted, and the features of the pair added up,
until none is light enough. Here a superpixel's feature is the sum over its pixels of the patch that each lies
in, so that the smallest have one too and do not keep apart what they lie between.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from freeda_models.protocols import FloatArray, LabelArray
from freeda_segment.regions.sampling import cells_of_pixels

_APART = 2.0
"""Weight of an edge to a superpixel whose features cancel out: as of opposite ones."""


def merge_similar(labels_hw: LabelArray, tokens_hwd: FloatArray, similarity: float) -> LabelArray:
    """Merge neighbouring superpixels.

    Args:
        labels_hw: int32 (H, W), superpixels 0..S-1, or -1 everywhere, which stays.
        tokens_hwd: float32 (h, w, D), patch features of the same window.
        similarity: least cosine of what is merged.

    Returns:
        int32 (H, W), 0..R-1 without gaps, R at most S.
    """
    count = int(labels_hw.max(initial=-1)) + 1
    return merge_regions(labels_hw, sum_features(labels_hw, tokens_hwd, count), similarity)


def merge_regions(labels_hw: LabelArray, sums: FloatArray, similarity: float) -> LabelArray:
    """Merge neighbouring superpixels whose features are known; see :func:`merge_similar`.

    Args:
        labels_hw: as there.
        sums: float32 (S, D), sum of the features under each superpixel's pixels.
        similarity: as there.
    """
    from skimage.graph import RAG, merge_hierarchical

    if len(sums) < 2:
        return labels_hw
    graph = RAG()
    for index, total in enumerate(sums):
        graph.add_node(index, labels=[index], total=total)
    for one, other in _touching(labels_hw):
        graph.add_edge(int(one), int(other), weight=_distance(sums[one], sums[other]))
    merged: LabelArray = merge_hierarchical(
        labels_hw,
        graph,
        thresh=1 - similarity,
        rag_copy=False,
        in_place_merge=True,
        merge_func=_add_up,
        weight_func=_new_weight,
    ).astype(np.int32)
    return merged


def sum_features(labels_hw: LabelArray, tokens_hwd: FloatArray, count: int) -> FloatArray:
    """Sum of the patch features under the pixels of each region: float32 (count, D).

    Args:
        labels_hw: int32 (H, W), 0..count-1, or -1 for pixels of no region.
        tokens_hwd: float32 (h, w, D), patch features of the same window.
        count: how many regions there are.
    """
    from scipy.sparse import csr_matrix

    height, width, depth = tokens_hwd.shape
    patches = cells_of_pixels(labels_hw.shape, (height, width)).ravel()
    owners, inside = labels_hw.ravel(), labels_hw.ravel() >= 0
    ones = np.ones(int(inside.sum()), dtype=np.float32)
    weights = csr_matrix((ones, (owners[inside], patches[inside])), shape=(count, height * width))
    sums: FloatArray = weights @ tokens_hwd.reshape(-1, depth)
    return sums


def _touching(labels_hw: LabelArray) -> NDArray[np.int64]:
    """Pairs of labels that share a side of a pixel, each once: int64 (edges, 2)."""
    sides = [(labels_hw[:, :-1], labels_hw[:, 1:]), (labels_hw[:-1], labels_hw[1:])]
    pairs = np.concatenate([np.stack([one.ravel(), other.ravel()], axis=1) for one, other in sides])
    pairs = np.sort(pairs[pairs[:, 0] != pairs[:, 1]], axis=1)
    return np.unique(pairs, axis=0).astype(np.int64)


def _distance(one: FloatArray, other: FloatArray) -> float:
    length = float(np.linalg.norm(one) * np.linalg.norm(other))
    return 1 - float(one @ other) / length if length else _APART


def _add_up(graph: Any, source: int, target: int) -> None:
    graph.nodes[target]["total"] = graph.nodes[target]["total"] + graph.nodes[source]["total"]


def _new_weight(graph: Any, source: int, target: int, neighbour: int) -> dict[str, float]:
    del source
    return {"weight": _distance(graph.nodes[target]["total"], graph.nodes[neighbour]["total"])}
