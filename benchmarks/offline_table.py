"""What each choice of the offline stage is worth in the tiny world: mIoU as a Markdown table.

Every row ingests ``examples/captions.jsonl`` with the preset ``tiny`` but for what the row says,
and segments the same held-out scenes into all classes. Pictures, raw attribution maps and features
are made once and replayed. The interval is that of the difference to the preset as it is, over
resampled scenes (paired bootstrap). It knows nothing of other pictures of the same captions: with
``--other-seed`` the preset and the winners are measured on such. Each group's best are joined in
the last rows.

Usage: ``python -m benchmarks.offline_table [--limit N] [--cache DIR] [--only GROUP] [--other-seed]``

With ``--cache`` a run that was cut short goes on where it was.
"""

from __future__ import annotations

import argparse
import re
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.offline_rows import (
    DEFAULT,
    KEYS,
    OTHER_SEED,
    PLAIN,
    Row,
    all_rows,
    changed,
    fingerprint,
    joined,
)
from benchmarks.replay import ReplayedWorld
from benchmarks.tiny_quality import CAPTIONS, PRESET
from freeda_ingest.captions.reader import read_captions
from freeda_ingest.feed import CaptionFeed
from freeda_ingest.manifests import make_manifest, stage_settings
from freeda_ingest.pipeline import process_batch
from freeda_models.identity import identify
from freeda_models.presets import Preset, load_preset
from freeda_segment import Segmenter
from freeda_segment.encoding import EncodedImage
from freeda_segment.evaluation.datasets import Scenes, load_scenes
from freeda_segment.evaluation.metrics import Confusion, measure
from freeda_segment.settings import SegmentSettings
from freeda_store import Bank

RESAMPLES = 2000
COUNTS = "counts"


@dataclass(frozen=True)
class Figures:
    """What a row came to.

    Attributes:
        counts: int64 (N, C, C + 1), one confusion a scene.
        prototypes: how many the bank has.
    """

    counts: NDArray[np.int64]
    prototypes: int

    @property
    def mean_iou(self) -> float:
        """Of all scenes together."""
        return measure(Confusion(self.counts.sum(axis=0))).mean_iou

    @property
    def pixel_accuracy(self) -> float:
        """Of all scenes together."""
        return measure(Confusion(self.counts.sum(axis=0))).pixel_accuracy


class Table:
    """Measures rows, and keeps what it measured.

    Args:
        folder: where pictures, banks and figures are kept.
        limit: only the first so many held-out scenes.
    """

    def __init__(self, folder: Path, limit: int | None = None) -> None:
        self._folder = folder
        self._base = changed(load_preset(PRESET), PLAIN)
        self._world = ReplayedWorld(self._base, folder / "replay")
        self._scenes: Scenes = load_scenes()
        self._count = len(self._scenes.images[:limit])
        self._encoded: list[EncodedImage] = []

    def figures(self, row: Row) -> Figures:
        """Measure a row, or recall what was measured."""
        preset = row.preset(self._base)
        path = self._folder / "figures" / f"{fingerprint(preset, row.seed)}-{self._count}.npz"
        if not path.exists():
            made = self._measure(preset, row.seed)
            path.parent.mkdir(parents=True, exist_ok=True)
            np.savez(path, counts=made.counts, prototypes=made.prototypes)
        with np.load(path, allow_pickle=False) as stored:
            return Figures(stored[COUNTS], int(stored["prototypes"]))

    def bank(self, preset: Preset, seed: int = 0, without: Sequence[str] = ()) -> Path:
        """Folder of the bank that a preset makes of the example captions.

        Args:
            preset: models and settings.
            seed: base seed of the pictures.
            without: words; captions that contain one are left out. They are drawn all the same, so
                that batches, and with them pictures, stay what they are.
        """
        name = "-".join([fingerprint(preset, seed, without=("segment", "nouns_known")), *sorted(without)])
        folder = self._folder / "banks" / name
        settings = stage_settings(preset)
        manifest = make_manifest(preset.name, identify(preset), settings)
        models, size = self._world.models(preset), preset.generator.batch_size
        unwanted = re.compile(rf"\b({'|'.join(map(re.escape, without))})\b", re.IGNORECASE)
        with Bank.open(folder, create=manifest) as bank:
            if bank.revision is not None:
                return folder
            feed = CaptionFeed(
                read_captions(CAPTIONS), name=CAPTIONS.name, seed=seed, limit=None, strict=True
            )
            items = [item for _, item in feed]
            with bank.write("offline table", run_key="offline table") as writer:
                for start in range(0, len(items), size):
                    made = process_batch(models, settings, items[start : start + size]).generations
                    writer.add([one for one in made if not without or not unwanted.search(one.caption.text)])
                writer.commit()
        return folder

    def segmenter(self, preset: Preset, bank: Bank) -> Segmenter:
        """The segmenter of a preset, with the models that are loaded already."""
        return Segmenter(
            bank,
            self._world.clip,
            self._world.plain_backbone,
            self._world.keys(preset),
            SegmentSettings.of(preset.segment),
        )

    def _measure(self, preset: Preset, seed: int) -> Figures:
        classes = len(self._scenes.class_names)
        with Bank.open(self.bank(preset, seed)) as bank:
            segmenter = self.segmenter(preset, bank)
            prototypes = segmenter.prepare(self._scenes.class_names)
            counts = [
                Confusion.of(truth, segmenter.label(encoded, prototypes).labels, classes).counts
                for encoded, truth in zip(
                    self._encode(segmenter), self._scenes.labels[: self._count], strict=True
                )
            ]
            return Figures(np.stack(counts), bank.stats().prototypes)

    def _encode(self, segmenter: Segmenter) -> list[EncodedImage]:
        """The scenes as every row sees them: rows change neither networks nor superpixels."""
        if not self._encoded:
            self._encoded = [segmenter.encode(image) for image in self._scenes.images[: self._count]]
        return self._encoded


