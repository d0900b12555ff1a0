"""Learns with fake models, and dies by SIGKILL at a chosen step: ``killed_learning.py BANK WHAT [STEP]``.

WHAT is ``examples`` or ``regions``, those of pictures without a word.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

for _folder in ("learn", "segment", "ingest", ""):
    sys.path.append(str(Path(__file__).parents[1] / _folder))

from killed_run import STEPS, Countdown  # noqa: E402
from learn_fakes import make_learner, scene, thing_mask  # noqa: E402
from segment_fakes import FakeBackbone  # noqa: E402

from freeda_learn import Example, LearnOptions, LearnReport, Marks  # noqa: E402


def learn_all(folder: Path) -> LearnReport:
    """Nine pictures in three batches, one of them unusable."""
    with make_learner(folder) as learner:
        pictures = [scene("red", "green", noise=9, seed=seed) for seed in range(9)]
        marks = Marks(mask_hw=thing_mask())
        examples = [Example(image, f"box {place % 2}", marks) for place, image in enumerate(pictures)]
        examples.insert(4, Example(pictures[0], "box", Marks(at=((99, 99),))))
        return learner.learn(examples, LearnOptions(by="me", batch_size=3))


def divide_all(folder: Path) -> LearnReport:
    """Nine pictures in three batches, and one that is not there."""
    with make_learner(folder) as learner:
        pictures = [scene("red", "green", noise=9, seed=seed) for seed in range(9)]
        missing = folder.with_name("missing.png")
        items: list[Any] = [*pictures[:4], missing, *pictures[4:]]
        return learner.learn_unlabelled(items, LearnOptions(by="me", batch_size=3))


RUNS: dict[str, Callable[[Path], LearnReport]] = {"examples": learn_all, "regions": divide_all}


def main() -> None:
    folder, what, *deadly = sys.argv[1:]
    countdown = Countdown(int(deadly[0]) if deadly else None)
    for owner, name in [(FakeBackbone, "encode"), *STEPS[2:]]:
        countdown.watch(owner, name)
    report = RUNS[what](Path(folder))
    print(report.learned, countdown.taken, flush=True)


if __name__ == "__main__":
    main()
