"""Workers that learn with the fake models and break where they are told to. Imported by workers too."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

for _folder in ("learn", "segment", "ingest"):
    sys.path.append(str(Path(__file__).parents[1] / _folder))

from learn_fakes import make_learner, scene, thing_mask  # noqa: E402
from segment_fakes import FakeBackbone, FakeClip, fake_manifest, small_settings  # noqa: E402

from freeda_learn import Example, LearnModels, LearnOptions, LearnReport, Marks  # noqa: E402
from freeda_learn.executors import ExampleExecutor  # noqa: E402
from freeda_learn.extract import Extractor  # noqa: E402
from freeda_learn.learner import key_settings  # noqa: E402
from freeda_learn.making import Extracted, Read  # noqa: E402
from freeda_learn.prompting import finder_of  # noqa: E402

PATIENCE_SECONDS = 60.0
DEADLY = "box 2"


@dataclass(frozen=True)
class FakeRecipe:
    """Networks that see colours, and mishaps.

    Attributes:
        folder: where workers leave traces, files whose names tell what happened.
        deaths: how often the worker that computes :data:`DEADLY` dies by SIGKILL.
        company: no worker computes before so many have a batch in hand.
        seconds: how long a batch takes besides.
    """

    folder: Path
    deaths: int = 0
    company: int = 1
    seconds: float = 0.0

    def build(self, device: str) -> Callable[[Sequence[Read[Example]]], Extracted]:
        self.leave("built")
        clip, settings = FakeClip(), small_settings()
        models = LearnModels(FakeBackbone((8, 8)), clip, clip)
        keys = key_settings(fake_manifest())
        extractor = Extractor(models, settings, keys, finder_of(settings, None))

        def compute(batch: Sequence[Read[Example]]) -> Extracted:
            self._meet_mishaps(batch)
            return extractor.extract(batch)

        return compute

    def _meet_mishaps(self, batch: Sequence[Read[Example]]) -> None:
        self.leave("computed")
        give_up = time.monotonic() + PATIENCE_SECONDS
        while len(self.traces("computed")) < self.company and time.monotonic() < give_up:
            time.sleep(0.01)
        time.sleep(self.seconds)
        named = any(read.item.name == DEADLY for read in batch)
        if named and len(self.traces("died")) < self.deaths:
            self.leave("died")
            os.kill(os.getpid(), signal.SIGKILL)

    def leave(self, what: str) -> None:
        (self.folder / f"{what}-{os.getpid()}").touch()

    def traces(self, what: str) -> set[int]:
        """Ids of the processes that left a trace."""
        return {int(path.name.partition("-")[2]) for path in self.folder.glob(f"{what}-*")}


def examples() -> list[Example]:
    """Eleven examples of ten pictures in four batches; one cannot be used, another is :data:`DEADLY`."""
    pictures = [scene("red", "green", noise=9, seed=seed) for seed in range(10)]
    marks = Marks(mask_hw=thing_mask())
    found = [Example(image, f"box {place % 2}", marks) for place, image in enumerate(pictures)]
    found[7] = Example(pictures[7], DEADLY, Marks(at=((12, 12),)))
    found.insert(4, Example(pictures[0], "box 0", Marks(at=((99, 99),))))
    return found


def learn(folder: Path, executor: ExampleExecutor | None = None) -> LearnReport:
    """Learn :func:`examples`, in this process or by workers."""
    with make_learner(folder, executor) as learner:
        return learner.learn(examples(), LearnOptions(by="me", batch_size=3))
