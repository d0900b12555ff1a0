"""Where retrieval starts, and what CLIP sees itself: mIoU by rows and by banks that fit better or worse.

Every row labels the same scenes into all classes, each pixel into one, under the preset's settings but for
what the row says; pictures are encoded once. Banks: what ``freeda ingest examples/captions.jsonl`` makes;
the same with K = 350 and no similarity threshold; with 30 % wrong captions and no filter, which would judge
pictures by these; with made-up words for all nouns; and with keys by a sentence encoder, asked for class
names that no caption holds (the first of each class in ``benchmarks/synonyms.toml``).

With ``--tune`` weights and scales are compared on the scenes of the oracle bank, which are none of the
held-out ones. ``python -m benchmarks.tiny_table --directions`` prints the rows without it.

Usage: ``python -m benchmarks.directions [--limit N] [--bank DIR] [--tune] [--only TEXT]``
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.altered_banks import in_unknown_words, with_sentence_keys, with_wrong_captions
from benchmarks.synonyms import load_words
from benchmarks.tiny_quality import generated_bank
from freeda_segment import Segmenter, open_segmenter
from freeda_segment.classes import ClassList, ClassName
from freeda_segment.encoding import EncodedImage
from freeda_segment.evaluation.datasets import Scenes, load_scenes
from freeda_segment.evaluation.metrics import Counts, Metrics
from freeda_store import Filter

VALUES = ("semantic", "text", "noun")
JOININGS = ((0.5, 40.0), (0.5, 10.0), (0.2, 10.0))
"""Weight and scale: CorrCLIPv2's; by ``--tune`` the best over all banks; and over those whose words fit."""

