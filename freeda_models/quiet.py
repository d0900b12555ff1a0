"""Loading without the progress bars that the libraries draw of their own accord."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

_LIBRARIES = ("diffusers.utils.logging", "transformers.utils.logging")


@contextmanager
def quiet_loading() -> Iterator[None]:
    """Switch off the bars of those libraries that are imported, and switch them on again."""
    with ExitStack() as stack:
        for name in _LIBRARIES:
            library = sys.modules.get(name)
            if library is not None and library.is_progress_bar_enabled():
                library.disable_progress_bar()
                stack.callback(library.enable_progress_bar)
        yield
