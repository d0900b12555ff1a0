"""What computes the batches of a run, wherever that is.

A run (:mod:`freeda_ingest.run`) reads captions, asks the bank which are missing, and hands whole batches to
an executor; it stores what comes back. Nothing else touches the bank, so an executor needs neither
the bank nor its lock, and a worker that dies has stored nothing by halves.

**How to write another executor.** Everything that a worker needs to know is a preset, the
:class:`~freeda_ingest.settings.StageSettings` made from it, and a device::

    models = PresetModels(preset, "cuda:1")             # freeda_ingest.models; networks load when first used
    result = process_batch(models, settings, batch)     # freeda_ingest.pipeline; a pure function of the batch

Preset, settings, batches and results can all be pickled. :func:`process_batch` gives the same result
for the same batch in whichever process, and again, up to rounding, so a batch that a dead worker
held is simply given to another one. It halves a batch that is too large for the device by itself.

:func:`freeda_ingest.executors.flight.in_flight` does the rest for an executor that can turn a batch into a
:class:`concurrent.futures.Future`: it takes batches only as fast as they are computed, gives results
back as they come, and lets the other batches in hand finish before an error is raised::

    class DevicesExecutor:
        def run(self, batches, *, live=False):
            workers = len(self._devices)
            return in_flight(batches, self._submit, limit=workers if live else 2 * workers)

An executor reaches a run through ``open_ingestor(address, preset, executor=make)``, where ``make`` is
an :data:`ExecutorFactory`: it is called with the preset once that is known (the bank may name it).
The ingestor closes the executor when it is closed itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from freeda_ingest.batches import Results, SeededCaption
    from freeda_ingest.settings import StageSettings
    from freeda_models.presets import Preset


class Executor(Protocol):
    """Computes batches."""

    def run(self, batches: Iterable[list[SeededCaption]], *, live: bool = False) -> Results:
        """Compute batches, each exactly once.

        ``batches`` is read in the thread that iterates the results, and nowhere else: reading looks
        things up in the bank, and Ctrl-C simply ends it. So after a Ctrl-C the batches in hand are
        still computed and given back.

        Args:
            batches: read only as fast as results are taken, so that a bounded number is in hand.
            live: captions come as somebody writes them, and reading may wait long: take no batch
                before its turn while a worker could have given back a result, that is, no more
                batches than workers.

        Returns:
            One result per batch, in any order; ``result.batch`` says which. Closing the iterator
            early abandons the batches in hand. An error is raised after the results of the other
            batches in hand.
        """

    def fitting_batch_size(self) -> int | None:
        """How many captions to draw at once for ``--batch-size auto``; None for the preset's own.

        It should be the same whenever this machine is asked again: a run that goes on with other
        batches differs in rounding, though in nothing else.
        """

    def close(self) -> None:
        """Stop the workers and let go of their networks. Closing twice is fine."""


ExecutorFactory = Callable[["Preset", "StageSettings"], Executor]
"""Makes an executor for a preset and the settings of its stages."""
