"""``python -m tests.torture``: kills, damages, full disks and bad input, and how freeda held.

    python -m tests.torture --kills 500 --damages 2000 --disks 200 --inputs 3000 --seed 0

A trial is named by its kind, its number and the seed, and makes the same choices at every run; one is
repeated by ``--first NUMBER`` and a count of one. The exit code is 1 when one trial failed, and 3 when full
disks cannot be made, which needs the right to mount.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tests.torture import commands, damages, disks, inputs, kills
from tests.torture.banks import make_world
from tests.torture.trials import Trial

KINDS = {
    "damages": damages.torture,  # first, for the others need networks
    "kills": kills.torture,
    "disks": disks.torture,
    "inputs": inputs.torture,
}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for kind in KINDS:
        parser.add_argument(f"--{kind}", type=int, default=0, metavar="N")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="number of the first trial of each kind")
    parser.add_argument("--show", action="store_true", help="print every trial, not only those that failed")
    options = parser.parse_args()
    if options.disks and not disks.can_mount():
        print("full disks need the right to mount a file system in memory", file=sys.stderr)
        return 3
    commands.warm_up()
    failed = 0
    with tempfile.TemporaryDirectory(prefix="freeda-torture-") as name:
        world = make_world(Path(name) / "world")
        for kind, torture in KINDS.items():
            if times := getattr(options, kind):
                if kind != "damages":
                    commands.load_networks()
                trials = torture(world, times, options.seed, options.first)
                failed += report(kind, trials, options.show)
    return 1 if failed else 0


def report(kind: str, trials: Iterator[Trial], show: bool) -> int:
    """Print what went wrong, and a line of figures; how many trials failed."""
    began, results, failed, seconds, memory = time.monotonic(), Counter[str](), 0, 0.0, 0
    for trial in trials:
        results[trial.result] += 1
        seconds, memory = max(seconds, trial.seconds), max(memory, trial.memory)
        if trial.faults or show:
            cost = f"{trial.seconds:.1f} s, {trial.memory / 1e6:.0f} MB"
            print(f"{kind}:{trial.number} {trial.story} -> {trial.result} ({cost})")
            for fault in trial.faults:
                print(f"    FAULT {fault}", flush=True)
        failed += bool(trial.faults)
    told = ", ".join(f"{number} {result}" for result, number in results.most_common())
    print(
        f"{kind}: {results.total()} trials in {time.monotonic() - began:.0f} s: {told}; {failed} failed; "
        f"the slowest command took {seconds:.1f} s, the largest held {memory / 1e6:.0f} MB",
        flush=True,
    )
    return failed


if __name__ == "__main__":
    sys.exit(main())
