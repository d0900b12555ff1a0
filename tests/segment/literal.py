"""The online stage written out slowly, from the method's description: the judge of the fast one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F


def region_scores(tokens_hwd: Any, labels_hw: Any, prototypes_cpd: Any) -> torch.Tensor:
    """Local similarity of every class for every pixel, (C, H, W): steps 6 and 7."""
    tokens = torch.as_tensor(tokens_hwd).permute(2, 0, 1)
    prototypes = F.normalize(torch.as_tensor(prototypes_cpd), dim=-1)
    labels = torch.as_tensor(labels_hw).long()
    grid = tuple(tokens.shape[1:])
    patches = torch.einsum("dhw,cpd->cphw", F.normalize(tokens, dim=0), prototypes).amax(1).sigmoid()
    scores = F.interpolate(patches[None], tuple(labels.shape), mode="bilinear", align_corners=True)[0]
    for region in range(int(labels.max()) + 1):
        mask = (labels == region).float()
        weights = F.interpolate(mask[None, None], grid, mode="bilinear", align_corners=True)[0, 0]
        feature = (tokens * weights).sum((1, 2))
        if float(feature.norm()) == 0:
            continue
        feature = feature / feature.norm()
        cosine = torch.einsum("d,cpd->cp", feature, prototypes).amax(1)
        scores[:, labels == region] = cosine.sigmoid()[:, None]
    return scores


def window_scores(local_chw: torch.Tensor, clip_cosines_c: Any, alpha: float) -> torch.Tensor:
    """alpha * local + (1 - alpha) * global: step 7."""
    return alpha * local_chw + (1 - alpha) * torch.as_tensor(clip_cosines_c)[:, None, None]


def background_score(
    strategy: str, threshold: float, local_chw: torch.Tensor, scores_chw: torch.Tensor
) -> torch.Tensor:
    """Step 8, for one window: (H, W)."""
    height, width = local_chw.shape[1:]
    if strategy == "constant":
        return torch.full((height, width), float(threshold))
    if strategy == "local":
        return (local_chw.max(0).values < threshold).float()
    winner = scores_chw.argmax(0)
    local = torch.zeros(height, width)
    for y in range(height):
        for x in range(width):
            local[y, x] = local_chw[winner[y, x], y, x]
    return (local < threshold).float()


def boxes(height: int, width: int, window: int, stride: int) -> list[tuple[int, int, int, int]]:
    """Top, left, bottom, right of a sliding window that is pushed back inside at the end: step 10."""
    found = []
    rows = max(height - window + stride - 1, 0) // stride + 1
    columns = max(width - window + stride - 1, 0) // stride + 1
    for row in range(rows):
        for column in range(columns):
            bottom = min(row * stride + window, height)
            right = min(column * stride + window, width)
            found.append((max(bottom - window, 0), max(right - window, 0), bottom, right))
    return found


def average(
    scores: Sequence[torch.Tensor],
    places: Sequence[tuple[int, int, int, int]],
    working_hw: tuple[int, int],
    size_hw: tuple[int, int],
) -> torch.Tensor:
    """Mean over windows, then bilinear to the original size: (C, H, W)."""
    total = torch.zeros(scores[0].shape[0], *working_hw)
    count = torch.zeros(working_hw)
    for score, (top, left, bottom, right) in zip(scores, places, strict=True):
        total[:, top:bottom, left:right] += score
        count[top:bottom, left:right] += 1
    return F.interpolate((total / count)[None], size_hw, mode="bilinear", align_corners=False)[0]


def pamr(image_3hw: Any, scores_chw: Any, iterations: int, dilations: Sequence[int]) -> np.ndarray:
    """Pixel-adaptive mask refinement, pixel by pixel: step 9."""
    image, scores = np.asarray(image_3hw, np.float64), np.asarray(scores_chw, np.float64)
    _, height, width = image.shape
    around = [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1)]

    def at(array: np.ndarray, y: int, x: int) -> np.ndarray:
        return array[:, min(max(y, 0), height - 1), min(max(x, 0), width - 1)]

    weights = {}
    for y in range(height):
        for x in range(width):
            window = [at(image, y + d * dy, x + d * dx) for d in dilations for dy, dx in around]
            deviation = np.std(window, axis=0, ddof=1)
            places = [(y + d * dy, x + d * dx) for d in dilations for dy, dx in around if (dy, dx) != (0, 0)]
            unlike = [
                np.mean(np.abs(image[:, y, x] - at(image, *p)) / (1e-8 + 0.1 * deviation)) for p in places
            ]
            powers = np.exp(-np.array(unlike) + min(unlike))
            weights[y, x] = list(zip(places, powers / powers.sum(), strict=True))
    for _ in range(iterations):
        refined = np.zeros_like(scores)
        for (y, x), terms in weights.items():
            refined[:, y, x] = sum(weight * at(scores, *place) for place, weight in terms)
        scores = refined
    return scores


def walk(labels: Any, regions: Any, covered: Any, tokens: Any, lab_hwc: Any, settings: Any) -> np.ndarray:
    """Scores of superpixels after the random walk, (S, C): step 9, pixel by pixel and densely."""
    height, width = labels.shape
    rows, columns, classes = tokens.shape
    count = len(regions)
    side = np.sqrt(height * width / (rows * columns))
    fill = np.zeros((count, rows, columns))
    lengths, steps = np.zeros((count, count)), np.zeros((count, count))
    for y in range(height):
        for x in range(width):
            one = labels[y, x]
            if one < 0:
                continue
            fill[one, y * rows // height, x * columns // width] += 1 / side**2
            for v, u in ((y, x + 1), (y + 1, x)):
                if v < height and u < width and labels[v, u] >= 0 and labels[v, u] != one:
                    pair = sorted((one, labels[v, u]))
                    lengths[*pair] += 1
                    steps[*pair] += np.linalg.norm(lab_hwc[y, x] - lab_hwc[v, u])
    colours = np.array([lab_hwc[labels == region].mean(axis=0) for region in range(count)])
    ties = np.zeros((count, count))
    for one in range(count):
        for other in range(one + 1, count):
            unlike = np.linalg.norm(colours[one] - colours[other])
            if lengths[one, other]:
                mean = (unlike + steps[one, other] / lengths[one, other]) / 2
                ties[one, other] += lengths[one, other] / side * np.exp(-mean / settings.step)
            if unlike < 2 * settings.likeness:
                shared = sum(
                    fill[one, r, c] * fill[other, v, u]
                    for r, c in np.argwhere(fill[one])
                    for v, u in np.argwhere(fill[other])
                    if max(abs(r - v), abs(c - u)) <= settings.reach
                )
                ties[one, other] += settings.near * shared * np.exp(-((unlike / settings.likeness) ** 2) / 2)
    ties = settings.tie * (ties + ties.T)
    own, evidence = np.array(regions, np.float64), np.zeros(count)
    for region in range(count):
        mask = torch.as_tensor(labels == region).float()[None, None]
        touched = F.interpolate(mask, (rows, columns), mode="bilinear", align_corners=True).sum().item()
        lead = 1.0
        if classes > 1:
            second, best = np.sort(regions[region])[-2:].astype(float)
            lead = min((best - second) / settings.sure, 1)
        evidence[region] = touched * lead**2 + 1e-3
        if not covered[region]:
            share = fill[region] / fill[region].sum()
            own[region] = (share[:, :, None] * tokens).sum(axis=(0, 1))
    system = np.diag(evidence + ties.sum(axis=1)) - ties
    return np.linalg.solve(system, evidence[:, None] * own)
