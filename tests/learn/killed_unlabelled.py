"""Divides pictures with fake models, and dies by SIGKILL: ``killed_unlabelled.py BANK [STEP]``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

for _folder in ("learn", "segment", "ingest", ""):
    sys.path.append(str(Path(__file__).parents[1] / _folder))

from killed_run import STEPS, Countdown  # noqa: E402
from learn_fakes import make_learner, scene  # noqa: E402
from segment_fakes import FakeBackbone  # noqa: E402

from freeda_learn import LearnOptions, LearnReport  # noqa: E402


def divide_all(folder: Path) -> LearnReport:
    """Nine pictures in three batches, and one that is not there."""
    with make_learner(folder) as learner:
        pictures = [scene("red", "green", noise=9, seed=seed) for seed in range(9)]
        missing = folder.with_name("missing.png")
        items: list[Any] = [*pictures[:4], missing, *pictures[4:]]
        return learner.learn_unlabelled(items, LearnOptions(by="me", batch_size=3))


def main() -> None:
    folder, *deadly = sys.argv[1:]
    countdown = Countdown(int(deadly[0]) if deadly else None)
    for owner, name in [(FakeBackbone, "encode"), *STEPS[2:]]:
        countdown.watch(owner, name)
    report = divide_all(Path(folder))
    print(report.prototypes, countdown.taken, flush=True)


if __name__ == "__main__":
    main()
