"""Keeps a bounded number of batches in hand."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import TypeVar

logger = logging.getLogger(__name__)

BatchT = TypeVar("BatchT")
ResultT = TypeVar("ResultT")


def in_flight(
    batches: Iterable[BatchT], submit: Callable[[BatchT], Future[ResultT]], *, limit: int
) -> Generator[ResultT, None, None]:
    """Submit batches, at most ``limit`` at a time, and give results back as they are ready.

    A finished result is given back before another batch is read. Of results that are ready at the
    same time the one submitted first comes first. After an error, of a batch or of reading, no batch
    is read any more, the others in hand are given back, and then the error is raised. Closing the
    iterator cancels what has not begun.

    Args:
        batches: read in the calling thread.
        submit: starts a batch; called in the calling thread.
        limit: batches in hand, at least 1.
    """
    source: Iterator[BatchT] | None = iter(batches)
    pending: list[Future[ResultT]] = []
    errors: list[Exception] = []
    try:
        while pending or source is not None:
            ready = next((future for future in pending if future.done()), None)
            if ready is not None:
                pending.remove(ready)
                failed = ready.exception()
                if failed is None:
                    yield ready.result()
                elif isinstance(failed, Exception):
                    source = None
                    errors.append(failed)
                else:
                    raise failed
            elif source is not None and len(pending) < limit:
                try:
                    batch = next(source, None)
                    if batch is None:
                        source = None
                    else:
                        pending.append(submit(batch))
                except Exception as error:  # noqa: BLE001 - raised below, after the others
                    source = None
                    errors.append(error)
            else:
                wait(pending, return_when=FIRST_COMPLETED)
    finally:
        for future in pending:
            future.cancel()
    for other in (error for error in errors[1:] if error is not errors[0]):
        logger.error("another batch failed too: %s", other)
    if errors:
        raise errors[0]
