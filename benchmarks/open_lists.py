"""Lists that leave things out: what the named classes and "other" are worth, by the length of the list.

For each list only the scenes that hold one of its classes count; all pixels of other things are "other". Rows
of the table are lengths, columns the ways to find what belongs to no class:

- ``none``: every pixel gets a class;
- ``constant``: the threshold of 0.5, and the best of many, chosen afterwards by the truth itself;
- ``bank``: the bank's other nouns compete, as by default;
- ``sure``: so do they, and guesses are left out (``--unsure 0.5``);
- ``complete``: all 22 classes are named, and those that are not on the list count as other.

The second table is of scenes that hold objects which no network was trained on and the bank does not know;
they are "other" for every list.

The third table is of both kinds of scenes: of the pixels that got a class with a confidence in some range,
how many are right, by the length of the list.

The fourth table is of lists of one class in smaller banks: only so many nouns compete, drawn at random.

The last table is of names that the bank does not hold, each named before two classes that a scene shows: as
they are treated (they get nothing), and as what they were found to be nearest to.

Usage: ``python -m benchmarks.open_lists [--bank DIR] [--lists N] [--limit N] [--scenes held-out|choosing]``
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.tiny_quality import generated_bank
from freeda_segment import Background, BackgroundStrategy, Segmenter, open_segmenter
from freeda_segment.encoding import EncodedImage
from freeda_segment.evaluation.datasets import Scenes, load_scenes
from freeda_segment.evaluation.metrics import IGNORE, Confusion, measure
from freeda_segment.pixels.confidence import GUESS
from freeda_segment.retrieval.competitors import Competitors
from training.world import CLASS_NAMES

LENGTHS = (1, 2, 3, 5, 8, 12, 16, 22)
THRESHOLDS = tuple(round(0.5 + step / 100, 2) for step in range(0, 23))
SEED = 3
STRANGE = (
    *("unicorn", "giraffe", "zebra", "lion", "bicycle", "helicopter", "pizza", "laptop", "cactus", "person"),
    *("tower", "rain"),
)
RANGES = (0.0, 0.25, 0.5, 0.75, 0.9, 1.0)
SURE_LENGTHS = (1, 3, 8, 22)
COMPETITORS = (1, 2, 5, 10, 20, 40)

Labels = NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Worth:
    """Mean IoU of the named classes, and IoU of other; NaN where nothing else is in the pictures."""

    named: float
    other: float

    def __str__(self) -> str:
        return f"{self.named:.3f} / " + ("-" if np.isnan(self.other) else f"{self.other:.3f}")


class SeenScenes:
    """Scenes that the networks have seen once, labelled with the complete list.

    Args:
        segmenter: with the bank and the preset's settings.
        scenes: with exact labels; those from ``len(CLASS_NAMES)`` on are of no class.
        limit: only the first so many.
    """

    def __init__(self, segmenter: Segmenter, scenes: Scenes, limit: int | None = None) -> None:
        self._segmenter = segmenter
        self._every = segmenter.with_settings(background=None)
        self._truth: list[Labels] = list(scenes.labels[:limit])
        self._encoded: list[EncodedImage] = [segmenter.encode(image) for image in scenes.images[:limit]]
        complete = self._every.prepare(list(CLASS_NAMES))
        self._complete = [self._every.label(encoded, complete).labels for encoded in self._encoded]

    def worth(self, classes: Sequence[int]) -> dict[str, Worth]:
        """What each way is worth for one list, the classes as indices; ``{}`` where no scene holds one."""
        holding = [number for number, truth in enumerate(self._truth) if np.isin(truth, classes).any()]
        if not holding:
            return {}
        found = self._found([CLASS_NAMES[index] for index in classes], classes, holding)
        worth = {way: self._measure(classes, holding, labels) for way, labels in found.items()}
        thresholds = [way for way in worth if way.startswith("constant ")]
        return {
            "none": worth["none"],
            "constant 0.5": worth[f"constant {THRESHOLDS[0]}"],
            "constant, best": max((worth[way] for way in thresholds), key=lambda each: each.named),
            "bank": worth["bank"],
            "bank, sure": worth["sure"],
            "complete": worth["complete"],
        }

    def right(self, classes: Sequence[int]) -> NDArray[np.float64]:
        """Pixels that got a class, in each range of confidence, and how many of them are right: (2, R)."""
        by_bank = self._segmenter.with_settings(background=Background(BackgroundStrategy.BANK))
        prototypes = by_bank.prepare([CLASS_NAMES[index] for index in classes])
        counts = np.zeros((2, len(RANGES) - 1))
        for encoded, truth in zip(self._encoded, self._truth, strict=True):
            made = by_bank.label(encoded, prototypes)
            if made.sureness is None:
                raise SystemExit("the bank gives no measure of how sure a label is; ingest more captions.")
            labels, true = made.sureness.at_working_size(made.labels), made.sureness.at_working_size(truth)
            counted = (labels >= 0) & (true != IGNORE)
            confidence = made.sureness.confidence[counted]
            right = np.asarray(classes)[labels[counted]] == true[counted]
            counts += [np.histogram(confidence[each], RANGES)[0] for each in (right | True, right)]
        return counts

    def with_few_competitors(self, index: int, count: int) -> Worth | None:
        """What a list of one class is worth when so many nouns compete; None where no scene shows it."""
        holding = [number for number, truth in enumerate(self._truth) if (truth == index).any()]
        prototypes = self._segmenter.prepare([CLASS_NAMES[index]])
        if not holding or prototypes.competitors is None:
            return None
        names, looks = prototypes.competitors.names, prototypes.competitors.looks
        chosen = np.random.default_rng((SEED, index)).permutation(len(names))[:count]
        few = Competitors(tuple(names[each] for each in chosen), looks[chosen])
        less = replace(prototypes, competitors=few)
        labels = [self._segmenter.label(self._encoded[number], less).labels for number in holding]
        return self._measure([index], holding, labels)

    def with_strange_names(self, *, as_nearest: bool) -> tuple[float, float]:
        """Share of the pictures that names get which the bank does not hold, and mIoU of the classes beside.

        Args:
            as_nearest: let them stand for what they are nearest to.
        """
        strange, total = [], []
        for number, (encoded, truth) in enumerate(zip(self._encoded, self._truth, strict=True)):
            shown = [int(each) for each in np.unique(truth) if each < len(CLASS_NAMES)][:2]
            names = [STRANGE[number % len(STRANGE)], *(CLASS_NAMES[index] for index in shown)]
            prototypes = self._segmenter.prepare(names)
            if as_nearest:
                prototypes = replace(prototypes, unheld=None)
            made = self._segmenter.label(encoded, prototypes)
            strange.append(float((made.labels == 0).mean()))
            of_two = self._measure(shown, [number], [np.where(made.labels > 0, made.labels - 1, -1)])
            total.append(of_two.named)
        return float(np.mean(strange)), float(np.mean(total))

    def _found(
        self, names: Sequence[str], classes: Sequence[int], holding: Sequence[int]
    ) -> Mapping[str, Sequence[Labels]]:
        """Labels of each scene as places on the list, -1 for none."""
        by_bank = self._segmenter.with_settings(background=Background(BackgroundStrategy.BANK))
        prototypes = by_bank.prepare(list(names))
        plain = [self._every.label(self._encoded[number], prototypes) for number in holding]
        sure = by_bank.with_settings(unsure=GUESS)
        place = np.full(IGNORE + 1, -1)
        place[list(classes)] = np.arange(len(classes))
        found: dict[str, list[Labels]] = {
            "none": [made.labels for made in plain],
            "bank": [by_bank.label(self._encoded[number], prototypes).labels for number in holding],
            "sure": [sure.label(self._encoded[number], prototypes).labels for number in holding],
            "complete": [place[self._complete[number]] for number in holding],
        }
        for threshold in THRESHOLDS:
            found[f"constant {threshold}"] = [
                np.where(made.scores > threshold, made.labels, -1) for made in plain
            ]
        return found

    def _measure(self, classes: Sequence[int], holding: Sequence[int], labels: Sequence[Labels]) -> Worth:
        """IoU of one way, with other as the last class."""
        other = len(classes)
        place = np.full(IGNORE + 1, other)
        place[list(classes)] = np.arange(other)
        place[IGNORE] = IGNORE
        total = Confusion.empty(other + 1)
        for number, found in zip(holding, labels, strict=True):
            total += Confusion.of(place[self._truth[number]], np.where(found < 0, other, found), other + 1)
        iou = measure(total).iou
        return Worth(float(np.nanmean(iou[:other])), float(iou[other]))


def some_lists(length: int, count: int) -> list[list[int]]:
    """Lists of so many classes: of one, each class; of all, one; otherwise drawn at random."""
    rng = np.random.default_rng((SEED, length))
    if length == 1:
        return [[index] for index in range(len(CLASS_NAMES))]
    if length == len(CLASS_NAMES):
        return [list(range(length))]
    return [rng.permutation(len(CLASS_NAMES))[:length].tolist() for _ in range(count)]


def rows(seen: SeenScenes, lists: int) -> Iterator[tuple[int, dict[str, Worth]]]:
    """For each length, the mean of each way over the lists."""
    for length in LENGTHS:
        measured = [worth for classes in some_lists(length, lists) if (worth := seen.worth(classes))]
        yield (
            length,
            {
                way: Worth(
                    float(np.mean([worth[way].named for worth in measured])),
                    float(np.mean([worth[way].other for worth in measured])),
                )
                for way in measured[0]
            },
        )


def print_table(title: str, seen: SeenScenes, lists: int) -> None:
    """One row for each length, and how far the bank stays below the complete list."""
    print(f"\n{title}: mIoU of the named classes / IoU of other\n", flush=True)
    worst = 0.0
    for number, (length, worth) in enumerate(rows(seen, lists)):
        if number == 0:
            print(f"| classes | {' | '.join(worth)} |\n|---:|{'---|' * len(worth)}")
        print(f"| {length} | {' | '.join(map(str, worth.values()))} |", flush=True)
        worst = min(worst, worth["bank"].named - worth["complete"].named)
    print(f"\nbank less complete list, at worst: {worst:+.4f}")


def print_sureness(seen: Sequence[SeenScenes], lists: int) -> None:
    """One row for each length: the share of right labels, and of pixels, in each range of confidence."""
    print("\nlabels that are right, of those with a class and a confidence (share of these pixels)\n")
    ranges = [f"{low:g} to {high:g}" for low, high in pairwise(RANGES)]
    print(f"| classes | {' | '.join(ranges)} |\n|---:|{'---|' * len(ranges)}")
    for length in SURE_LENGTHS:
        pixels, right = sum(each.right(classes) for each in seen for classes in some_lists(length, lists))
        told = [
            f"{good / count:.2f} ({count / pixels.sum():.0%})"
            for count, good in zip(pixels, right, strict=True)
        ]
        print(f"| {length} | {' | '.join(told)} |", flush=True)


def print_few(seen: SeenScenes) -> None:
    """What few competitors are worth."""
    print("\nlists of one class: mIoU of the class / IoU of other\n\n| competitors | |\n|---:|---|")
    for count in COMPETITORS:
        found = [seen.with_few_competitors(index, count) for index in range(len(CLASS_NAMES))]
        known = [each for each in found if each is not None]
        named, other = (
            float(np.mean([getattr(each, name) for each in known])) for name in ("named", "other")
        )
        print(f"| {count} | {Worth(named, other)} |", flush=True)


def print_strange(seen: SeenScenes) -> None:
    """What names get that the bank does not hold, and what that costs the others."""
    print("\nnames that the bank does not hold\n")
    print("| they | share of the picture they get | mIoU of two classes beside them |\n|---|---|---|")
    for told, as_nearest in (("get nothing", False), ("stand for the nearest noun", True)):
        share, iou = seen.with_strange_names(as_nearest=as_nearest)
        print(f"| {told} | {share:.3f} | {iou:.3f} |", flush=True)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bank", type=Path, help="folder to keep the bank in; temporary by default")
    parser.add_argument("--lists", type=int, default=12, help="how many lists of each length")
    parser.add_argument("--limit", type=int, help="only the first so many scenes")
    parser.add_argument("--scenes", choices=("held-out", "choosing"), default="held-out")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.bank or Path(temporary) / "bank"
        generated_bank(folder)
        with open_segmenter(folder, device="cpu") as segmenter:
            scenes = load_scenes(_bundled("oracle") if options.scenes == "choosing" else None)
            seen = SeenScenes(segmenter, scenes, options.limit)
            print_table(f"{options.scenes} scenes", seen, options.lists)
            if options.scenes == "held-out":
                novel = SeenScenes(segmenter, load_scenes(_bundled("novel")), options.limit)
                print_table("scenes with novel objects", novel, options.lists)
                print_sureness([seen, novel], options.lists)
            print_few(seen)
            print_strange(seen)


def _bundled(name: str) -> str:
    return str(resources.files("freeda_models") / "tiny" / f"{name}.npz")


if __name__ == "__main__":
    main()
