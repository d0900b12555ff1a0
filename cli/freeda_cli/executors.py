"""Where ``freeda ingest`` and ``freeda learn`` compute: the options for it, and the executor asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from freeda_cli.errors import UsageError

if TYPE_CHECKING:
    from freeda_ingest.executors.protocol import ExecutorFactory

AUTO = "auto"


class ExecutorName(StrEnum):
    """The executors that can be named."""

    LOCAL = "local"
    RAY = "ray"


DevicesOption = Annotated[
    str | None,
    typer.Option(
        "--devices",
        metavar="NAME,NAME",
        show_default="one, --device",
        help="Several devices of this machine, like cuda:0,cuda:1, with a worker process each.",
    ),
]
ExecutorOption = Annotated[
    ExecutorName,
    typer.Option(
        "--executor",
        help="Compute on this machine, or on the Ray cluster that RAY_ADDRESS names (the extra 'ray').",
    ),
]
WorkersOption = Annotated[
    int | None,
    typer.Option(
        "--workers",
        metavar="N",
        min=1,
        max=10_000,
        show_default="one per GPU, or one per machine without GPUs",
        help="How many workers Ray starts.",
    ),
]


@dataclass(frozen=True)
class Place:
    """What the options say of where to compute.

    Attributes:
        device: of this process.
        executor: makes what computes; None for this process itself.
        nearest: where this process computes what it does besides.
    """

    device: str
    executor: ExecutorFactory | None
    nearest: str


def place_of(name: ExecutorName, device: str, devices: str | None, workers: int | None) -> Place:
    """Where the options ask to compute.

    Raises:
        UsageError: options that exclude each other.
        OptionError: a device that cannot be asked for.
        ClusterError: Ray is asked for and is not installed.
    """
    return _PLACES[name](device, devices, workers)


def _local(device: str, devices: str | None, workers: int | None) -> Place:
    if workers is not None:
        raise UsageError("--workers is for --executor ray; on this machine name the devices with --devices.")
    if devices is None:
        return Place(device, None, device)
    if device != AUTO:
        raise UsageError(f"--device {device} and --devices {devices} exclude each other; give one of them.")
    from freeda_ingest.executors.devices import devices_executor

    names = [part.strip() for part in devices.split(",")]
    return Place("cpu", devices_executor(names), names[0])


def _ray(device: str, devices: str | None, workers: int | None) -> Place:
    if devices is not None:
        raise UsageError("--devices is for this machine; with --executor ray say --workers and --device.")
    from freeda_ingest.executors.ray import ray_executor

    return Place("cpu", ray_executor(device, workers), AUTO)


_PLACES: Mapping[ExecutorName, Callable[[str, str | None, int | None], Place]] = {
    ExecutorName.LOCAL: _local,
    ExecutorName.RAY: _ray,
}
