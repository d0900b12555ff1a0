"""What a worker process does: make its networks once, then compute the batches it is given."""

from __future__ import annotations

import pickle
import socket
import threading
import time
import traceback
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, fields, replace
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Protocol

from typing_extensions import override

from freeda_ingest.batches import BatchResult, SeededCaption
from freeda_ingest.errors import WorkerError
from freeda_ingest.models import IngestModels, PresetModels
from freeda_ingest.pipeline import process_batch
from freeda_ingest.settings import StageSettings
from freeda_models.identity import PresetIdentities, identify
from freeda_models.presets import Preset


class Recipe(Protocol):
    """How a worker makes its networks. It is pickled on its way to the worker, and so must be small."""

    def build(self, device: str) -> tuple[IngestModels, StageSettings]:
        """Load every network on a device; an error ends the run and is shown."""


@dataclass(frozen=True)
class WorkerIdentity:
    """The models and package version of a process; a worker must have those of the run that it serves.

    Attributes:
        models: of all networks, as :func:`freeda_models.loading.identify` returns them.
        code: version of this package.
    """

    models: PresetIdentities
    code: str

    @classmethod
    def here(cls, preset: Preset) -> WorkerIdentity:
        """Of this process; the preset's files must be on this machine."""
        return cls(identify(preset), _code())

    def check(self, preset: Preset) -> None:
        """Compare with this process.

        Raises:
            WorkerError: something differs, so that results would.
        """
        if _code() != self.code:
            raise WorkerError(
                f"freeda here is {_code()}, and {self.code} where the run was started; "
                "install the same on every machine."
            )
        found = identify(preset)
        for role in (each.name for each in fields(PresetIdentities)):
            ours, theirs = getattr(found, role), getattr(self.models, role)
            if ours != theirs:
                raise WorkerError(
                    f"the {role} model here is {ours}, and {theirs} where the run was started; "
                    "install the same weights and packages on every machine."
                )


@dataclass(frozen=True)
class PresetRecipe(Recipe):
    """The networks of a preset.

    Attributes:
        preset: names the models; its content travels, so that workers need no preset file.
        settings: what shapes prototypes.
        threads: for PyTorch on the CPU, None to leave them alone.
        expected: when given, what the worker's models and package must equal.
    """

    preset: Preset
    settings: StageSettings
    threads: int | None = None
    expected: WorkerIdentity | None = None

    @override
    def build(self, device: str) -> tuple[IngestModels, StageSettings]:
        """Load the networks that the preset names.

        Raises:
            ModelError: a model or device is not on the worker's machine.
            WorkerError: the worker has other models or another version of this package.
        """
        # The lock that tqdm makes otherwise is a named semaphore, which a killed process leaves behind.
        import_module("tqdm").tqdm.set_lock(threading.RLock())
        if self.threads is not None:
            import torch

            torch.set_num_threads(self.threads)
        models = PresetModels(self.preset, device)
        models.load_all()
        if self.expected is not None:
            self.expected.check(self.preset)
        return models, self.settings


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


class StageWorker:
    """The offline stage of one worker. Errors are returned, for the answer crosses to another process.

    Args:
        recipe: makes the networks.
        device: where they compute.
    """

    def __init__(self, recipe: Recipe, device: str) -> None:
        self._recipe = recipe
        self._device = device
        self._stage: tuple[IngestModels, StageSettings] | None = None
        self._load_seconds = 0.0

    def load(self) -> Failed | None:
        """Make the networks; None when they are ready."""
        started = time.perf_counter()
        try:
            self._stage = self._recipe.build(self._device)
        except Exception as error:  # noqa: BLE001 - handed to the process that asked
            return _failed(error)
        self._load_seconds = time.perf_counter() - started
        return None

    def compute(self, batch: Sequence[SeededCaption]) -> BatchResult | Failed:
        """See :func:`freeda_ingest.pipeline.process_batch`; call :meth:`load` first.

        The first result's ``load`` includes the making of the networks.
        """
        if self._stage is None:
            raise RuntimeError("load() comes before compute().")
        try:
            result = process_batch(*self._stage, batch)
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


def _code() -> str:
    try:
        return version("freeda")
    except PackageNotFoundError:
        return "from a source folder"
