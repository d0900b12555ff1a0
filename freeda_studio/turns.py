"""Whose turn it is at the networks: one at a time, and clients one after another.

A client that asks for forty pictures at once does not keep the one who asks for a single one waiting for all
forty: after each turn comes the next client that waits, and of each client what came first.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Iterator
from contextlib import contextmanager


class Turns:
    """A lock that is handed around among clients."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._busy = False
        self._waiting: OrderedDict[str, deque[threading.Event]] = OrderedDict()

    @property
    def waiting(self) -> int:
        """How many wait for a turn now."""
        with self._lock:
            return sum(map(len, self._waiting.values()))

    @contextmanager
    def of(self, client: str) -> Iterator[None]:
        """Wait for a turn of this client, and have it for the block. It does not nest."""
        self._wait(client)
        try:
            yield
        finally:
            self._pass_on()

    def _wait(self, client: str) -> None:
        with self._lock:
            if not self._busy:
                self._busy = True
                return
            called = threading.Event()
            self._waiting.setdefault(client, deque()).append(called)
        called.wait()

    def _pass_on(self) -> None:
        with self._lock:
            if not self._waiting:
                self._busy = False
                return
            client, queue = next(iter(self._waiting.items()))
            called = queue.popleft()
            if queue:
                self._waiting.move_to_end(client)
            else:
                del self._waiting[client]
        called.set()
