"""Where examples are computed: in this process, or by workers of :mod:`freeda_ingest.executors`."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic

from typing_extensions import override

from freeda_ingest.executors.flight import in_flight
from freeda_ingest.executors.protocol import Executor
from freeda_ingest.executors.recipe import PresetRecipe, Stage
from freeda_learn.examples import Example
from freeda_learn.extract import Extractor, KeySettings
from freeda_learn.making import Extracted, Maker, Read, T
from freeda_learn.models import LearnModels
from freeda_learn.prompting import finder_of
from freeda_models.presets import Preset
from freeda_segment.region_networks import load_regions
from freeda_segment.settings import SegmentSettings

IN_HAND = 3
"""Batches in hand in this process: one that the networks see, two that are decoded, divided and pooled."""

ExampleExecutor = Executor[Read[Example], Extracted]
ExampleRecipe = PresetRecipe[Read[Example], Extracted]


@dataclass(frozen=True)
class ExampleStage(Stage[Read[Example], Extracted]):
    """Examples to prototypes, in whichever process.

    Attributes:
        settings: sizes, windows and regions, as pictures are segmented.
        keys: how names become text keys.
    """

    settings: SegmentSettings
    keys: KeySettings

    @property
    @override
    def roles(self) -> tuple[str, ...]:
        return ("clip", "backbone", "keys")

    @override
    def load(self, preset: Preset, device: str) -> Callable[[Sequence[Read[Example]]], Extracted]:
        models = LearnModels.load(preset, device)
        finder = finder_of(self.settings, load_regions(preset, self.settings, device))
        return Extractor(models, self.settings, self.keys, finder).extract


class LocalExecutor(Executor[Read[T], Extracted], Generic[T]):
    """Computes in this process: while the networks see one batch, threads decode, divide and pool others.

    The networks are asked by one thread at a time, and so is what finds regions.

    Args:
        maker: computes a batch.
    """

    def __init__(self, maker: Maker[T]) -> None:
        self._maker = maker.shared()

    @override
    def run(
        self, batches: Iterable[list[Read[T]]], *, live: bool = False
    ) -> Generator[Extracted, None, None]:
        with ThreadPoolExecutor(IN_HAND, "freeda-learner") as threads:

            def submit(batch: list[Read[T]]) -> Future[Extracted]:
                return threads.submit(self._maker.extract, batch)

            yield from in_flight(batches, submit, limit=1 if live else IN_HAND)

    @override
    def fitting_batch_size(self) -> int | None:
        """None: an example or a picture costs little memory."""
        return None

    @override
    def close(self) -> None:
        """Nothing to stop: the threads live as long as a run."""
