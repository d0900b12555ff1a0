"""Region features and scores (method, online stage 6 and 7), without a mask per superpixel.

A superpixel's binary mask, resampled bilinearly (corners aligned) to the token grid, weighs at most
four of its pixels per token. So the weights of all superpixels over all tokens are one sparse matrix
(S, tokens) with at most four entries per column, and region features are one sparse product. Scores
are kept per region, and expanded to pixels once, a few classes at a time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from freeda_models.protocols import BoolArray, FloatArray, IndexArray, LabelArray
from freeda_models.unit_vectors import normalised
from freeda_segment.regions.sampling import axis_samples
from freeda_segment.regions.seen import SeenRegions, Sight

if TYPE_CHECKING:
    import torch

    from freeda_segment.retrieval.bank_nouns import BankNouns
    from freeda_segment.retrieval.neighbours import WindowVotes
    from freeda_segment.retrieval.prototypes import ClassPrototypes


def region_weights(labels_hw: LabelArray, grid_hw: tuple[int, int]) -> Any:
    """How much each token counts for each superpixel.

    Args:
        labels_hw: int32 (H, W), 0..S-1, or -1 for pixels in no superpixel.
        grid_hw: rows and columns of tokens.

    Returns:
        scipy CSR matrix, float32 (S, rows * columns), at most four entries per column: row s equals
        superpixel s's binary mask resampled bilinearly with aligned corners.
    """
    from scipy.sparse import csr_matrix

    labels, tokens, weights = _samples(labels_hw, grid_hw)
    shape = (int(labels_hw.max(initial=-1)) + 1, grid_hw[0] * grid_hw[1])
    return csr_matrix((weights, (labels, tokens)), shape=shape, dtype=np.float32)


def tokens_touched(labels_hw: LabelArray, grid_hw: tuple[int, int]) -> NDArray[np.float64]:
    """How many tokens each superpixel is seen by, in parts: the sums of :func:`region_weights`, (S,)."""
    labels, _, weights = _samples(labels_hw, grid_hw)
    count = int(labels_hw.max(initial=-1)) + 1
    return np.asarray(np.bincount(labels, weights, count), dtype=np.float64)


def _samples(
    labels_hw: LabelArray, grid_hw: tuple[int, int]
) -> tuple[NDArray[np.int32], IndexArray, FloatArray]:
    """What tokens see: superpixel, token, and float32 weight of each pixel that one samples, (N,) each."""
    vertical = axis_samples(labels_hw.shape[0], grid_hw[0])
    horizontal = axis_samples(labels_hw.shape[1], grid_hw[1])
    one = np.float32(1)
    corners = [
        (labels_hw[np.ix_(y, x)], wy[:, None] * wx[None, :])
        for y, wy in ((vertical.low, one - vertical.weight), (vertical.high, vertical.weight))
        for x, wx in ((horizontal.low, one - horizontal.weight), (horizontal.high, horizontal.weight))
    ]
    tokens = np.tile(np.arange(grid_hw[0] * grid_hw[1]), len(corners))
    labels = np.concatenate([corner.ravel() for corner, _ in corners])
    weights = np.concatenate([weight.ravel() for _, weight in corners])
    inside = labels >= 0
    return labels[inside], tokens[inside], weights[inside]


@dataclass(frozen=True, eq=False)
class RegionFeatures:
    """Features of the superpixels of one window.

    Attributes:
        vectors: float32 (S, D), L2-normalised; zero where not covered.
        covered: bool (S,), False for superpixels that touch no sampled point: they have no
            feature, and their pixels keep the patch-level similarity.
    """

    vectors: FloatArray
    covered: BoolArray


def pool_regions(tokens_hwd: FloatArray, labels_hw: LabelArray) -> RegionFeatures:
    """Mean of the patch tokens over each superpixel, L2-normalised.

    Args:
        tokens_hwd: float32 (h, w, D), patch features, not normalised.
        labels_hw: int32 (H, W), see :func:`region_weights`.
    """
    height, width, depth = tokens_hwd.shape
    weights = region_weights(labels_hw, (height, width))
    sums: FloatArray = weights @ tokens_hwd.reshape(height * width, depth)
    covered = np.linalg.norm(sums, axis=1) > 0
    return RegionFeatures(normalised(sums), covered)


def sigmoid(values: FloatArray) -> FloatArray:
    """1 / (1 + exp(-x)); meant for cosines, so overflow is no matter."""
    result: FloatArray = (1 / (1 + np.exp(-values))).astype(np.float32)
    return result


@dataclass(frozen=True, eq=False)
class Resemblance:
    """How much one window looks like anything that the bank knows, named or not.

    Attributes:
        regions: float32 (S,), highest cosine of each superpixel with a noun or a class.
        tokens: float32 (h, w), that of each patch.
        nearest: int64 (S,), index of the group of nouns nearest to each superpixel; -1 without a feature.
    """

    regions: FloatArray
    tokens: FloatArray
    nearest: IndexArray


@dataclass(frozen=True, eq=False)
class WindowScores:
    """Similarity of one window with each class, per region and per patch; pixels: :class:`PixelScores`.

    Where something competes with the classes, C is one more than they are: the last column is that of the
    nearest competitor, whichever it is, and means no class.

    Attributes:
        labels: int32 (H, W), superpixels of the window, -1 for none.
        covered: bool (S,), see :class:`RegionFeatures`.
        regions: float32 (S, C), local similarity sigmoid(cosine) of each superpixel.
        tokens: float32 (h, w, C), local similarity of each patch.
        global_score: float32 (C,), cosine of the window's CLIP embedding with each class.
        resemblance: None where the bank's nouns are not known.
    """

    labels: LabelArray
    covered: BoolArray
    regions: FloatArray
    tokens: FloatArray
    global_score: FloatArray
    resemblance: Resemblance | None = None


def score_window(
    labels_hw: LabelArray,
    regions: RegionFeatures,
    tokens_hwd: FloatArray,
    embedding: FloatArray,
    prototypes: ClassPrototypes,
    alpha: float = 1.0,
    votes: WindowVotes | None = None,
    seen: SeenRegions | None = None,
    dense_weight: float = 0.0,
) -> WindowScores:
    """Compare one window's regions, patches and CLIP embedding with every class.

    Args:
        labels_hw: int32 (H, W).
        regions: features of its superpixels.
        tokens_hwd: float32 (h, w, D), L2-normalised patch features.
        embedding: float32 (D_clip,), L2-normalised.
        prototypes: of the classes; of several, the most similar one counts.
        alpha: weight of the local similarity; it says which of what competes has the highest score.
        votes: of the regions' neighbours, which are joined with the cosines; None for none.
        seen: what CLIP sees in the regions, which is joined with what comes of that; None for nothing.
        dense_weight: how much that counts, 0..1.
    """
    height, width, depth = tokens_hwd.shape
    patches_nd = tokens_hwd.reshape(height * width, depth)
    of_regions, of_patches = (prototypes.local_cosines(each) for each in (regions.vectors, patches_nd))
    of_window = prototypes.global_cosines(embedding[None])[0]
    joins = _joins(prototypes, votes, seen, dense_weight)
    columns = [[sigmoid(join.classes(of))] for join, of in zip(joins, (of_regions, of_patches), strict=True)]
    if prototypes.competitors is not None:
        spoken = prototypes.competitors.global_scores(embedding, float(of_window.max()))
        for column, join, features_nd in zip(columns, joins, (regions.vectors, patches_nd), strict=True):
            others = join.others(features_nd @ prototypes.competitors.looks.T)
            column.append(_best_other(others, spoken, alpha))
        of_window = np.append(of_window, spoken.max())
    local, local_patches = (np.concatenate(each, axis=1) for each in columns)
    return WindowScores(
        labels=labels_hw,
        covered=regions.covered,
        regions=local,
        tokens=local_patches.reshape(height, width, -1),
        global_score=of_window.astype(np.float32),
        resemblance=_resemblance(regions, tokens_hwd, prototypes.nouns, of_regions, of_patches),
    )


def _best_other(cosines_nj: FloatArray, spoken_j: FloatArray, alpha: float) -> FloatArray:
    """The local similarity, float32 (N, 1), of one more class that has everywhere the highest score of all.

    Its global score is the highest of theirs; what another lacks of that is taken from its local similarity.
    """
    local = sigmoid(cosines_nj)
    if alpha > 0:
        local += np.float32((1 - alpha) / alpha) * (spoken_j - spoken_j.max())
    best: FloatArray = local.max(axis=1, keepdims=True)
    return best


@dataclass(frozen=True, eq=False)
class _Join:
    """Cosines of some rows as they are, or joined with what else is known of the rows.

    Attributes:
        prototypes: of the C classes.
        votes: of the window's neighbours; None for none.
        shares: float32 (N, C), of the rows, by these votes; one more column is what competes.
        sight: what CLIP sees in the rows; None for nothing.
    """

    prototypes: ClassPrototypes
    votes: WindowVotes | None = None
    shares: FloatArray | None = None
    sight: Sight | None = None

    def classes(self, cosines_nc: FloatArray) -> FloatArray:
        """Cosines with the classes."""
        joined = cosines_nc
        if self.votes is not None and self.shares is not None:
            joined = self.votes.join(joined, self.shares[:, : len(self.prototypes.names)])
        return joined if self.sight is None else self.sight.classes(joined, self.prototypes)

    def others(self, cosines_nj: FloatArray) -> FloatArray:
        """Cosines with what competes: the neighbours' share is theirs together, and each may have it."""
        joined = cosines_nj
        if self.votes is not None and self.shares is not None:
            joined = self.votes.join(joined, self.shares[:, len(self.prototypes.names) :])
        return joined if self.sight is None else self.sight.others(joined, self.prototypes)


