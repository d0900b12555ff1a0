"""What each part of the method is worth in the tiny world: mIoU without it, as a Markdown table.

Every row segments the same held-out scenes into all classes with the same bank, which is what
``freeda ingest examples/captions.jsonl`` makes, and the preset's settings but for what the row says.

Usage: ``python -m benchmarks.tiny_table [--limit N] [--bank DIR] [--directions]``;
the last prints only the rows that compare directions of retrieval, and ends with two banks whose words do
not fit their pictures.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.altered_banks import in_unknown_words, with_wrong_captions
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
VALUES = ("semantic", "text", "noun")


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        name: what it is called.
        changes: settings that differ from the preset's.
    """

    name: str
    changes: Mapping[str, Any] = field(default_factory=dict)


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


def direction_rows() -> list[Row]:
    """Retrieval that starts at the classes, at the regions, and at both, by what neighbours bring."""
    loose = {"k": 350, "similarity_threshold": None}
    return [
        Row("by classes"),
        *(_direction("regions", values) for values in VALUES),
        *(_direction("both", values) for values in VALUES),
        Row("by classes, K = 350, no similarity threshold", loose),
        *(_direction("both", values, ", K = 350, no similarity threshold", loose) for values in VALUES),
    ]


def altered_rows() -> list[Row]:
    """The rows of banks whose words do not fit; their filter would judge pictures by these words."""
    free: dict[str, Any] = {"where": Filter()}
    return [
        Row("by classes", free),
        *(_direction("regions", values, "", free) for values in ("semantic", "noun")),
        *(_direction("both", values, "", free) for values in ("semantic", "noun")),
    ]


def _direction(retrieval: str, values: str, more: str = "", changes: Mapping[str, Any] | None = None) -> Row:
    name = f"by {retrieval} ({values}){more}" if retrieval == "regions" else f"both ({values}){more}"
    return Row(name, {"retrieval": retrieval, "region_values": values, **(changes or {})})


def directions(folder: Path, limit: int | None) -> Iterator[tuple[str, Metrics]]:
    """The rows that compare directions, of the generated bank and of two altered copies."""
    generated = folder / "generated"
    generated_bank(generated)
    with open_segmenter(generated, device="cpu") as segmenter:
        for row in direction_rows():
            yield row.name, _figures(segmenter, row.changes, limit)
    for name, make in (("30 % wrong captions", with_wrong_captions), ("unknown words", in_unknown_words)):
        altered = folder / name.replace(" ", "-").replace("%", "percent")
        if not altered.exists():
            make(generated, altered)
        with open_segmenter(altered, device="cpu") as segmenter:
            for row in altered_rows():
                yield f"{name}: {row.name}", _figures(segmenter, row.changes, limit)


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
        print("| setting | mIoU | boundary IoU | pixel accuracy |\n|---|---:|---:|---:|")
        chosen = directions if options.directions else measured
        for name, metrics in chosen(folder, options.limit):
            figures = (metrics.mean_iou, metrics.mean_boundary_iou, metrics.pixel_accuracy)
            print(f"| {name} | {' | '.join(f'{each:.3f}' for each in figures)} |", flush=True)
        with Bank.open(folder / "generated") as bank:
            prototypes = bank.stats().prototypes
    counted = len(load_scenes().images[: options.limit])
    print(f"\n{counted} scenes, {prototypes:,} prototypes.", file=sys.stdout)


if __name__ == "__main__":
    main()
