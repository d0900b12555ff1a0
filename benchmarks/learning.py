"""What learning from pictures is worth in the tiny world: mIoU of objects that no network was trained on.

Twelve novel objects stand among the world's 22 classes. The bank is that of ``examples/captions.jsonl``; it
is taught by some examples of each novel object, and segments scenes that hold them. Figures are the mean IoU
of the novel classes, and that of the world's classes on the held-out scenes, over several draws of the
examples. Then: one wrong example among five, left in, taken back where leave-one-out names it, and left out;
and the held-out scenes' worst regions corrected one after the other, by a click in each.

Usage: ``nice python -m benchmarks.learning [--bank DIR] [--scenes N] [--draws N] [--parts ...]``
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib import resources
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from benchmarks.tiny_quality import generated_bank
from freeda_learn import Example, Learner, LearnModels, Marks, disagreements
from freeda_learn.examples import example_seed
from freeda_learn.pictures import load_picture
from freeda_models.presets import load_preset
from freeda_segment import Segmenter, open_segmenter
from freeda_segment.encoding import EncodedImage
from freeda_segment.evaluation.datasets import Scenes, load_scenes
from freeda_segment.evaluation.metrics import Confusion, measure
from freeda_store import Bank, parse_filter
from training.world import CLASS_NAMES

WORLD = len(CLASS_NAMES)
NUMBERS = (0, 1, 2, 5, 10)
PARTS = ("mask", "click", "wrong", "corrections")
CORRECTIONS = (1, 5, 20)
Marking = Callable[[NDArray[np.bool_]], Marks]


@dataclass(frozen=True, eq=False)
class Seen:
    """Scenes that the networks have seen once."""

    encoded: tuple[EncodedImage, ...]
    truth: NDArray[np.uint8]

    def iou(
        self, segmenter: Segmenter, names: Sequence[str], skip: frozenset[int] = frozenset()
    ) -> NDArray[np.float64]:
        """IoU of each class, NaN for those that no scene holds."""
        prepared = segmenter.prepare(list(names))
        confusion = Confusion.empty(len(names))
        for number, (encoded, truth) in enumerate(zip(self.encoded, self.truth, strict=True)):
            if number not in skip:
                labels = segmenter.label(encoded, prepared).labels
                confusion += Confusion.of(truth, labels, len(names))
        return np.where(confusion.counts.any(axis=1), measure(confusion).iou, np.nan)


class Bench:
    """A bank that is taught in copies, and scenes.

    Args:
        folder: of the bank that was made from captions.
        novel: scenes to segment.
        world: scenes of the world's classes alone.
        examples: scenes to learn from, so many of each novel object, one after the other.
        retrieval: where retrieval starts.
    """

    def __init__(
        self, folder: Path, novel: Scenes, world: Scenes, examples: Scenes, retrieval: str = "classes"
    ) -> None:
        self._folder = folder
        self.names = novel.class_names
        self._examples = examples
        self._of_each = len(examples) // (len(self.names) - WORLD)
        with open_segmenter(folder, device="cpu") as opened:
            segmenter = opened.with_settings(background=None, retrieval=retrieval)
            self._parts = segmenter._clip, segmenter._backbone, segmenter._keys
            self._settings, self._preset = segmenter.settings, load_preset("tiny")
            self.novel = self._see(segmenter, novel)
            self.world = self._see(segmenter, world)

    @staticmethod
    def _see(segmenter: Segmenter, scenes: Scenes) -> Seen:
        return Seen(tuple(map(segmenter.encode, scenes.images)), scenes.labels)

    def taught(self, teach: Callable[[Learner], object]) -> tuple[float, float]:
        """mIoU of the novel classes and of the world's, of a copy of the bank that was taught."""
        with tempfile.TemporaryDirectory() as place:
            segmenter = self.copy(Path(place) / "bank")
            with segmenter:
                teach(self.learner(segmenter))
                novel = np.nanmean(self.novel.iou(segmenter, self.names)[WORLD:])
                world = np.nanmean(self.world.iou(segmenter, self.names)[:WORLD])
        return float(novel), float(world)

    def copy(self, folder: Path) -> Segmenter:
        """A segmenter with a copy of the bank that may be written to."""
        from freeda_store import copy_bank

        with Bank.read(self._folder) as bank:
            manifest = bank.manifest
        Bank.open(folder, create=manifest).close()
        copy_bank(self._folder, folder)
        clip, backbone, keys = self._parts
        return Segmenter(Bank.open(folder), clip, backbone, keys, self._settings, self._preset)

    def learner(self, segmenter: Segmenter) -> Learner:
        """Teaches the bank of a segmenter."""
        clip, backbone, keys = self._parts
        return Learner(segmenter.bank, LearnModels(backbone, clip, keys), self._settings)

    def examples(self, count: int, draw: int, marking: Marking) -> list[Example]:
        """So many examples of each novel object."""
        rng = np.random.default_rng([15, draw])
        chosen = [
            (int(number), WORLD + kind)
            for kind in range(len(self.names) - WORLD)
            for number in rng.choice(self._of_each, count, replace=False) + kind * self._of_each
        ]
        return [self.example(number, label, marking) for number, label in chosen]

    def example(self, number: int, label: int, marking: Marking) -> Example:
        """One example scene under the name of a class."""
        shown = self._examples.labels[number]
        thing = int(shown[shown >= WORLD][0])
        return Example(self._examples.images[number], self.names[label], marking(shown == thing))

    def teach_wrong(self, learner: Learner, draw: int) -> None:
        """Teach :meth:`with_one_wrong`."""
        learner.learn(self.with_one_wrong(draw))

    def teach_checked(self, learner: Learner, draw: int) -> None:
        """Teach it, and take back what leave-one-out says to disagree with the others."""
        examples = self.with_one_wrong(draw)
        learner.learn(examples)
        wrong = {_seed(each) for each in self.wrong(examples)}
        named = {each.example.seed for each in disagreements(learner.bank, self.names)}
        for seed in named:
            learner.bank.retire(parse_filter([f"seed={seed}"]), "disagrees")
        told = f"{len(named & wrong)} of {len(wrong)} wrong ones, {len(named - wrong)} right ones"
        print(f"  draw {draw} names {told}")

    def teach_right(self, learner: Learner, draw: int) -> None:
        """Teach it without the wrong ones."""
        examples = self.with_one_wrong(draw)
        wrong = self.wrong(examples)
        learner.learn([each for each in examples if each not in wrong])

    def wrong(self, examples: Sequence[Example]) -> list[Example]:
        """Those of :meth:`with_one_wrong` that show another object: its last ones."""
        return list(examples[-(len(self.names) - WORLD) :])

    def with_one_wrong(self, draw: int) -> list[Example]:
        """Five examples of each novel object, of which one shows another."""
        good = self.examples(5, draw, by_mask)
        wrong = self.examples(1, draw + 100, by_mask)
        shifted = [
            replace(each, name=good[(5 * place + 5) % len(good)].name) for place, each in enumerate(wrong)
        ]
        return [each for place, each in enumerate(good) if place % 5] + shifted


