"""Memory of the device that networks compute on."""

from __future__ import annotations

import gc
import sys

_WORDS = ("out of memory", "not enough memory", "can't allocate memory", "_status_alloc_failed")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that the device, or this machine, has no memory left.

    torch raises ``OutOfMemoryError`` on CUDA, and a plain ``RuntimeError`` elsewhere, and for cuBLAS and
    cuDNN, which take memory of their own.
    """
    if isinstance(error, MemoryError):
        return True
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(error, torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in _WORDS)


def release_memory() -> None:
    """Give back what torch keeps for later, after an error whose tensors are no longer held."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is None:
        return
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    elif torch.backends.mps.is_available():
        torch.mps.empty_cache()
