"""What borders cost and gain: mIoU, boundary IoU and time per picture for each way to divide a picture.

Every row segments the same scenes into all classes with the same bank, which is what
``freeda ingest examples/captions.jsonl`` makes, and the preset's settings but for what the row says.
``exact`` stands for the own label map of each scene in the place of proposed masks: the best that such a
network could do.

Usage: ``python -m benchmarks.borders [--limit N] [--bank DIR] [--refinement NAME ...]``
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.coarse import coarse_superpixels
from benchmarks.tiny_quality import generated_bank
from freeda_segment import GivenRegions, Pamr, RandomWalk, Segmenter, open_segmenter, parse_superpixels
from freeda_segment.classes import ClassList, ClassName
from freeda_segment.evaluation.datasets import Scenes, load_scenes
from freeda_segment.evaluation.metrics import Counts, Metrics

EXACT = "exact"
NONE = "none"


@dataclass(frozen=True)
class Row:
    """A way to divide pictures and to refine borders.

    Attributes:
        regions: what the division is called.
        changes: settings that differ from the preset's.
        exact: whether the truth is given as regions.
        refinement: what the refinement is called.
    """

    regions: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    exact: bool = False
    refinement: str = NONE


@dataclass(frozen=True)
class Timed:
    """Figures of a row.

    Attributes:
        metrics: of all scenes.
        seconds: per picture.
    """

    metrics: Metrics
    seconds: float


def divisions() -> list[Row]:
    """The ways to divide pictures that the tiny world has."""
    return [
        Row("coarser superpixels (scale 50)", {"superpixels": coarse_superpixels}),
        Row(
            "coarser superpixels, merged at cosine 0.85",
            {"superpixels": coarse_superpixels, "merge_similarity": 0.85},
        ),
        Row("superpixels of the preset"),
        Row("the same, merged at cosine 0.85", {"merge_similarity": 0.85}),
        Row("none, patches alone", {"superpixels": parse_superpixels("none")}),
        Row(EXACT, exact=True),
        Row(f"{EXACT}, without their vote", {"majority_vote": "none"}, exact=True),
    ]


def refinements() -> dict[str, Mapping[str, Any]]:
    """What a segmenter's settings take for each refinement that there is, by its name."""
    kinds = {
        NONE: None,
        "walk": RandomWalk(),
        "walk, no pixels": RandomWalk(iterations=0),
        "PAMR": Pamr(),
    }
    return {name: {"refinement": refinement} for name, refinement in kinds.items()}


def all_rows(wanted: Sequence[str]) -> list[Row]:
    """Each division under each refinement wanted; under all if none is named."""
    return [
        replace(row, refinement=name, changes={**row.changes, **changes})
        for name, changes in refinements().items()
        for row in divisions()
        if not wanted or name in wanted
    ]


def measure_rows(segmenter: Segmenter, scenes: Scenes, rows: Sequence[Row]) -> list[Timed]:
    """Segment each scene as every row says, one row after another, so that all see the same machine.

    Args:
        segmenter: with the bank.
        scenes: with exact labels.
        rows: at least one.
    """
    classes = ClassList(tuple(ClassName((name,)) for name in scenes.class_names))
    changed = [segmenter.with_settings(**row.changes) for row in rows]
    prototypes = [each.prepare(classes) for each in changed]
    counts = [Counts.empty(len(scenes.class_names)) for _ in rows]
    seconds = [0.0 for _ in rows]
    for number, (image, truth) in enumerate(zip(scenes.images, scenes.labels, strict=True)):
        for index in np.roll(np.arange(len(rows)), number):  # the first to see a scene takes longer
            row = rows[index]
            one = changed[index].with_regions(GivenRegions(truth, EXACT)) if row.exact else changed[index]
            start = time.perf_counter()
            labels = one.segment(image, prototypes[index]).labels
            seconds[index] += time.perf_counter() - start
            counts[index] += Counts.of(truth, labels, len(scenes.class_names))
    return [Timed(each.metrics, took / len(scenes)) for each, took in zip(counts, seconds, strict=True)]


def exact_metrics(segmenter: Segmenter, scenes: Scenes) -> Metrics:
    """Figures with the scenes' own label maps as regions, and the segmenter's settings otherwise."""
    return measure_rows(segmenter, scenes, [Row(EXACT, exact=True)])[0].metrics


def main() -> None:
    """Print the table on standard output."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--limit", type=int, help="only the first so many held-out scenes")
    parser.add_argument("--bank", type=Path, help="folder to keep the bank in; temporary by default")
    parser.add_argument(
        "--refinement", action="append", default=[], choices=[*refinements()], help="only these"
    )
    options = parser.parse_args()
    rows = all_rows(options.refinement)
    with tempfile.TemporaryDirectory() as temporary:
        folder = (options.bank or Path(temporary)) / "generated"
        generated_bank(folder)
        with open_segmenter(folder, device="cpu") as segmenter:
            figures = measure_rows(segmenter, load_scenes().first(options.limit), rows)
    print("| regions | refinement | mIoU | boundary IoU | lowest IoU | time |")
    print("|---|---|---:|---:|---:|---:|")
    for row, timed in zip(rows, figures, strict=True):
        metrics = timed.metrics
        shares = (metrics.mean_iou, metrics.mean_boundary_iou, float(np.nanmin(metrics.iou)))
        cells = " | ".join(f"{each:.3f}" for each in shares)
        print(f"| {row.regions} | {row.refinement} | {cells} | {timed.seconds / figures[0].seconds:.2f} |")
    print(f"\nTime is that of a picture over that of the first row, {figures[0].seconds * 1000:.0f} ms here.")


if __name__ == "__main__":
    main()
