"""Ways to refine borders, side by side: mIoU, boundary IoU and time on the same scores.

Beside what ``freeda_segment`` has, these were tried: PAMR over the classes that the first labelling shows, in
full and with five rounds at four distances; a guided filter of each shown class's scores (He et al., PAMI
2013); and scikit-image's random walker (Grady, PAMI 2006) from the pixels that lie away from every border.

With ``--times`` it prints seconds for 22 and 150 classes at 448 x 448 and 1024 x 1024, of one window.

Usage: ``python -m benchmarks.refinements --bank DIR [--scenes FILE] [--limit N] [--times]``
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from scipy.ndimage import maximum_filter, minimum_filter, uniform_filter
from skimage.segmentation import random_walker

from benchmarks.coarse import COARSE
from benchmarks.tiny_quality import generated_bank
from freeda_models.protocols import FloatArray, ImageArray, LabelArray
from freeda_segment import RandomWalk, open_segmenter, parse_superpixels
from freeda_segment.classes import ClassList, ClassName
from freeda_segment.evaluation.datasets import load_scenes
from freeda_segment.evaluation.metrics import Counts
from freeda_segment.pixels.labelling import LabelRequest, label_pixels
from freeda_segment.pixels.pamr import refine
from freeda_segment.regions.similarity import PixelScores, WindowScores
from freeda_segment.regions.windows import window_boxes

FINE = {"scale": 10.0, "sigma": 0.3, "min_size": 3.0}
PUBLISHED = (10, (1, 2, 4, 8, 12, 24))
SHORT = (5, (1, 2, 4, 8))
RADIUS, SMOOTHNESS = 6, 1e-4
SEED_DISTANCE, BETA = 4, 130.0

Refine = Callable[[ImageArray, FloatArray], LabelArray]
"""From a picture, uint8 (H, W, 3), and scores, float32 (C, H, W), to labels."""


def shown(refined: Refine) -> Refine:
    """The same over those classes only that win somewhere without it."""

    def run(picture_hwc: ImageArray, scores_chw: FloatArray) -> LabelArray:
        classes = np.unique(scores_chw.argmax(axis=0))
        labels: LabelArray = classes[refined(picture_hwc, scores_chw[classes])]
        return labels

    return run


def pamr(iterations: int, dilations: tuple[int, ...]) -> Refine:
    """PAMR with these settings."""

    def run(picture_hwc: ImageArray, scores_chw: FloatArray) -> LabelArray:
        image = torch.from_numpy(picture_hwc.astype(np.float32)).permute(2, 0, 1)
        labels: LabelArray = (
            refine(image, torch.from_numpy(scores_chw), iterations, dilations).argmax(0).numpy()
        )
        return labels

    return run


def guided_filter(picture_hwc: ImageArray, scores_chw: FloatArray) -> LabelArray:
    """Colour-guided filtering of each class's scores."""
    guide = picture_hwc.astype(np.float64) / 255

    def mean(values: np.ndarray) -> np.ndarray:
        return uniform_filter(
            values, (2 * RADIUS + 1, 2 * RADIUS + 1, *([0] * (values.ndim - 2)))[: values.ndim]
        )

    centre = mean(guide)
    products = mean(guide[..., :, None] * guide[..., None, :])
    spread = products - centre[..., :, None] * centre[..., None, :] + SMOOTHNESS * np.eye(3)
    refined = []
    for scores in scores_chw:
        level = mean(scores.astype(np.float64))
        shared = mean(guide * scores[..., None]) - centre * level[..., None]
        slope = np.linalg.solve(spread, shared[..., None])[..., 0]
        offset = level - (slope * centre).sum(-1)
        refined.append((mean(slope) * guide).sum(-1) + mean(offset))
    labels: LabelArray = np.argmax(refined, axis=0)
    return labels


def walker(picture_hwc: ImageArray, scores_chw: FloatArray) -> LabelArray:
    """scikit-image's random walker; what lies away from every border is its seeds."""
    rough = scores_chw.argmax(axis=0)
    side = 2 * SEED_DISTANCE + 1
    sure = minimum_filter(rough, side) == maximum_filter(rough, side)
    classes = np.unique(rough[sure])
    if len(classes) < 2:
        return rough
    seeds = np.where(sure, np.searchsorted(classes, rough) + 1, 0)
    labels: LabelArray = classes[random_walker(picture_hwc / 255, seeds, BETA, "cg_j", channel_axis=-1) - 1]
    return labels


def alternatives() -> dict[str, Refine]:
    """What scores of pixels are refined by, by name."""
    return {
        "none": lambda _, scores: scores.argmax(axis=0),
        "PAMR as published": pamr(*PUBLISHED),
        "PAMR of shown classes": shown(pamr(*PUBLISHED)),
        "PAMR of shown classes, 5 rounds, 4 distances": shown(pamr(*SHORT)),
        "guided filter of shown classes": shown(guided_filter),
        "random walker over pixels": walker,
    }


def walks() -> dict[str, RandomWalk]:
    """The walks over superpixels, by name."""
    return {
        "walk over superpixels": RandomWalk(iterations=0),
        "walk over superpixels, then borders": RandomWalk(),
    }


