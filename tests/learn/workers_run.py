"""Learns on two fake devices, slowly, so that a test can disturb it: ``workers_run.py BANK TRACES``."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent))

from worker_fakes import FakeRecipe, learn

from freeda_ingest.executors.devices import DevicesExecutor


def main() -> None:
    folder, traces = (Path(argument) for argument in sys.argv[1:])
    recipe = FakeRecipe(traces, company=2, seconds=0.2)
    report = learn(folder, DevicesExecutor(recipe, ["cpu", "cpu"]))
    print(report.interrupted, sum(report.learned.values()))


if __name__ == "__main__":
    main()
