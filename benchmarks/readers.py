"""What reads a folder beside its writer, against the engine: opening, the first answer, and the next ones.

Both sides open the same bank and ask for the 350 nearest prototypes of 150 classes, with all that is
known of them, among all prototypes and among a third that a filter lets through. Every key is its own,
which is the hardest case for a reader; with ``--nouns`` prototypes share their keys, as in a bank whose
keys are made from nouns.

Goal: no column above 1.

Usage: ``python -m benchmarks.readers [--points 20000] [--nouns 2000] [--rounds 5]``
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np

from benchmarks.synthetic import SIZES, around, fill_bank, unit_rows
from freeda_models.protocols import FloatArray
from freeda_store import Bank, parse_filter

CLASSES = 150
K = 350
WHERE = parse_filter(["clip_agreement<0.333"])


@dataclass(frozen=True)
class Seconds:
    """Medians: opening, the first answer after it, a later one, and a later one through a filter."""

    opening: float
    first: float
    later: float
    filtered: float


def measure(opening: Callable[[Path], Bank], folder: Path, queries: FloatArray, rounds: int) -> Seconds:
    """Open the bank again and again and ask it thrice each time."""
    taken: list[list[float]] = []
    for _ in range(rounds):
        clock = [time.perf_counter()]
        with opening(folder) as bank:
            clock.append(time.perf_counter())
            bank.nearest(queries, K)
            clock.append(time.perf_counter())
            bank.nearest(queries, K)
            clock.append(time.perf_counter())
            bank.nearest(queries, K, WHERE)
            clock.append(time.perf_counter())
        taken.append(np.diff(clock).tolist())
    return Seconds(*(statistics.median(each) for each in zip(*taken, strict=True)))


def same_answers(folder: Path, queries: FloatArray) -> float:
    """The share of the engine's answers that the reader gives in the same place."""
    found = []
    for opening in (Bank.open, Bank.read):
        with opening(folder) as bank:
            found.append([id_ for hit in bank.nearest(queries, K, WHERE) for id_ in hit.ids])
    return float(np.mean([a == b for a, b in zip(*found, strict=True)]))


def main() -> None:
    """Print a row a side, and their ratio."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--points", type=int, default=20_000)
    parser.add_argument("--nouns", type=int, default=0, help="how many keys there are; 0: all differ")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    rng = np.random.default_rng(options.points)
    centres = unit_rows(rng, options.nouns or 1000, SIZES.text)
    keys = centres[rng.integers(0, len(centres), options.points)]
    if not options.nouns:
        keys = around(rng, keys)
    queries = around(rng, centres[:CLASSES])
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "bank"
        fill_bank(folder, keys, ["thing"] * len(keys), rng)
        print(f"{options.points:,} prototypes, {len(np.unique(keys[:, 0])):,} keys; k = {K}\n")
        print(f"| | opening | first answer, {CLASSES} classes | next | filtered |\n|---|---:|---:|---:|---:|")
        engine = measure(Bank.open, folder, queries, options.rounds)
        reader = measure(Bank.read, folder, queries, options.rounds)
        for name, side in (("engine", engine), ("reader", reader)):
            print(f"| {name} | {' | '.join(f'{each:.3f} s' for each in astuple(side))} |")
        ratios = [a / b for a, b in zip(astuple(reader), astuple(engine), strict=True)]
        print(f"| reader over engine | {' | '.join(f'{each:.2f}' for each in ratios)} |")
        print(f"\nin the same place: {same_answers(folder, queries):.4f} of the answers")


if __name__ == "__main__":
    main()
