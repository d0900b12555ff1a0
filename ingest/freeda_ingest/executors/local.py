"""This process, with one set of networks.

Two batches are in hand: while the calling thread draws one, another thread extracts the prototypes
of the one before (features, masks, text keys, scores), and the run's writing thread encodes the thumbnails of
the one before that and stores them. The networks release the interpreter's lock, so that on a GPU
the work of the processor hides behind the drawing. Each half is the same function that
:func:`~freeda_ingest.pipeline.process_batch` calls, so the results are the same, up to rounding.

Drawing stays in the calling thread: a second Ctrl-C stops it at once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from typing_extensions import override

from freeda_ingest.batches import BatchResult, Results, SeededCaption
from freeda_ingest.executors.flight import in_flight
from freeda_ingest.executors.protocol import Executor
from freeda_ingest.executors.recipe import ROLES, Stage
from freeda_ingest.extract import extract_batch
from freeda_ingest.generate import GeneratedBatch, generate_batch
from freeda_ingest.models import IngestModels, PresetModels
from freeda_ingest.pipeline import log_result, process_batch, process_halves
from freeda_ingest.settings import DEFAULT_SETTINGS, StageSettings
from freeda_models.diffusion.batch_size import fitting_batch_size
from freeda_models.memory import is_out_of_memory
from freeda_models.presets import Preset

IN_HAND = 2


@dataclass(frozen=True)
class CaptionStage(Stage[SeededCaption, BatchResult]):
    """Captions to prototypes, in whichever process.

    Attributes:
        settings: what shapes prototypes.
    """

    settings: StageSettings = DEFAULT_SETTINGS

    @property
    @override
    def roles(self) -> tuple[str, ...]:
        return ROLES

    @override
    def load(self, preset: Preset, device: str) -> Callable[[Sequence[SeededCaption]], BatchResult]:
        models = PresetModels(preset, device)
        models.load_all()
        return partial(process_batch, models, self.settings)


class LocalExecutor(Executor[SeededCaption, BatchResult]):
    """An :class:`~freeda_ingest.executors.protocol.Executor` that computes in the calling process.

    Args:
        models: the networks; loaded only when something is to be drawn.
        settings: what shapes prototypes.
    """

    def __init__(self, models: IngestModels, settings: StageSettings = DEFAULT_SETTINGS) -> None:
        self._models = models
        self._settings = settings
        self._generator_free = threading.Lock()

    @override
    def run(self, batches: Iterable[list[SeededCaption]], *, live: bool = False) -> Results:
        """Draw in the thread that iterates the results, and compute the rest of a batch in another thread.

        Results keep the order of the batches.
        """
        with ThreadPoolExecutor(1, "freeda-reader") as thread:

            def submit(batch: list[SeededCaption]) -> Future[BatchResult]:
                return self._begin(batch, thread)

            yield from in_flight(batches, submit, limit=1 if live else IN_HAND)

    @override
    def fitting_batch_size(self) -> int | None:
        """Measured on a GPU, whose networks this loads; None elsewhere."""
        if not self._models.device.startswith("cuda"):
            return None
        models = self._models
        beside = [models.backbone.identity, models.clip.identity, models.keys.identity]
        return fitting_batch_size(models.generator, models.device, beside=beside)

    @override
    def close(self) -> None:
        """Nothing to stop: the thread lives as long as a run."""

    def _begin(self, batch: list[SeededCaption], thread: ThreadPoolExecutor) -> Future[BatchResult]:
        try:
            with self._generator_free:
                generated = generate_batch(self._models, self._settings, batch)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            reason = str(error)
        else:
            return thread.submit(self._finish, batch, generated)
        return thread.submit(self._halve, batch, reason)

    def _finish(self, batch: list[SeededCaption], generated: GeneratedBatch) -> BatchResult:
        try:
            return log_result(extract_batch(self._models, self._settings, generated))
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            reason = str(error)
        return self._halve(batch, reason)

    def _halve(self, batch: list[SeededCaption], reason: str) -> BatchResult:
        with self._generator_free:
            return process_halves(self._models, self._settings, batch, reason)
