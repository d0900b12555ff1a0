"""What a worker process does: make its networks once, then compute the batches it is given."""

from __future__ import annotations

import pickle
import socket
import time
import traceback
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import Generic

from freeda_ingest.errors import WorkerError
from freeda_ingest.executors.protocol import ItemT, ResultT
from freeda_ingest.executors.recipe import Recipe


@dataclass(frozen=True)
class Failed:
    """An error on its way from a worker.

    Attributes:
        error: the error itself, or a :class:`WorkerError` that describes one which cannot be pickled.
        host: name of the worker's machine.
        trace: where it was raised.
    """

    error: Exception
    host: str
    trace: str

    def original(self) -> Exception:
        """The error, with the worker's traceback as a note."""
        self.error.add_note(f"in a worker on {self.host}:\n{self.trace}")
        return self.error


class StageWorker(Generic[ItemT, ResultT]):
    """The stage of one worker. Errors are returned, for the answer crosses to another process.

    Args:
        recipe: makes the networks.
        device: where they compute.
    """

    def __init__(self, recipe: Recipe[ItemT, ResultT], device: str) -> None:
        self._recipe = recipe
        self._device = device
        self._compute: Callable[[Sequence[ItemT]], ResultT] | None = None
        self._load_seconds = 0.0

    def load(self) -> Failed | None:
        """Make the networks; None when they are ready."""
        started = time.perf_counter()
        try:
            self._compute = self._recipe.build(self._device)
        except Exception as error:  # noqa: BLE001 - handed to the process that asked
            return _failed(error)
        self._load_seconds = time.perf_counter() - started
        return None

    def compute(self, batch: Sequence[ItemT]) -> ResultT | Failed:
        """What the recipe's stage makes of a batch; call :meth:`load` first.

        The first result's ``load`` includes the making of the networks.
        """
        if self._compute is None:
            raise RuntimeError("load() comes before compute().")
        try:
            result = self._compute(batch)
        except Exception as error:  # noqa: BLE001 - handed to the process that asked
            return _failed(error)
        loaded, self._load_seconds = self._load_seconds, 0.0
        seconds = {**result.seconds, "load": result.seconds.get("load", 0.0) + loaded}
        return replace(result, seconds=seconds)


def _failed(error: Exception) -> Failed:
    trace = "".join(traceback.format_exception(error)).rstrip()
    return Failed(_portable(error), socket.gethostname(), trace)


def _portable(error: Exception) -> Exception:
    """The error itself if it can be pickled and made again, else one that describes it."""
    try:
        pickle.dumps(error)
        again = copy(error)  # made as unpickling makes it
    except Exception:  # noqa: BLE001 - whatever an exception's own methods may raise
        again = None
    if type(again) is type(error) and str(again) == str(error):
        return error
    return WorkerError(f"{type(error).__name__}: {error}")
