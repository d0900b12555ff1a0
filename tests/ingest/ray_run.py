"""Ingests on two Ray workers that the executor starts itself; one of them dies.

ray_run.py BANK CAPTIONS TRACES
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from executor_fakes import FakeRecipe, ingest

from freeda_cli.quiet import set_up_logging
from freeda_ingest.executors.ray import RayExecutor


def main() -> None:
    folder, captions, traces = (Path(argument) for argument in sys.argv[1:])
    set_up_logging(verbose=False)
    recipe = FakeRecipe(traces, deadly="an old truck", company=2)
    ingest(folder, captions, RayExecutor(recipe, workers=2))
    import ray

    print(f"usage statistics: {os.environ['RAY_USAGE_STATS_ENABLED']}, Ray up: {ray.is_initialized()}")


if __name__ == "__main__":
    main()