def _seed(example: Example) -> int:
    return example_seed(example, load_picture(example.picture).digest)


def by_mask(mask: NDArray[np.bool_]) -> Marks:
    """The exact mask."""
    return Marks(mask_hw=mask)


def by_click(mask: NDArray[np.bool_]) -> Marks:
    """One click where the thing is deepest."""
    depth = ndimage.distance_transform_edt(mask)
    row, column = np.unravel_index(int(depth.argmax()), depth.shape)
    return Marks(at=((int(column), int(row)),))


def told(figures: Sequence[tuple[float, float]]) -> str:
    """Mean and spread over draws."""
    novel, world = np.array(figures).T
    return f"{novel.mean():>8.3f} +- {novel.std():.3f}{world.mean():>12.3f}"


def corrections(bench: Bench, limit: int) -> None:
    """Teach the worst region of a picture what it is, again and again; mIoU over all other pictures."""
    names, seen = list(CLASS_NAMES), bench.world
    with tempfile.TemporaryDirectory() as place, bench.copy(Path(place) / "bank") as segmenter:
        learner, used = bench.learner(segmenter), set[int]()
        for number in range(1, limit + 1):
            prepared = segmenter.prepare(names)
            worst = max(
                (_worst_region(segmenter.label(encoded, prepared).labels, truth), index)
                for index, (encoded, truth) in enumerate(zip(seen.encoded, seen.truth, strict=True))
                if index not in used
            )
            (size, label, row, column), index = worst
            if not size:
                break
            used.add(index)
            marks = Marks(at=((column, row),))
            learner.learn([Example(seen.encoded[index].picture.pixels, names[label], marks)])
            if number in CORRECTIONS:
                others = frozenset(used)
                after = np.nanmean(seen.iou(segmenter, names, others))
                before = _before(bench, names, others)
                print(f"{number:>4} corrections {before:>8.3f} -> {after:.3f}", flush=True)


