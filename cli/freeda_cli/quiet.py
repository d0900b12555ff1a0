"""Keeps other libraries' logs, warnings and progress bars off the screen."""

from __future__ import annotations

import logging
import os
import warnings

from freeda_cli import console

OUR_LOGGERS = ("freeda_models", "freeda_store", "freeda_ingest", "freeda_segment", "freeda_cli")
_WAITING = "freeda_store.patience"
"""Tells once that a server is away and waited for."""
_QUIET = {
    "TRANSFORMERS_VERBOSITY": "error",
    "TRANSFORMERS_NO_ADVISORY_WARNINGS": "1",
    "DIFFUSERS_VERBOSITY": "error",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_VERBOSITY": "error",
    "TQDM_DISABLE": "1",
    "TOKENIZERS_PARALLELISM": "false",
}


class _NoteHandler(logging.Handler):
    """Shows a line to the person who watches, above a bar where there is one."""

    def emit(self, record: logging.LogRecord) -> None:
        """Show it."""
        console.warn(record.getMessage())


def set_up_logging(*, verbose: bool) -> None:
    """Decide what reaches standard error besides the commands' own messages.

    Verbose shows the log of our packages with their durations, and all that the libraries say.
    Otherwise nothing does but that a server is waited for: our packages return what a person must see.
    Variables that the caller has set win. To be called before the libraries are imported.
    """
    root = logging.getLogger()
    for handler in [handler for handler in root.handlers if handler.get_name() == "freeda"]:
        root.removeHandler(handler)
    handler = logging.StreamHandler() if verbose else logging.NullHandler()
    handler.set_name("freeda")
    handler.setFormatter(logging.Formatter("%(asctime)s %(name)s: %(message)s", "%H:%M:%S"))
    root.addHandler(handler)
    waiting = logging.getLogger(_WAITING)
    waiting.handlers = [] if verbose else [_NoteHandler(logging.WARNING)]
    for name in OUR_LOGGERS:
        logging.getLogger(name).setLevel(logging.INFO if verbose else logging.WARNING)
    if verbose:
        return
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    warnings.simplefilter("ignore")
