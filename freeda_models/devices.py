"""Which device to compute on, and in which precision."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from freeda_models.errors import DeviceError

if TYPE_CHECKING:
    import torch


def resolve_device(name: str) -> str:
    """``auto`` to the best device here; ``cpu``, ``cuda``, ``cuda:1`` or ``mps`` to itself.

    Raises:
        DeviceError: the name is unknown, or the device is not on this machine.
    """
    import torch

    if name == "auto":
        if torch.cuda.is_available():
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    if name == "cpu":
        return name
    if name == "mps":
        if torch.backends.mps.is_available():
            return name
        raise DeviceError("device 'mps' is not on this machine; use 'auto' or 'cpu'.")
    match = re.fullmatch(r"cuda(?::(\d+))?", name)
    if match is None:
        raise DeviceError(f"unknown device '{name}'; use 'auto', 'cpu', 'cuda', 'cuda:1' or 'mps'.")
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if int(match[1] or 0) >= count:
        raise DeviceError(
            f"device '{name}' is not on this machine, which has {count} CUDA devices; "
            "use 'auto' or another device."
        )
    return name


def compute_dtype(device: str) -> torch.dtype:
    """float16 on CUDA; float32 on the CPU and on MPS, where half precision gives black pictures."""
    import torch

    return torch.float16 if device.startswith("cuda") else torch.float32
