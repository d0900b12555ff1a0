"""Waiting for what other processes do."""

from __future__ import annotations

import time
from collections.abc import Callable

PATIENCE_SECONDS = 60.0


def wait_until(holds: Callable[[], bool]) -> bool:
    """Whether something comes to hold within :data:`PATIENCE_SECONDS`."""
    give_up = time.monotonic() + PATIENCE_SECONDS
    while not holds() and time.monotonic() < give_up:
        time.sleep(0.02)
    return holds()
