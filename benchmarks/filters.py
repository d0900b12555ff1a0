"""What filters over prototypes are worth in the tiny world, on a clean bank and on banks as they come.

Three banks: the example captions as they are, and two with crowded and strange captions and a share
of mislabelled pictures, 10 % and 30 %, among them (see :mod:`benchmarks.wild_captions`). Each row
segments the same scenes into all classes with the same bank and the preset's other settings; the
networks see a scene once. Differences to no filter come with the 95 % interval of a paired bootstrap
over scenes.

``--scenes choosing`` takes the 160 scenes of the oracle bank, on which the preset's filter was chosen.
The default, the 120 held-out scenes, had no part in the choice.

Usage: ``python -m benchmarks.filters [--limit N] [--banks DIR] [--scenes held-out|choosing]``
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.coarse import coarse_superpixels
from benchmarks.tiny_quality import PRESET, generated_bank
from benchmarks.wild_captions import make_bank, wild_captions
from freeda_models.presets import load_preset
from freeda_segment import Segmenter, open_segmenter
from freeda_segment.encoding import EncodedImage
from freeda_segment.errors import NoPrototypesError
from freeda_segment.evaluation.datasets import Scenes, load_scenes
from freeda_segment.evaluation.metrics import Confusion
from freeda_store import Bank, Filter, parse_filter

SHARES = (0.1, 0.3)
SEED = 1
RESAMPLES = 2000
Counts = NDArray[np.int64]

PLAIN_LABELS: Mapping[str, Any] = {
    "superpixels": coarse_superpixels,
    "refinement": None,
}
"""Labels whose borders nothing mends: what differs is the bank's doing."""

SCORES = (
    *("contrast>=1.5", "contrast>=3", "contrast>=4"),
    *("area>=0.05", "area<=0.5", "area<=0.35"),
    *("clip_agreement>=0.1", "clip_agreement>=0.2", "clip_agreement>=0.3"),
    *("clip_agreement>=0.4", "clip_agreement>=0.5"),
    *("outlier_distance<=0.5", "outlier_distance<=0.3", "outlier_distance<=0.2"),
    *("clip_agreement>=0.2,outlier_distance<=0.5", "clip_agreement>=0.2,contrast>=4"),
)
"""Each score alone, from lenient to strict, then the best ones together."""

NO_THRESHOLD: Mapping[str, Any] = {"similarity_threshold": None}


@dataclass(frozen=True)
class Row:
    """One line of the table: a filter, and settings that differ from the preset's."""

    filter: str
    changes: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        name = f"`{self.filter}`" if self.filter else "no filter"
        return f"{name}, no similarity threshold" if self.changes else name

    @property
    def settings(self) -> dict[str, Any]:
        """What ``Segmenter.with_settings`` takes."""
        return {"where": parse_filter([self.filter]), "background": None, **self.changes}


NO_FILTER = Row("")


def rows() -> list[Row]:
    """The preset's own filter, each score, and what is left without the similarity threshold."""
    own = ",".join(load_preset(PRESET).segment.where)
    return [
        NO_FILTER,
        *(Row(each) for each in dict.fromkeys([own, *SCORES]) if each),
        Row("", NO_THRESHOLD),
        *([Row(own, NO_THRESHOLD)] if own else []),
    ]


class Measured:
    """Scenes that the networks have seen, to be labelled again and again.

    Args:
        segmenter: with the bank and the preset's settings.
        scenes: with exact labels.
        limit: only the first so many.
    """

    def __init__(self, segmenter: Segmenter, scenes: Scenes, limit: int | None) -> None:
        self._segmenter = segmenter
        self._names = scenes.class_names
        self._truth = scenes.labels[:limit]
        self._encoded: list[EncodedImage] = [segmenter.encode(image) for image in scenes.images[:limit]]

    def counts(self, row: Row) -> Counts:
        """Confusion of each scene: int64 (N, C, C + 1)."""
        segmenter = self._segmenter.with_settings(**row.settings)
        prototypes = segmenter.prepare(list(self._names))
        labels = (segmenter.label(encoded, prototypes).labels for encoded in self._encoded)
        classes = len(self._names)
        return np.stack(
            [Confusion.of(t, found, classes).counts for t, found in zip(self._truth, labels, strict=True)]
        )


