"""What each part of the method is worth in the tiny world: mIoU without it, as a Markdown table.

Every row segments the same held-out scenes into all classes with the same bank, which is what
``freeda ingest examples/captions.jsonl`` makes, and the preset's settings but for what the row says.

Usage: ``python -m benchmarks.tiny_table [--limit N] [--bank DIR] [--directions]``;
the last prints the rows of :mod:`benchmarks.directions` alone, which compare where retrieval starts.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks import directions
from benchmarks.directions import Row
from benchmarks.tiny_quality import PRESET, generated_bank, oracle_bank
from freeda_models.presets import load_preset
from freeda_segment import Pamr, Segmenter, SegmentSettings, open_segmenter, parse_superpixels
from freeda_segment.evaluation.datasets import load_scenes
from freeda_segment.evaluation.evaluate import evaluate_scenes
from freeda_segment.evaluation.labelled import open_dataset
from freeda_segment.evaluation.metrics import Counts, Metrics
from freeda_segment.evaluation.plan import plan_maskclip
from freeda_segment.evaluation.run import count
from freeda_segment.regions.superpixels import ALGORITHMS
from freeda_store import Bank, Filter

NEIGHBOURS = (10, 50, 350)


def rows(preset: SegmentSettings) -> list[Row]:
    """The rows that need no other bank and no other method."""
    threshold = "none" if preset.similarity_threshold is None else f"{preset.similarity_threshold:g}"
    where = str(preset.where)
    return [
        Row("full method"),
        Row("without refinement of borders", {"refinement": None}),
        Row("PAMR, as published, in its place", {"refinement": Pamr()}),
        Row("without superpixels (patches, resampled)", {"superpixels": parse_superpixels("none")}),
        Row("without global similarity (alpha = 1)", {"alpha": 1.0}),
        Row("with what CLIP sees in regions (dense weight 0.1)", {"dense_weight": 0.1}),
        Row("that alone (dense weight 1, alpha = 1)", {"dense_weight": 1.0, "alpha": 1.0}),
        Row(f"without the preset's filter ({where or 'it has none'})", {"where": Filter()}),
        Row(
            f"without the preset's similarity threshold ({threshold})",
            {"similarity_threshold": None},
        ),
        Row("without curation (neither)", {"where": Filter(), "similarity_threshold": None}),
        *(Row(f"K = {k}", {"k": k}) for k in NEIGHBOURS),
        *(
            Row(f"K = {k}, no similarity threshold", {"k": k, "similarity_threshold": None})
            for k in NEIGHBOURS
        ),
        *(
            Row(f"superpixels: {name}", {"superpixels": parse_superpixels(name)})
            for name in ALGORITHMS
            if name not in ("none", "felzenszwalb")
        ),
        Row(
            "superpixels: felzenszwalb, as for photographs",
            {"superpixels": parse_superpixels("felzenszwalb")},
        ),
    ]


def measured(folder: Path, limit: int | None) -> Iterator[tuple[str, Metrics]]:
    """Each row's name and figures; banks that are there already are used again."""
    generated, oracle = folder / "generated", folder / "oracle"
    manifest = generated_bank(generated)
    with open_segmenter(generated, device="cpu") as segmenter:
        for row in rows(segmenter.settings):
            yield row.name, _figures(segmenter, row.changes, limit)
    if not oracle.exists():
        oracle_bank(oracle, manifest)
    with open_segmenter(oracle, device="cpu") as segmenter:
        yield "oracle bank (exact masks of rendered scenes)", _figures(segmenter, {}, limit)
    yield "MaskCLIP baseline (no bank)", _baseline(limit)


def _figures(segmenter: Segmenter, changes: Mapping[str, Any], limit: int | None) -> Metrics:
    settings = {"background": None} | changes  # the list of classes is complete
    return evaluate_scenes(segmenter.with_settings(**settings), load_scenes(), limit)


def _baseline(limit: int | None) -> Metrics:
    pictures = open_dataset("tiny")
    labeller = plan_maskclip(pictures, load_preset(PRESET), device="cpu").recipe.make()
    total = Counts.empty(len(pictures.classes))
    for index in range(len(pictures.pictures))[:limit]:
        total += count(pictures, labeller, index)
    return total.metrics


def main() -> None:
    """Print the table on standard output, each row as soon as it is known."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--limit", type=int, help="only the first so many held-out scenes")
    parser.add_argument("--directions", action="store_true", help="only the rows about directions")
    parser.add_argument("--bank", type=Path, help="folder to keep the two banks in; temporary by default")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.bank or Path(temporary)
        if options.directions:
            scenes = load_scenes().first(options.limit)
            directions.print_table(directions.measured(folder, scenes, directions.rows()))
            return
        print("| setting | mIoU | boundary IoU | pixel accuracy |\n|---|---:|---:|---:|")
        for name, metrics in measured(folder, options.limit):
            figures = (metrics.mean_iou, metrics.mean_boundary_iou, metrics.pixel_accuracy)
            print(f"| {name} | {' | '.join(f'{each:.3f}' for each in figures)} |", flush=True)
        with Bank.open(folder / "generated") as bank:
            prototypes = bank.stats().prototypes
    counted = len(load_scenes().images[: options.limit])
    print(f"\n{counted} scenes, {prototypes:,} prototypes.", file=sys.stdout)


if __name__ == "__main__":
    main()
