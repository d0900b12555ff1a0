"""The offline stage for one batch: nouns, pictures, features, masks, prototypes, keys, scores.

:func:`process_batch` is a function of its captions and of nothing before it: no state is carried
from batch to batch, so any process may compute any batch, and again, with the same result up to
rounding.

A batch that does not fit the device's memory is halved, and each half computed as a batch of its
own; the next batch is tried whole again. Where memory is that scarce another run may halve at other
places, and its vectors then differ in rounding: choose a batch size that fits.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence

from freeda_ingest.batches import BatchResult, SeededCaption
from freeda_ingest.errors import DeviceMemoryError
from freeda_ingest.extract import extract_batch
from freeda_ingest.generate import generate_batch
from freeda_ingest.models import IngestModels
from freeda_ingest.settings import StageSettings
from freeda_models.memory import is_out_of_memory, release_memory

logger = logging.getLogger(__name__)


def process_batch(
    models: IngestModels, settings: StageSettings, batch: Sequence[SeededCaption]
) -> BatchResult:
    """Generate a picture for each caption and extract its prototypes.

    Args:
        models: the networks.
        settings: key strategy, masks and gates.
        batch: captions with their seeds; the same batch gives the same result, up to rounding, on a
            device that has the memory for it.

    Raises:
        ModelOutputError: a network breaks its protocol.
        DeviceMemoryError: not even one picture fits the device's memory.
    """
    try:
        return log_result(extract_batch(models, settings, generate_batch(models, settings, batch)))
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        reason = str(error)
    return process_halves(models, settings, batch, reason)


def process_halves(
    models: IngestModels, settings: StageSettings, batch: Sequence[SeededCaption], reason: str
) -> BatchResult:
    """Compute a batch that did not fit the device as two.

    Call it when the error is dealt with, for its traceback holds on to the memory.

    Raises:
        DeviceMemoryError: the batch is of one caption, or comes to that.
    """
    if len(batch) == 1:
        raise DeviceMemoryError(
            "the device has not enough memory to draw one picture at a time "
            f"({reason.splitlines()[0] if reason else 'no details'}); end other programs that use it, "
            'or use --device cpu, or a preset with smaller models or with offload = "model".'
        )
    release_memory()
    logger.warning("a batch of %d did not fit the device's memory and was halved", len(batch))
    middle = (len(batch) + 1) // 2
    first = process_batch(models, settings, batch[:middle])
    return _joined(first, process_batch(models, settings, batch[middle:]))


def log_result(result: BatchResult) -> BatchResult:
    """Log how long each stage of a batch took; gives the result back."""
    stages = ", ".join(f"{name} {took:.2f} s" for name, took in result.seconds.items())
    logger.info("batch of %d: %s", len(result.batch), stages)
    return result


def _joined(first: BatchResult, second: BatchResult) -> BatchResult:
    return BatchResult(
        generations=first.generations + second.generations,
        without_nouns=first.without_nouns + second.without_nouns,
        refused=first.refused + second.refused,
        dropped=_sum(first.dropped, second.dropped),
        unknown=_sum(first.unknown, second.unknown),
        seconds={
            name: first.seconds.get(name, 0.0) + second.seconds.get(name, 0.0)
            for name in {**first.seconds, **second.seconds}
        },
        batch=first.batch + second.batch,
        undrawn=first.undrawn + second.undrawn,
        halved=first.halved + second.halved + 1,
        sound=first.sound + second.sound,
    )


def _sum(first: Mapping[str, int], second: Mapping[str, int]) -> dict[str, int]:
    total = Counter(first)
    total.update(second)
    return dict(total)
