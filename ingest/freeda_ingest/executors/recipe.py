"""How workers make what they compute with: the networks of a preset, and what is done with them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Protocol

from typing_extensions import override

from freeda_ingest.errors import WorkerError
from freeda_ingest.executors.protocol import ItemInT, ItemT, ResultOutT, ResultT
from freeda_models.identity import PresetIdentities, identify
from freeda_models.presets import Preset

ROLES = tuple(each.name for each in fields(PresetIdentities))


class Recipe(Protocol[ItemInT, ResultOutT]):
    """How a worker makes its networks. It is pickled on its way to the worker, and so must be small."""

    def build(self, device: str) -> Callable[[Sequence[ItemInT]], ResultOutT]:
        """Load every network on a device, and give what computes batches with them; an error ends the run and
        is shown."""


class Stage(Protocol[ItemInT, ResultOutT]):
    """What is done with a preset's networks. It is pickled, and so must be small."""

    @property
    def roles(self) -> tuple[str, ...]:
        """Fields of :class:`freeda_models.identity.PresetIdentities`: the networks that it uses."""

    def load(self, preset: Preset, device: str) -> Callable[[Sequence[ItemInT]], ResultOutT]:
        """Load them, and give a function that computes a batch, of nothing but the batch.

        Raises:
            ModelError: a model or device is not on this machine.
        """


@dataclass(frozen=True)
class WorkerIdentity:
    """The models and package version of a process; a worker must have those of the run that it serves.

    Attributes:
        models: of all networks, as :func:`freeda_models.loading.identify` returns them.
        code: version of this package.
        roles: those networks that count.
    """

    models: PresetIdentities
    code: str
    roles: tuple[str, ...] = ROLES

    @classmethod
    def here(cls, preset: Preset, roles: tuple[str, ...] = ROLES) -> WorkerIdentity:
        """Of this process; the preset's files must be on this machine."""
        return cls(identify(preset), _code(), roles)

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
        for role in self.roles:
            ours, theirs = getattr(found, role), getattr(self.models, role)
            if ours != theirs:
                raise WorkerError(
                    f"the {role} model here is {ours}, and {theirs} where the run was started; "
                    "install the same weights and packages on every machine."
                )


@dataclass(frozen=True)
class PresetRecipe(Recipe[ItemT, ResultT]):
    """The networks of a preset.

    Attributes:
        preset: names the models; its content travels, so that workers need no preset file.
        stage: what is done with them.
        threads: for PyTorch on the CPU, None to leave them alone.
        expected: when given, what the worker's models and package must equal.
    """

    preset: Preset
    stage: Stage[ItemT, ResultT]
    threads: int | None = None
    expected: WorkerIdentity | None = None

    @override
    def build(self, device: str) -> Callable[[Sequence[ItemT]], ResultT]:
        """Load the networks that the stage uses.

        Raises:
            ModelError: a model or device is not on the worker's machine.
            WorkerError: the worker has other models or another version of this package.
        """
        # The lock that tqdm makes otherwise is a named semaphore, which a killed process leaves behind.
        import_module("tqdm").tqdm.set_lock(threading.RLock())
        if self.threads is not None:
            import torch

            torch.set_num_threads(self.threads)
        compute = self.stage.load(self.preset, device)
        if self.expected is not None:
            self.expected.check(self.preset)
        return compute


def _code() -> str:
    try:
        return version("freeda")
    except PackageNotFoundError:
        return "from a source folder"