def _joins(
    prototypes: ClassPrototypes, votes: WindowVotes | None, seen: SeenRegions | None, dense_weight: float
) -> tuple[_Join, _Join]:
    """For the regions and for the patches of a window."""
    shares: tuple[FloatArray | None, FloatArray | None] = (None, None)
    sights: tuple[Sight | None, Sight | None] = (None, None)
    if votes is not None:
        shares = votes.regions, votes.tokens.reshape(-1, votes.tokens.shape[2])
    if seen is not None and dense_weight > 0:
        patches = seen.tokens.reshape(-1, seen.tokens.shape[2])
        sights = Sight(seen.regions, dense_weight), Sight(patches, dense_weight)
    regions, tokens = (
        _Join(prototypes, votes, share, sight) for share, sight in zip(shares, sights, strict=True)
    )
    return regions, tokens


def _resemblance(
    regions: RegionFeatures,
    tokens_hwd: FloatArray,
    nouns: BankNouns | None,
    of_regions: FloatArray,
    of_tokens: FloatArray,
) -> Resemblance | None:
    """With the nouns of the bank, and with the classes as ``of_regions`` and ``of_tokens`` say."""
    if nouns is None or not len(nouns.group_looks):
        return None
    height, width, depth = tokens_hwd.shape
    to_regions = regions.vectors @ nouns.group_looks.T
    to_tokens = tokens_hwd.reshape(height * width, depth) @ nouns.group_looks.T
    return Resemblance(
        regions=np.maximum(to_regions.max(axis=1), of_regions.max(axis=1)),
        tokens=np.maximum(to_tokens.max(axis=1), of_tokens.max(axis=1)).reshape(height, width),
        nearest=np.where(regions.covered, to_regions.argmax(axis=1), -1),
    )


