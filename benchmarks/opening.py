"""How long a folder bank takes to open, and to answer first, as it grows.

freeda itself reads no prototype on opening; what grows is the engine's reading of its lists of ids and
filter fields. The first answer scans all text keys; its pages come from the disk's cache.

Usage: ``python -m benchmarks.opening [--points 1000 5000 20000] [--rounds 5]``
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.synthetic import SIZES, around, fill_bank, unit_rows
from freeda_store import Bank

CLASSES = 20
K = 350


@dataclass(frozen=True)
class Seconds:
    """Medians: opening, the first answer after it, and an answer after that."""

    opening: float
    first: float
    second: float


def measure(folder: Path, rounds: int) -> Seconds:
    """Open the bank again and again and ask it twice each time."""
    queries = unit_rows(np.random.default_rng(2), CLASSES, SIZES.text)
    taken: list[tuple[float, float, float]] = []
    for _ in range(rounds):
        clock = [time.perf_counter()]
        with Bank.open(folder) as bank:
            clock.append(time.perf_counter())
            for _ in range(2):
                bank.nearest(queries, K)
                clock.append(time.perf_counter())
        taken.append((clock[1] - clock[0], clock[2] - clock[1], clock[3] - clock[2]))
    return Seconds(*(statistics.median(each) for each in zip(*taken, strict=True)))


def main() -> None:
    """Print a row a size, and the ratios of the largest to the smallest."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--points", type=int, nargs="+", default=[1000, 5000, 20_000])
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    print(f"| prototypes | opening | first answer, {CLASSES} classes | next answer |\n|---:|---:|---:|---:|")
    rows = []
    for count in sorted(options.points):
        with tempfile.TemporaryDirectory() as temporary:
            rng = np.random.default_rng(count)
            keys = around(rng, unit_rows(rng, 200, SIZES.text)[rng.integers(0, 200, count)])
            fill_bank(Path(temporary) / "bank", keys, ["thing"] * count, rng)
            seconds = measure(Path(temporary) / "bank", options.rounds)
        rows.append(seconds)
        print(
            f"| {count:,} | {seconds.opening:.3f} s | {seconds.first:.3f} s | {seconds.second:.3f} s |",
            flush=True,
        )
    small, large = rows[0], rows[-1]
    ratios = [
        f"{each:.1f}"
        for each in (
            large.opening / small.opening,
            large.first / small.first,
            large.second / small.second,
        )
    ]
    print(f"| largest over smallest | {' | '.join(ratios)} |")


if __name__ == "__main__":
    main()
