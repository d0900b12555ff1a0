"""Ingests with the fake models, and dies by SIGKILL at a chosen step. Started by ``kill_at_random.py``.

    killed_run.py BANK CAPTIONS LIMIT [STEP]

STEP counts every step below, over all of them; without it the run goes to its end. The number of
steps taken is printed last.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

from ingest_fakes import FakeBackbone, FakeGenerator, fake_manifest, fake_models

from freeda_ingest.executors.local import LocalExecutor
from freeda_ingest.ingestor import Ingestor, RunOptions
from freeda_store import Bank
from freeda_store.sql.catalog import Catalog
from freeda_store.thumbnails.folder import FolderThumbnails
from freeda_store.vectors.edge import EdgeVectors
from freeda_store.writing.writer import RevisionWriter

STEPS = [
    (FakeGenerator, "generate"),
    (FakeBackbone, "encode"),
    (RevisionWriter, "missing"),
    (RevisionWriter, "add"),
    (RevisionWriter, "commit"),
    (FolderThumbnails, "put"),
    (EdgeVectors, "upsert"),
    (EdgeVectors, "flush"),
    (EdgeVectors, "optimize"),
    (Catalog, "insert_generations"),
    (Catalog, "commit_revision"),
]


class Countdown:
    """Every step counts twice: before and after it."""

    def __init__(self, deadly: int | None) -> None:
        self.deadly = deadly
        self.taken = 0
        self._lock = threading.Lock()

    def step(self) -> None:
        with self._lock:
            if self.taken == self.deadly:
                os.kill(os.getpid(), signal.SIGKILL)
            self.taken += 1

    def watch(self, owner: type, name: str) -> None:
        original: Callable[..., Any] = getattr(owner, name)

        @wraps(original)
        def watched(*args: Any, **kwargs: Any) -> Any:
            self.step()
            result = original(*args, **kwargs)
            self.step()
            return result

        setattr(owner, name, watched)


def main() -> None:
    folder, captions, limit, *deadly = sys.argv[1:]
    countdown = Countdown(int(deadly[0]) if deadly else None)
    for owner, name in STEPS:
        countdown.watch(owner, name)
    with Bank.open(folder, create=fake_manifest()) as bank:
        print("ready", flush=True)
        report = Ingestor(bank, LocalExecutor(fake_models()), batch_size=4).run(
            Path(captions), RunOptions(limit=int(limit))
        )
    print(report.written, countdown.taken, flush=True)


if __name__ == "__main__":
    main()
