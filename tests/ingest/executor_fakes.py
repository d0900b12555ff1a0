"""Workers with the fake models that break where they are told to, and the bank they must come to.

Imported by workers too.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from bank_contents import Contents, assert_same_bank, contents
from ingest_fakes import FakeGenerator, fake_manifest, fake_models, write_captions

from freeda_ingest.batches import BatchResult, SeededCaption
from freeda_ingest.executors.local import LocalExecutor
from freeda_ingest.executors.protocol import Executor
from freeda_ingest.ingestor import Ingestor
from freeda_ingest.pipeline import process_batch
from freeda_ingest.report import IngestReport
from freeda_ingest.settings import DEFAULT_SETTINGS
from freeda_models.errors import ModelMissingError
from freeda_models.protocols import GeneratedImage, GenerationRequest
from freeda_store import Bank

PATIENCE_SECONDS = 60.0


@dataclass(frozen=True)
class FakeRecipe:
    """Networks that see rectangles, and mishaps.

    Attributes:
        folder: where workers leave traces, files whose names tell what happened.
        deadly: the worker that draws a caption with these words dies by SIGKILL.
        deaths: how many times that happens.
        broken: drawing a caption with these words raises.
        missing: the networks cannot be made.
        stillborn: the process dies while it makes them.
        company: no worker draws before so many have a batch in hand.
        seconds: how long a batch takes besides.
    """

    folder: Path
    deadly: str = ""
    deaths: int = 1
    broken: str = ""
    missing: bool = False
    stillborn: bool = False
    company: int = 1
    seconds: float = 0.0

    def build(self, device: str) -> Callable[[Sequence[SeededCaption]], BatchResult]:
        self.leave("built")
        if self.stillborn:
            os.kill(os.getpid(), signal.SIGKILL)
        if self.missing:
            raise ModelMissingError(f"weights of {device} are not here; fetch them.")
        models = replace(fake_models(), generator=_MishapGenerator(self))
        return partial(process_batch, models, DEFAULT_SETTINGS)

    def leave(self, what: str) -> None:
        (self.folder / f"{what}-{os.getpid()}").touch()

    def traces(self, what: str) -> set[int]:
        """Ids of the processes that left a trace."""
        return {int(path.name.partition("-")[2]) for path in self.folder.glob(f"{what}-*")}


class _MishapGenerator(FakeGenerator):
    def __init__(self, recipe: FakeRecipe) -> None:
        super().__init__()
        self._recipe = recipe

    def generate(self, requests: Sequence[GenerationRequest]) -> list[GeneratedImage]:
        recipe = self._recipe
        recipe.leave("drew")
        give_up = time.monotonic() + PATIENCE_SECONDS
        while len(recipe.traces("drew")) < recipe.company and time.monotonic() < give_up:
            time.sleep(0.01)
        time.sleep(recipe.seconds)
        text = "\n".join(request.caption for request in requests)
        if recipe.deadly and recipe.deadly in text and len(recipe.traces("died")) < recipe.deaths:
            recipe.leave("died")
            os.kill(os.getpid(), signal.SIGKILL)
        if recipe.broken and recipe.broken in text:
            raise ValueError(f"cannot draw {recipe.broken}")
        return super().generate(requests)


def truck_captions(folder: Path) -> Path:
    """A file of forty captions; the seventeenth, the first of its batch of four, is "an old truck"."""
    path = folder / "captions.jsonl"
    before = write_captions(path, 16).read_text()
    after = write_captions(path, 23, first=17).read_text()
    path.write_text(before + '{"caption": "an old truck", "id": 16}\n' + after)
    return path


def ingest(folder: Path, captions: Path, executor: Executor[SeededCaption, BatchResult]) -> IngestReport:
    with Ingestor(Bank.open(folder, create=fake_manifest()), executor, batch_size=4) as ingestor:
        return ingestor.run(captions)


def local_bank(folder: Path, captions: Path) -> Contents:
    """All that the local executor makes of captions."""
    ingest(folder, captions, LocalExecutor(fake_models()))
    return contents(folder)


def check(folder: Path, expected: Contents) -> None:
    """A bank is equal to another, point by point."""
    assert_same_bank(contents(folder), expected)
