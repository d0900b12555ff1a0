"""Errors of the libraries that load and run networks, said as this package says things."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from freeda_models.errors import ModelError, UnsupportedModelError
from freeda_models.memory import is_out_of_memory

_SHOWN_CHARS = 160


@contextmanager
def blaming(model: str, purpose: str) -> Iterator[None]:
    """Say which model it was that a library could not load or run, and why; lack of memory stays what it is.

    Args:
        model: its name.
        purpose: what cannot be done, such as ``be loaded``.

    Raises:
        UnsupportedModelError: instead of whatever the library raises.
    """
    try:
        yield
    except ModelError:
        raise
    except Exception as error:
        if is_out_of_memory(error):
            raise
        reason = (str(error).strip().splitlines() or [""])[0][:_SHOWN_CHARS].rstrip(". ")
        raise UnsupportedModelError(
            f"{model} cannot {purpose} ({type(error).__name__}: {reason}); fetch the model again, or name "
            "another in the preset."
        ) from error