def mean_iou(counts: NDArray[Any]) -> NDArray[np.float64]:
    """mIoU of summed confusions (..., C, C + 1), over the classes that occur."""
    classes = counts.shape[-2]
    hits = np.diagonal(counts[..., :classes], axis1=-2, axis2=-1).astype(np.float64)
    union = counts.sum(axis=-1) + counts[..., :classes].sum(axis=-2) - hits
    iou = np.where(union > 0, hits / np.maximum(union, 1), np.nan)
    return np.asarray(np.nanmean(iou, axis=-1))


@dataclass(frozen=True)
class Difference:
    """mIoU less that without a filter, with a 95 % interval over scenes."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:+.3f} [{self.low:+.3f}, {self.high:+.3f}]"


def compare(ours: Counts, without: Counts, seed: int = 0) -> Difference:
    """A paired bootstrap: the same resampled scenes for both."""
    scenes = len(ours)
    rng = np.random.default_rng(seed)
    weights = rng.multinomial(scenes, np.full(scenes, 1 / scenes), RESAMPLES)
    resampled = [mean_iou(np.tensordot(weights, counts, axes=1)) for counts in (ours, without)]
    low, high = np.percentile(resampled[0] - resampled[1], [2.5, 97.5])
    value = mean_iou(ours.sum(axis=0)) - mean_iou(without.sum(axis=0))
    return Difference(float(value), float(low), float(high))


def measured(segmenter: Segmenter, scenes: Scenes, limit: int | None) -> Iterator[tuple[Row, str]]:
    """The rows with mIoU and the difference to no filter, as text."""
    seen = Measured(segmenter, scenes, limit)
    without = seen.counts(NO_FILTER)
    yield NO_FILTER, f"{mean_iou(without.sum(axis=0)):.3f}"
    for row in rows()[1:]:
        try:
            counts = seen.counts(row)
        except NoPrototypesError:
            yield row, "a class is left without prototypes"
            continue
        yield row, f"{mean_iou(counts.sum(axis=0)):.3f}, {compare(counts, without)}"


def banks(folder: Path) -> Iterator[tuple[str, Path]]:
    """The banks by name; what is there already is not made again."""
    clean = folder / "clean"
    manifest = generated_bank(clean)
    yield "clean", clean
    for share in SHARES:
        wild = folder / f"mislabelled-{round(100 * share)}"
        make_bank(wild, manifest, load_preset(PRESET), wild_captions(share, SEED))
        yield f"{share:.0%} mislabelled", wild


def kept(folder: Path, where: Filter) -> str:
    """How many prototypes of each kind of caption a filter keeps."""
    with Bank.open(folder) as bank:
        total = Counter(info.source for info in bank.infos())
        passing = Counter(info.source for info in bank.infos(where))
    return ", ".join(f"{source} {passing[source]} of {total[source]}" for source in sorted(total))


def main() -> None:
    """Print one table per bank."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--limit", type=int, help="only the first so many scenes")
    parser.add_argument("--banks", type=Path, help="folder to keep the banks in; temporary by default")
    parser.add_argument("--scenes", choices=("held-out", "choosing"), default="held-out")
    options = parser.parse_args()
    oracle = str(resources.files("freeda_models") / "tiny" / "oracle.npz")
    scenes = load_scenes(oracle if options.scenes == "choosing" else None)
    own = parse_filter(load_preset(PRESET).segment.where)
    with tempfile.TemporaryDirectory() as temporary:
        for name, folder in banks(options.banks or Path(temporary)):
            print(f"\n{name}: the preset's filter keeps {kept(folder, own)}\n")
            print("| filter | mIoU, difference to no filter [95 % interval] |\n|---|---|")
            with open_segmenter(folder, device="cpu") as opened:
                segmenter = opened.with_settings(**PLAIN_LABELS)
                for row, told in measured(segmenter, scenes, options.limit):
                    print(f"| {row} | {told} |", flush=True)
    print(f"\n{len(scenes.images[: options.limit])} {options.scenes} scenes.")


if __name__ == "__main__":
    main()
