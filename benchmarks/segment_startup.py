"""How long ``freeda segment`` takes to start, a picture, and how much memory it holds.

Commands take turns, each in a process of its own: the imports that any such program needs (torch,
open_clip, transformers' Dinov2Model), parts of them, ``freeda segment`` on one picture, on eleven, and on a
picture whose results are up to date. The start is what one picture took, less a picture's own time.
Beside wall time stands processor time, which other programs on the machine disturb less.

Goals: start at most 1.3 times the imports; under 1 s a 512 x 512 picture with 20 classes; under 2 GB.

Usage: ``python -m benchmarks.segment_startup [--bank DIR] [--rounds 5]``
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from freeda_segment.evaluation.datasets import load_scenes

ROOT = Path(__file__).parent.parent
PICTURE = ROOT / "examples" / "car-and-tree.png"
IMPORTS = "import torch, open_clip; from transformers import Dinov2Model"
PARTS = {
    "torch": "import torch",
    "torch, torchvision": "import torch, torchvision",
    "torch, open_clip": "import torch, open_clip",
    "torch, Dinov2Model": "import torch; from transformers import Dinov2Model",
}
MANY = 11
CLASSES = 20


@dataclass(frozen=True)
class Usage:
    """Wall seconds, processor seconds and peak resident bytes of a finished process."""

    seconds: float
    processor_seconds: float
    peak_bytes: int


def run(command: list[str]) -> Usage:
    """Run a command to its end; it must succeed."""
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    errors = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        raise SystemExit(f"{command[:4]} failed:\n{errors.decode()}")
    busy = usage.ru_utime + usage.ru_stime
    return Usage(time.perf_counter() - started, busy, usage.ru_maxrss * 1024)


def main() -> None:
    """Print medians and the ratio to the imports."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bank", type=Path, default=ROOT / "demo-bank", help="a bank made with tiny")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    classes = ",".join(load_scenes().class_names[-CLASSES:])
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        copies = [folder / f"{number}.png" for number in range(MANY)]
        for copy in copies:
            shutil.copy(PICTURE, copy)
        segment = [sys.executable, "-m", "freeda_cli", "segment", "-c", classes, "--bank", str(options.bank)]
        segment += ["--out", str(folder / "out")]
        commands = {
            "imports": [sys.executable, "-c", IMPORTS],
            "one picture": [*segment, "--force", str(copies[0])],
            "up to date": [*segment, str(copies[0])],
            "eleven pictures": [*segment, "--force", *map(str, copies)],
            **{name: [sys.executable, "-c", part] for name, part in PARTS.items()},
        }
        usages: dict[str, list[Usage]] = {name: [] for name in commands}
        for _ in range(options.rounds):
            for name, command in commands.items():
                usages[name].append(run(command))
    wall = {name: statistics.median(usage.seconds for usage in each) for name, each in usages.items()}
    busy = {
        name: statistics.median(usage.processor_seconds for usage in each) for name, each in usages.items()
    }
    picture = (wall["eleven pictures"] - wall["one picture"]) / (MANY - 1)
    start = wall["one picture"] - picture
    busy_start = busy["one picture"] - (busy["eleven pictures"] - busy["one picture"]) / (MANY - 1)
    peak = max(usage.peak_bytes for usage in usages["eleven pictures"])
    print(f"{'':<24}{'wall':>8}{'ratio':>7}{'processor':>12}{'ratio':>7}")
    rows = [("imports alone", wall["imports"], busy["imports"]), ("start of segment", start, busy_start)]
    rows += [(f"  {name}", wall[name], busy[name]) for name in PARTS]
    rows.append(("results up to date", wall["up to date"], busy["up to date"]))
    for name, seconds, processor in rows:
        print(
            f"{name:<24}{seconds:>6.2f} s{seconds / wall['imports']:>7.2f}"
            f"{processor:>10.2f} s{processor / busy['imports']:>7.2f}"
        )
    print(f"a 512 x 512 picture     {picture:>6.2f} s   with {CLASSES} classes (goal < 1 s)")
    print(f"peak memory             {peak / 1e9:>6.2f} GB (goal < 2 GB)")


if __name__ == "__main__":
    main()
