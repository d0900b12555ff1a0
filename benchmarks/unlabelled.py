"""What regions without a name are worth in the tiny world: mIoU by retrieval, with and without them.

The bank is that of ``examples/captions.jsonl``. Copies of it get the regions of held-out scenes without a
name; other held-out scenes are segmented. Where retrieval starts at classes nothing may change.

Usage: ``nice python -m benchmarks.unlabelled [--bank DIR] [--scenes N] [--pictures N ...]``
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.learning import Seen
from benchmarks.tiny_quality import generated_bank
from freeda_learn import Learner, LearnModels
from freeda_segment import Segmenter, open_segmenter
from freeda_segment.evaluation.datasets import Scenes, load_scenes
from freeda_store import Bank, copy_bank

RETRIEVALS = ("classes", "regions", "both")


def measure(
    folder: Path, segmented: Scenes, given: Scenes, numbers: Sequence[int]
) -> Iterator[tuple[int, int, str, float]]:
    """Pictures given, prototypes that came of them, retrieval and mean IoU, one after the other.

    Args:
        folder: of the bank; it stays as it is.
        segmented: scenes with their exact labels.
        given: scenes of which the first so many are given without labels.
        numbers: how many.
    """
    with open_segmenter(folder, device="cpu") as opened, ExitStack() as held:
        place = held.enter_context(tempfile.TemporaryDirectory())
        plain = opened.with_settings(background=None)
        parts = plain._clip, plain._backbone, plain._keys
        clip, backbone, keys = parts
        seen = Seen(tuple(map(plain.encode, segmented.images)), segmented.labels)
        for number in numbers:
            copied = Path(place) / f"{number}"
            copy_bank(folder, copied)
            bank = held.enter_context(Bank.open(copied))  # neighbours are remembered by the bank's object
            learner = Learner(bank, LearnModels(backbone, clip, keys), plain.settings)
            learner.learn_unlabelled(list(given.images[:number]))
            unlabelled = bank.stats().unlabelled
            for retrieval in RETRIEVALS:
                settings = plain.with_settings(retrieval=retrieval).settings
                segmenter = Segmenter(bank, *parts, settings)
                iou = seen.iou(segmenter, segmented.class_names)
                yield number, unlabelled, retrieval, float(np.nanmean(iou))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bank", type=Path, help="made from examples/captions.jsonl; made anew if not given")
    parser.add_argument("--scenes", type=int, default=36, help="scenes that are segmented")
    parser.add_argument("--pictures", type=int, nargs="+", default=[0, 12, 48], help="scenes that are given")
    options = parser.parse_args()
    scenes = load_scenes()
    rest = slice(options.scenes, None)
    given = replace(
        scenes, images=scenes.images[rest], labels=scenes.labels[rest], captions=scenes.captions[rest]
    )
    with tempfile.TemporaryDirectory() as place:
        folder = options.bank or Path(place) / "bank"
        if options.bank is None:
            generated_bank(folder)
        print("pictures  prototypes  retrieval  mIoU")
        for row in measure(folder, scenes.first(options.scenes), given, options.pictures):
            print("{:8d}  {:10d}  {:9s}  {:.3f}".format(*row), flush=True)


if __name__ == "__main__":
    main()
