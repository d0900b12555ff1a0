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

import warm_processes  # noqa: E402 - found by the line above
from bank_contents import Contents, contents, differences  # noqa: E402
from ingest_fakes import write_captions  # noqa: E402
from warm_processes import WarmProcess  # noqa: E402


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


def start(folder: Path, captions: Path, *more: str) -> WarmProcess:
    """Start a run in a process of its own; with a step, it kills itself there."""
    return warm_processes.start(SCRIPT, folder, captions, LIMIT, *more, warm=warm_processes.FAKES)


def wait_until_ready(process: WarmProcess) -> None:
    """Wait until the bank is open."""
    process.wait_for("ready\n")


def finish(folder: Path, captions: Path) -> tuple[int, int]:
    """Run to the end: captions written, steps taken."""
    ended = start(folder, captions).wait()
    assert ended.returncode == 0, ended.stderr
    written, steps = ended.stdout.split()[-2:]
    return int(written), int(steps)


def run_undisturbed(folder: Path, captions: Path) -> Undisturbed:
    """Run to the end in one go."""
    process = start(folder, captions)
    wait_until_ready(process)
    began = time.monotonic()
    ended = process.wait()
    seconds = time.monotonic() - began
    assert ended.returncode == 0, ended.stderr
    return Undisturbed(contents(folder), int(ended.stdout.split()[-1]), seconds)


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
            process.wait()
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
