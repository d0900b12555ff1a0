"""Kills ingestions with SIGKILL at random moments, resumes them, and compares the banks.

Each trial makes a bank, kills its run one to three times, runs the same command to its end, and
compares point by point with the bank of a run that nobody disturbed; then runs it once more, which
must write nothing. The networks are small fakes, the bank is a real one.

    python tests/ingest/kill_at_random.py [--times 50] [--seed 0]

pytest runs a short form (``test_killed_runs.py``).
"""

from __future__ import annotations

import argparse
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = Path(__file__).resolve().with_name("killed_run.py")
LIMIT = 22
sys.path[:0] = [str(ROOT), str(SCRIPT.parent), str(SCRIPT.parents[1])]

from bank_contents import Contents, contents, differences  # noqa: E402 - found by the line above
from ingest_fakes import write_captions  # noqa: E402


@dataclass(frozen=True)
class Undisturbed:
    """A run that nobody disturbed.

    Attributes:
        contents: all that a reader sees of its bank.
        steps: steps that the child counted.
        seconds: from the opened bank to the end.
    """

    contents: Contents
    steps: int
    seconds: float


def start(folder: Path, captions: Path, *more: str) -> subprocess.Popen[str]:
    """Start a run in a process of its own; with a step, it kills itself there."""
    command = [sys.executable, str(SCRIPT), str(folder), str(captions), str(LIMIT), *more]
    environment = {"PYTHONPATH": str(ROOT), "PATH": "", "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)


def wait_until_ready(process: subprocess.Popen[str]) -> None:
    """Wait until the bank is open."""
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"


def finish(folder: Path, captions: Path) -> tuple[int, int]:
    """Run to the end: captions written, steps taken."""
    process = start(folder, captions)
    output, _ = process.communicate()
    assert process.returncode == 0, output
    written, steps = output.split()[-2:]
    return int(written), int(steps)


def run_undisturbed(folder: Path, captions: Path) -> Undisturbed:
    """Run to the end in one go."""
    process = start(folder, captions)
    wait_until_ready(process)
    began = time.monotonic()
    output, _ = process.communicate()
    seconds = time.monotonic() - began
    assert process.returncode == 0
    return Undisturbed(contents(folder), int(output.split()[-1]), seconds)


def kill_at_random(
    work: Path, captions: Path, undisturbed: Undisturbed, times: int, seed: int
) -> Iterator[tuple[int, list[str]]]:
    """Kill so many runs; after each trial: the kills that it took, and what is wrong with its bank."""
    rng = random.Random(seed)
    killed = trial = 0
    while killed < times:
        folder = work / f"bank-{trial}"
        trial += 1
        kills = min(rng.randint(1, 3), times - killed)
        for _ in range(kills):
            process = start(folder, captions)
            wait_until_ready(process)
            time.sleep(rng.uniform(0, undisturbed.seconds / kills))
            process.send_signal(signal.SIGKILL)
            process.communicate()
        killed += kills
        finish(folder, captions)
        wrong = differences(contents(folder), undisturbed.contents)
        written, _ = finish(folder, captions)
        if written:
            wrong.append(f"one run more wrote {written} captions again")
        yield kills, wrong


def main(tell: Callable[[str], None] = print) -> int:
    """Kill, compare and count; 1 when a bank differs."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--times", type=int, default=50, help="runs to kill")
    parser.add_argument("--seed", type=int, default=0, help="of the random moments")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        captions = write_captions(work / "captions.jsonl", 30)
        undisturbed = run_undisturbed(work / "undisturbed", captions)
        killed = broken = trials = 0
        for kills, wrong in kill_at_random(work, captions, undisturbed, options.times, options.seed):
            killed, trials, broken = killed + kills, trials + 1, broken + bool(wrong)
            tell(f"{killed} of {options.times} kills: " + ("; ".join(wrong[:5]) or "equal"))
    tell(f"{trials} banks after {killed} kills, {trials - broken} equal to the undisturbed one")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
