"""Ingests on two fake devices, slowly, so that a test can disturb it.

devices_run.py BANK CAPTIONS TRACES
"""

from __future__ import annotations

import sys
from pathlib import Path

from executor_fakes import FakeRecipe
from ingest_fakes import fake_manifest

from freeda_ingest.executors.devices import DevicesExecutor
from freeda_ingest.ingestor import Ingestor
from freeda_store import Bank


def main() -> None:
    folder, captions, traces = (Path(argument) for argument in sys.argv[1:])
    executor = DevicesExecutor(FakeRecipe(traces, company=2, seconds=0.2), ["cpu", "cpu"])
    with Ingestor(Bank.open(folder, create=fake_manifest()), executor, batch_size=4) as ingestor:
        report = ingestor.run(captions)
    print(report.interrupted, report.written)


if __name__ == "__main__":
    main()