SCALES, WEIGHTS, DENSE = (5.0, 10.0, 20.0, 40.0), (0.1, 0.2, 0.35, 0.5), (0.05, 0.1, 0.2, 0.4)
"""What ``--tune`` compares."""


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        name: what it is called.
        changes: settings that differ from those of the bank it is measured with.
    """

    name: str
    changes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Trial:
    """A bank, how it is asked, and for which names of the classes."""

    name: str
    bank: Path
    classes: ClassList
    changes: Mapping[str, Any] = field(default_factory=dict)


def rows() -> list[Row]:
    """Retrieval from classes, from regions and from both, by what neighbours bring, and what CLIP sees."""
    return [
        Row("by classes", {"retrieval": "classes"}),
        *(Row(f"by regions ({each})", {"retrieval": "regions", "region_values": each}) for each in VALUES),
        *(_both(values, weight, scale) for weight, scale in JOININGS for values in ("semantic", "text")),
        *(_both("noun", weight) for weight in (0.5, 0.2)),
        _seen(0.1),
        _seen(0.4),
        _both("text", *JOININGS[-1], dense_weight=0.1),
    ]


def tuned_rows() -> list[Row]:
    """Weights and scales of the joining."""
    return [
        Row("by classes", {"retrieval": "classes"}),
        *(
            _both(values, weight, scale)
            for values in ("semantic", "text")
            for scale in SCALES
            for weight in WEIGHTS
        ),
        *(_both("noun", weight) for weight in WEIGHTS),
        *(_seen(weight) for weight in DENSE),
    ]


def _both(values: str, weight: float, scale: float | None = None, **more: float) -> Row:
    """Both directions; a vote of nouns has no scale."""
    sharpness = {} if scale is None else {"region_scale": scale}
    changes = {"region_weight": weight, **sharpness, **more}
    said = [f"{name.removeprefix('region_').replace('_', ' ')} {value:g}" for name, value in changes.items()]
    name = f"both ({values}), {', '.join(said)}"
    return Row(name, {"retrieval": "both", "region_values": values, **changes})


def _seen(weight: float) -> Row:
    return Row(f"by classes, dense weight {weight:g}", {"retrieval": "classes", "dense_weight": weight})


def trials(folder: Path) -> list[Trial]:
    """The banks, made where they are not there yet."""
    generated = folder / "generated"
    generated_bank(generated)
    names = load_scenes().class_names
    made = {
        "wrong": with_wrong_captions,
        "unknown": in_unknown_words,
        "sentences": with_sentence_keys,
    }
    for name, make in made.items():
        if not (folder / name).exists():
            make(generated, folder / name)
    own = class_list(names)
    free: dict[str, Any] = {"where": Filter()}
    return [
        Trial("as it is", generated, own),
        Trial("K = 350, no threshold", generated, own, {"k": 350, "similarity_threshold": None}),
        Trial("30 % wrong captions", folder / "wrong", own, free),
        Trial("unknown words", folder / "unknown", own, free),
        Trial("names in no caption", folder / "sentences", class_list(synonyms(names))),
    ]


def class_list(names: Sequence[str]) -> ClassList:
    """Each name a class."""
    return ClassList(tuple(ClassName((name,)) for name in names))


def synonyms(names: Sequence[str]) -> tuple[str, ...]:
    """The first word of each class that no caption holds; its own name where the list has none."""
    words = load_words()
    first: dict[str, str] = {}
    for word, noun in words.noun_of.items():
        if word not in words.left_out:
            first.setdefault(noun, word)
    return tuple(first.get(name, name) for name in names)


@dataclass(frozen=True, eq=False)
class EncodedScenes:
    """Scenes that were encoded once, with all that any row needs."""

    scenes: Scenes
    encoded: tuple[EncodedImage, ...]

    @classmethod
    def of(cls, scenes: Scenes, segmenter: Segmenter) -> EncodedScenes:
        """Encode scenes, and what CLIP sees in their regions."""
        seeing = segmenter.with_settings(dense_weight=1.0)
        return cls(scenes, tuple(seeing.encode(image) for image in scenes.images))

    def measure(self, segmenter: Segmenter, classes: ClassList) -> Metrics:
        """Label all scenes and compare with the truth."""
        count = len(self.scenes.class_names)
        prototypes = segmenter.prepare(classes)
        total = Counts.empty(count)
        for encoded, truth in zip(self.encoded, self.scenes.labels, strict=True):
            total += Counts.of(truth, segmenter.label(encoded, prototypes).labels, count)
        return total.metrics


def measured(
    folder: Path, scenes: Scenes, wanted: Sequence[Row], only: str = ""
) -> Iterator[tuple[str, str, Metrics]]:
    """Name of the trial, of the row, and figures.

    Args:
        folder: of the banks.
        scenes: to be labelled.
        wanted: rows.
        only: a part of a trial's name, to leave out the others.
    """
    known: EncodedScenes | None = None
    for trial in trials(folder):
        if only not in trial.name:
            continue
        with open_segmenter(trial.bank, device="cpu") as opened:
            known = known or EncodedScenes.of(scenes, opened)
            for row in wanted:
                changes: dict[str, Any] = {"background": None} | dict(trial.changes) | dict(row.changes)
                yield trial.name, row.name, known.measure(opened.with_settings(**changes), trial.classes)


def print_table(found: Iterator[tuple[str, str, Metrics]]) -> None:
    """A line for each, as soon as it is known, and the means over all trials of each row."""
    print("| bank | setting | mIoU | boundary IoU | pixel accuracy |\n|---|---|---:|---:|---:|", flush=True)
    every: dict[str, list[float]] = {}
    for trial, row, metrics in found:
        figures = (metrics.mean_iou, metrics.mean_boundary_iou, metrics.pixel_accuracy)
        print(f"| {trial} | {row} | {' | '.join(f'{each:.3f}' for each in figures)} |", flush=True)
        every.setdefault(row, []).append(metrics.mean_iou)
    print("\n| setting | mIoU, mean over banks |\n|---|---:|")
    for row, values in sorted(every.items(), key=lambda each: -np.mean(each[1])):
        print(f"| {row} | {np.mean(values):.3f} |")


def main() -> None:
    """Print the table on standard output."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--limit", type=int, help="only the first so many scenes")
    parser.add_argument("--bank", type=Path, help="folder to keep the banks in; temporary by default")
    parser.add_argument("--tune", action="store_true", help="weights and scales, on the oracle bank's scenes")
    parser.add_argument("--only", default="", help="only banks whose name has this in it")
    options = parser.parse_args()
    oracle = str(resources.files("freeda_models") / "tiny" / "oracle.npz")
    scenes = load_scenes(oracle if options.tune else None).first(options.limit)
    with tempfile.TemporaryDirectory() as temporary:
        wanted = tuned_rows() if options.tune else rows()
        print_table(measured(options.bank or Path(temporary), scenes, wanted, options.only))
    print(f"\n{len(scenes)} scenes.")


if __name__ == "__main__":
    main()
