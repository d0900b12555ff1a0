"""Libraries kept from writing to the terminal of their own accord."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module

_TRUNCATION = ("part of your input was truncated", "sequence length is longer than the specified maximum")
_TRUNCATION_LOGGERS = (
    "diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion",
    "diffusers.pipelines.stable_diffusion_xl.pipeline_stable_diffusion_xl",
    "transformers.tokenization_utils_base",
)


@contextmanager
def quiet_loading(*libraries: str) -> Iterator[None]:
    """Switch off the progress bars of ``diffusers`` or ``transformers``, and switch them on again."""
    with ExitStack() as stack:
        for name in libraries:
            library = import_module(f"{name}.utils.logging")
            if library.is_progress_bar_enabled():
                library.disable_progress_bar()
                stack.callback(library.enable_progress_bar)
        yield


def _is_no_truncation(record: logging.LogRecord) -> bool:
    message = record.getMessage()
    return not any(fragment in message for fragment in _TRUNCATION)


@contextmanager
def without_truncation_warnings() -> Iterator[None]:
    """Drop the libraries' warnings of captions longer than the window, which results report themselves."""
    loggers = [logging.getLogger(name) for name in _TRUNCATION_LOGGERS]
    for logger in loggers:
        logger.addFilter(_is_no_truncation)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(_is_no_truncation)