def _before(bench: Bench, names: Sequence[str], skip: frozenset[int]) -> float:
    with open_segmenter(bench._folder, device="cpu") as opened:
        return float(np.nanmean(bench.world.iou(opened.with_settings(background=None), names, skip)))


def _worst_region(labels: NDArray[np.int16], truth: NDArray[np.uint8]) -> tuple[int, int, int, int]:
    """The largest region of one class that is labelled wrongly: its pixels, true class, row and column."""
    worst = (0, 0, 0, 0)
    for label in np.unique(truth):
        wrong, count = ndimage.label((truth == label) & (labels != label))
        if count:
            sizes = np.bincount(wrong.ravel())[1:]
            depth = ndimage.distance_transform_edt(wrong == sizes.argmax() + 1)
            row, column = np.unravel_index(int(depth.argmax()), depth.shape)
            worst = max(worst, (int(sizes.max()), int(label), int(row), int(column)))
    return worst


def _bundled(name: str) -> Scenes:
    return load_scenes(str(resources.files("freeda_models") / "tiny" / f"{name}.npz"))


def _some(scenes: Scenes, count: int | None) -> Scenes:
    """So many scenes, evenly from all."""
    chosen = np.linspace(0, len(scenes) - 1, min(count or len(scenes), len(scenes))).round().astype(int)
    return replace(
        scenes,
        images=scenes.images[chosen],
        labels=scenes.labels[chosen],
        captions=tuple(scenes.captions[index] for index in chosen),
    )


def main() -> None:
    """Print all figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bank", type=Path, help="folder of the bank; made and forgotten by default")
    parser.add_argument("--scenes", type=int, help="so many scenes of each set; all by default")
    parser.add_argument("--draws", type=int, default=3, help="draws of the examples")
    parser.add_argument("--numbers", type=int, nargs="+", default=NUMBERS, help="examples of each object")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="what is measured")
    parser.add_argument(
        "--retrieval", choices=["classes", "regions", "both"], default="classes", help="where it starts"
    )
    parser.add_argument(
        "--trial", action="store_true", help="objects that settings may be chosen on; needs sprites"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.bank or Path(temporary) / "bank"
        if not folder.exists():
            generated_bank(folder)
        if options.trial:
            from training.drawings import TRIAL
            from training.novel_scenes import example_scenes, query_scenes

            novel, examples = query_scenes(TRIAL), example_scenes(TRIAL)
        else:
            novel, examples = _bundled("novel"), _bundled("novel_examples")
        world = _some(load_scenes(), options.scenes)
        bench = Bench(folder, _some(novel, options.scenes), world, examples, options.retrieval)
        with open_segmenter(folder, device="cpu") as opened:
            alone = bench.world.iou(opened.with_settings(background=None), CLASS_NAMES)
        print(f"world's list alone, no examples {np.nanmean(alone):.3f}")
        print(f"{'examples':<18}{'novel':>17}{'world':>12}", flush=True)
        for part, marking in (("mask", by_mask), ("click", by_click)):
            for count in options.numbers if part in options.parts else ():
                draws = range(options.draws if count else 1)
                figures = [
                    bench.taught(lambda learner, d=draw: learner.learn(bench.examples(count, d, marking)))  # noqa: B023
                    for draw in draws
                ]
                print(f"{count:>2} by {part:<12} {told(figures)}", flush=True)
        if "wrong" in options.parts:
            for name, teach in (
                ("5, one wrong", bench.teach_wrong),
                ("the same, checked", bench.teach_checked),
                ("the four right", bench.teach_right),
            ):
                figures = [bench.taught(partial(teach, draw=draw)) for draw in range(options.draws)]
                print(f"{name:<17} {told(figures)}", flush=True)
        if "corrections" in options.parts:
            corrections(bench, max(CORRECTIONS))


if __name__ == "__main__":
    main()
