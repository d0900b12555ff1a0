"""How long a folder bank takes to open, and to answer first, as it grows.

freeda itself reads no prototype on opening; what grows is the engine's reading of its lists of ids and
filter fields. The first answer scans all text keys; its pages come from the disk's cache.

With ``--readers`` banks are opened for reading alone, as ``freeda segment`` does, and asked from 500 regions;
they are written without the engine (:mod:`benchmarks.large_bank`), so that there may be millions. Seconds are
the processor's then. ``--folder`` keeps such a bank for the next time.

Goal: opening 2,000,000 for reading in less than 2 s.

Usage: ``python -m benchmarks.opening [--points 1000 5000 20000] [--rounds 5] [--readers] [--folder DIR]``
"""

from __future__ import annotations

import argparse
import resource
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.large_bank import fill_for_readers
from benchmarks.synthetic import SIZES, around, fill_bank, unit_rows
from freeda_models.protocols import FloatArray
from freeda_store import Bank

CLASSES = 20
K, NEIGHBOURS = 350, 20


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


def measure_readers(folder: Path, regions: FloatArray, rounds: int) -> None:
    """Print opening a bank for reading, and what the first and the next questions from regions take."""
    for _ in range(rounds):
        clock = [time.process_time()]
        with Bank.read(folder) as bank:
            clock.append(time.process_time())
            for _ in range(3):
                bank.neighbours(regions, NEIGHBOURS)
                clock.append(time.process_time())
        held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        taken = " | ".join(f"{each:.2f} s" for each in np.diff(clock))
        print(f"| {taken} | {held:.1f} GB |", flush=True)


def main() -> None:
    """Print a row a size, and the ratios of the largest to the smallest."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--points", type=int, nargs="+", default=[1000, 5000, 20_000])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--readers", action="store_true", help="for reading alone, from regions")
    parser.add_argument("--folder", type=Path, help="where such banks are kept")
    options = parser.parse_args()
    for count in sorted(options.points) if options.readers else ():
        with tempfile.TemporaryDirectory() as temporary:
            folder = (options.folder or Path(temporary)) / f"bank-{count}"
            regions_file = folder.with_suffix(".npy")
            if not regions_file.exists():
                np.save(regions_file, fill_for_readers(folder, count))
            print(f"\n{count:,} prototypes\n\n| opening | first answer | next | next | memory at most |")
            print("|---:|---:|---:|---:|---:|")
            measure_readers(folder, np.load(regions_file), options.rounds)
    if options.readers:
        return
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
