"""What every training script shares: data, checkpoints that survive a kill, schedules, EMA."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch.nn.attention import SDPBackend, sdpa_kernel

from training.paths import CHECKPOINTS_DIR, SCENES_DIR


@dataclass(frozen=True)
class Scenes:
    """The rendered set: uint8 ``images`` (N, S, S, 3) and ``labels`` (N, S, S), and captions."""

    images: np.ndarray
    labels: np.ndarray
    captions: list[str]

    @classmethod
    def load(cls) -> Scenes:
        """Memory-map the set that ``training.render`` wrote."""
        return cls(
            images=np.load(SCENES_DIR / "images.npy", mmap_mode="r"),
            labels=np.load(SCENES_DIR / "labels.npy", mmap_mode="r"),
            captions=json.loads((SCENES_DIR / "captions.json").read_text()),
        )


@contextmanager
def fast_cpu() -> Iterator[None]:
    """Settings that train faster on a CPU: no denormal numbers, attention by plain products."""
    torch.set_flush_denormal(True)
    with sdpa_kernel(SDPBackend.MATH):
        yield


def to_tensor(images: np.ndarray) -> torch.Tensor:
    """uint8 (B, H, W, 3) to float32 (B, 3, H, W) in [-1, 1]."""
    return torch.from_numpy(np.array(images)).permute(0, 3, 1, 2).float() / 127.5 - 1


class Checkpoint:
    """Named training state in ``CHECKPOINTS_DIR/<name>``; saved atomically, resumed if present."""

    def __init__(self, name: str) -> None:
        self.folder = CHECKPOINTS_DIR / name
        self.folder.mkdir(parents=True, exist_ok=True)

    def save(self, step: int, modules: dict[str, torch.nn.Module], optimizer: torch.optim.Optimizer) -> None:
        """Write every module's weights, the optimizer and the step."""
        for name, module in modules.items():
            weights = {key: value.contiguous() for key, value in module.state_dict().items()}
            self._replace(self.folder / f"{name}.safetensors", lambda path, w=weights: save_file(w, path))
        state = {"step": step, "optimizer": optimizer.state_dict()}
        self._replace(self.folder / "optimizer.pt", lambda path: torch.save(state, path))

    def resume(self, modules: dict[str, torch.nn.Module], optimizer: torch.optim.Optimizer) -> int:
        """Load what is there into the modules and the optimizer; returns the step to go on from."""
        path = self.folder / "optimizer.pt"
        if not path.exists():
            return 0
        for name, module in modules.items():
            module.load_state_dict(load_file(self.folder / f"{name}.safetensors"))
        state = torch.load(path, weights_only=True)
        optimizer.load_state_dict(state["optimizer"])
        return int(state["step"])

    @staticmethod
    def _replace(path: Path, write: Any) -> None:
        partial = path.with_suffix(path.suffix + ".partial")
        write(partial)
        partial.replace(path)


class Ema:
    """Exponential moving average of a module's parameters, kept in a twin module."""

    def __init__(self, module: torch.nn.Module, twin: torch.nn.Module, decay: float) -> None:
        self.module, self.twin, self.decay = module, twin, decay
        twin.load_state_dict(module.state_dict())
        twin.requires_grad_(False)

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Move the twin towards the module; the decay warms up so that early steps count."""
        decay = min(self.decay, (1 + step) / (10 + step))
        for kept, live in zip(self.twin.parameters(), self.module.parameters(), strict=True):
            kept.lerp_(live, 1 - decay)
        for kept, live in zip(self.twin.buffers(), self.module.buffers(), strict=True):
            kept.copy_(live)


class Clock:
    """Prints a line each ``every`` steps with the mean loss and seconds a step."""

    def __init__(self, name: str, total: int, every: int = 50) -> None:
        self.name, self.total, self.every = name, total, every
        self._losses: list[float] = []
        self._since = time.monotonic()

    def tick(self, step: int, loss: float) -> None:
        """Count one step; prints when it is time."""
        self._losses.append(loss)
        if step % self.every == 0:
            seconds = (time.monotonic() - self._since) / len(self._losses)
            print(
                f"{self.name} {step}/{self.total} loss {np.mean(self._losses):.4f} {seconds:.3f} s/step",
                flush=True,
            )
            self._losses, self._since = [], time.monotonic()


def cosine_rate(step: int, total: int, peak: float, warmup: int = 100, floor: float = 0.02) -> float:
    """Learning rate with linear warm-up, then a cosine down to ``floor * peak``."""
    if step < warmup:
        return peak * (step + 1) / warmup
    fraction = min(1.0, (step - warmup) / max(1, total - warmup))
    return peak * (floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * fraction)))


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of every parameter group."""
    for group in optimizer.param_groups:
        group["lr"] = rate