@dataclass
class Side:
    """One way's figures so far."""

    counts: Counts
    seconds: float = 0.0


def labelled(window: WindowScores, picture_hwc: ImageArray, refinement: RandomWalk | None) -> LabelArray:
    """Labels of one window that is the whole picture."""
    size_hw = picture_hwc.shape[:2]
    box = window_boxes(size_hw, max(size_hw), max(size_hw))
    return label_pixels(LabelRequest(picture_hwc, size_hw, box, (window,), 1.0, None, refinement)).labels


def compare(bank: Path, scenes_file: Path | None, limit: int | None, scale: float) -> dict[str, Side]:
    """Every way on the same scores, which superpixels of one scale gave."""
    scenes = load_scenes(scenes_file).first(limit)
    count = len(scenes.class_names)
    options = {50.0: COARSE, 10.0: FINE}[scale]
    found = {name: Side(Counts.empty(count)) for name in (*alternatives(), *walks())}
    with open_segmenter(bank, device="cpu") as opened:
        segmenter = opened.with_settings(
            superpixels=parse_superpixels("felzenszwalb", options), background=None, refinement=None
        )
        classes = segmenter.prepare(ClassList(tuple(ClassName((name,)) for name in scenes.class_names)))
        for image, truth in zip(scenes.images, scenes.labels, strict=True):
            request = segmenter.label(segmenter.encode(image), classes).request
            (window,) = request.windows
            scores = PixelScores(window).local(slice(None)).numpy()
            scores += (1 - request.alpha) / request.alpha * window.global_score[:, None, None]
            for name, side in found.items():
                start = time.perf_counter()
                if name in walks():
                    labels = label_pixels(replace(request, refinement=walks()[name])).labels
                else:
                    labels = alternatives()[name](request.working, scores)
                side.seconds += (time.perf_counter() - start) / len(scenes)
                side.counts += Counts.of(truth, labels, count)
    return found


def print_times() -> None:
    """Seconds of each way for larger pictures and longer lists: one window, the seventh held-out scene."""
    from PIL import Image

    scene = load_scenes()
    print("| | " + " | ".join(f"{side} px, {count} classes" for side, count in _SIZES) + " |")
    print("|---|" + "---:|" * len(_SIZES))
    columns = []
    for side, count in _SIZES:
        picture = np.asarray(Image.fromarray(scene.images[6]).resize((side, side)))
        truth = np.asarray(Image.fromarray(scene.labels[6]).resize((side, side), Image.Resampling.NEAREST))
        window = _noisy_window(picture, truth, count)
        scores = PixelScores(window).local(slice(None)).numpy()
        ways = {name: partial(way, picture, scores) for name, way in alternatives().items()}
        ways |= {name: partial(labelled, window, picture, walk) for name, walk in walks().items()}
        columns.append({name: _seconds(way) for name, way in ways.items() if name != "none"})
    for name in columns[0]:
        print(f"| {name} | " + " | ".join(f"{column[name]:.2f} s" for column in columns) + " |")


_SIZES = ((448, 22), (448, 150), (1024, 22), (1024, 150))


def _noisy_window(picture_hwc: ImageArray, truth_hw: np.ndarray, classes: int) -> WindowScores:
    labels = parse_superpixels("felzenszwalb")(picture_hwc)
    rng = np.random.default_rng(1)
    regions = rng.uniform(0.4, 0.6, (labels.max() + 1, classes)).astype(np.float32)
    own = np.zeros(len(regions), np.int64)
    own[labels.ravel()] = truth_hw.ravel()
    regions[np.arange(len(regions)), own] += 0.15
    covered = np.ones(len(regions), np.bool_)
    tokens = np.full((37, 37, classes), 0.5, np.float32)
    return WindowScores(labels, covered, regions, tokens, np.zeros(classes, np.float32))


def _seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def main() -> None:
    """Print the table on standard output."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bank", type=Path, help="folder to keep the bank in")
    parser.add_argument("--scenes", type=Path, help="an npz file of scenes; the held-out ones by default")
    parser.add_argument("--limit", type=int, help="only the first so many scenes")
    parser.add_argument("--scale", type=float, default=50.0, choices=[50.0, 10.0], help="of the superpixels")
    parser.add_argument("--times", action="store_true", help="time larger pictures instead")
    options = parser.parse_args()
    if options.times:
        print_times()
        return
    if options.bank is None:
        parser.error("--bank is needed")
    generated_bank(options.bank / "generated")
    found = compare(options.bank / "generated", options.scenes, options.limit, options.scale)
    published = found["PAMR as published"].seconds
    print("| | mIoU | boundary IoU | lowest IoU | time |\n|---|---:|---:|---:|---:|")
    for name, side in found.items():
        metrics = side.counts.metrics
        figures = (metrics.mean_iou, metrics.mean_boundary_iou, float(np.nanmin(metrics.iou)))
        cells = " | ".join(f"{each:.3f}" for each in figures)
        print(f"| {name} | {cells} | {side.seconds / published:.2f} |")
    print(f"\nTime is that over PAMR as published, {published * 1000:.0f} ms here; it holds labelling too.")


if __name__ == "__main__":
    main()