class PixelScores:
    """Local similarity of one window's pixels, made for a few classes at a time.

    Pixels of covered superpixels get their region's value, the others the patch-level similarity
    upsampled bilinearly with aligned corners.
    """

    def __init__(self, scores: WindowScores) -> None:
        self._scores = scores
        self._size_hw = (scores.labels.shape[0], scores.labels.shape[1])
        self._labels = scores.labels.ravel().astype(np.intp)
        covered = np.append(scores.covered, False)[self._labels]  # -1 is the last
        self._uncovered = np.flatnonzero(~covered)
        rows, columns = np.divmod(self._uncovered, self._size_hw[1])
        self._vertical = axis_samples(scores.tokens.shape[0], self._size_hw[0]).at(rows)
        self._horizontal = axis_samples(scores.tokens.shape[1], self._size_hw[1]).at(columns)

    def local(self, classes: slice | IndexArray) -> torch.Tensor:
        """Some classes, by their indices: float32 (c, H, W)."""
        import torch
        import torch.nn.functional as F

        patches = np.ascontiguousarray(self._scores.tokens[:, :, classes].transpose(2, 0, 1))
        if not self._scores.covered.any():
            tokens = torch.from_numpy(patches)[None]
            return F.interpolate(tokens, self._size_hw, mode="bilinear", align_corners=True)[0]
        regions = np.ascontiguousarray(self._scores.regions[:, classes].T)
        pixels = np.take(regions, self._labels, axis=1, mode="clip")  # -1 takes any value
        pixels[:, self._uncovered] = self._uncovered_values(patches)
        return torch.from_numpy(pixels.reshape(len(pixels), *self._size_hw))

    def _uncovered_values(self, patches_chw: FloatArray) -> FloatArray:
        """Upsampled patches at the uncovered pixels only: float32 (c, N)."""
        y, x = self._vertical, self._horizontal
        near_top, near_left = np.float32(1) - y.weight, np.float32(1) - x.weight
        upper = patches_chw[:, y.low, x.low] * near_left + patches_chw[:, y.low, x.high] * x.weight
        lower = patches_chw[:, y.high, x.low] * near_left + patches_chw[:, y.high, x.high] * x.weight
        values: FloatArray = upper * near_top + lower * y.weight
        return values