def difference(figures: Figures, reference: Figures) -> tuple[float, float, float]:
    """mIoU above a reference's, and the 95 % interval over resampled scenes."""
    draws = np.random.default_rng(0).multinomial(
        len(figures.counts), np.full(len(figures.counts), 1 / len(figures.counts)), RESAMPLES
    )
    gains = _mean_ious(draws, figures.counts) - _mean_ious(draws, reference.counts)
    low, high = np.quantile(gains, (0.025, 0.975))
    return figures.mean_iou - reference.mean_iou, float(low), float(high)


def _mean_ious(draws: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """mIoU of resampled scenes: how often each is drawn, int (R, N), to float64 (R,)."""
    classes = counts.shape[1]
    total = (draws.astype(np.float64) @ counts.reshape(len(counts), -1)).reshape(-1, classes, classes + 1)
    hits = np.diagonal(total[:, :, :classes], axis1=1, axis2=2)
    union = total.sum(axis=2) + total[:, :, :classes].sum(axis=1) - hits
    iou: NDArray[Any] = np.divide(hits, union, out=np.full_like(hits, np.nan), where=union > 0)
    means: NDArray[np.float64] = np.nanmean(iou, axis=1)
    return means


def measured(
    table: Table, only: Sequence[str] = (), *, other_seed: bool = False
) -> Iterator[tuple[Row, Figures, Figures]]:
    """Rows with their figures and those of what they are compared with.

    Args:
        table: measures.
        only: groups to measure; all by default, and then the winners of the groups together.
        other_seed: measure the preset and the winners once more, on pictures of another seed.
    """
    reference = table.figures(DEFAULT)
    best: dict[str, tuple[float, Row]] = {}
    for row in all_rows():
        if only and row.group not in only:
            continue
        figures = table.figures(row)
        yield row, figures, reference
        if row.group != DEFAULT.group:
            best[row.group] = max(best.get(row.group, (-1.0, row)), (figures.mean_iou, row), key=_score)
    if only:
        return
    winners = [row for _, row in best.values()]
    for row in together(winners, DEFAULT.seed):
        yield row, table.figures(row), reference
    if other_seed:
        yield from _measured_again(table, winners)


def _measured_again(table: Table, winners: Sequence[Row]) -> Iterator[tuple[Row, Figures, Figures]]:
    other = replace(DEFAULT, name=f"{DEFAULT.name}, pictures of seed {OTHER_SEED}", seed=OTHER_SEED)
    yield other, table.figures(other), table.figures(DEFAULT)
    for row in [*winners, *together(winners, OTHER_SEED)]:
        again = replace(row, group=f"{row.group}, seed {OTHER_SEED}", seed=OTHER_SEED)
        yield again, table.figures(again), table.figures(other)


def together(winners: Sequence[Row], seed: int) -> list[Row]:
    """The winners of all groups joined, once for each key space."""
    common = [row for row in winners if not row.group.startswith(KEYS)]
    spaces = [row for row in winners if row.group.startswith(KEYS)]
    return [
        Row(
            "together",
            f"{'; '.join(row.name for row in common)}; {space.group}: {space.name}",
            joined([*common, space]),
            seed,
        )
        for space in spaces
    ]


def _score(scored: tuple[float, Row]) -> float:
    return scored[0]


def main() -> None:
    """Print the table on standard output, each row as soon as it is known."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--limit", type=int, help="only the first so many held-out scenes")
    parser.add_argument("--cache", type=Path, help="folder to keep everything in; temporary by default")
    parser.add_argument("--only", action="append", default=[], metavar="GROUP", help="only rows of a group")
    parser.add_argument("--other-seed", action="store_true", help="measure winners on other pictures too")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        table = Table(options.cache or Path(temporary), options.limit)
        print("| group | setting | mIoU | difference (95 % interval) | accuracy | prototypes |")
        print("|---|---|---:|---|---:|---:|", flush=True)
        for row, figures, reference in measured(table, options.only, other_seed=options.other_seed):
            gain, low, high = difference(figures, reference)
            print(
                f"| {row.group} | {row.name} | {figures.mean_iou:.4f} "
                f"| {gain:+.4f} ({low:+.4f} to {high:+.4f}) "
                f"| {figures.pixel_accuracy:.4f} | {figures.prototypes:,} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
