"""Ctrl-C that lets the batch in hand be finished."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Self


class Interrupts:
    """While entered, the first Ctrl-C inside :meth:`shielded` only sets :attr:`requested`.

    Outside, and inside :meth:`exposed`, it raises KeyboardInterrupt as ever; so does the second one
    everywhere. In threads other than the main one signals are not touched.

    Args:
        on_request: called once, when the first Ctrl-C meets a shield.

    Attributes:
        requested: Ctrl-C was pressed.
        insisted: it was pressed more than once.
    """

    def __init__(self, on_request: Callable[[], None] | None = None) -> None:
        self.requested = False
        self.insisted = False
        self._shielded = False
        self._on_request = on_request
        self._previous: Callable[[int, FrameType | None], object] | int | None = None
        self._installed = False

    @contextmanager
    def shielded(self) -> Iterator[None]:
        """One Ctrl-C does not interrupt what runs inside."""
        self._shielded = True
        try:
            yield
        finally:
            self._shielded = False

    @contextmanager
    def exposed(self) -> Iterator[None]:
        """Inside a shield: what may wait for ever, and is interrupted by Ctrl-C at once."""
        before, self._shielded = self._shielded, False
        try:
            yield
        finally:
            self._shielded = before

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._previous = signal.signal(signal.SIGINT, self._handle)
            self._installed = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._installed:
            signal.signal(signal.SIGINT, self._previous or signal.SIG_DFL)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self.insisted, self.requested = self.requested, True
        if not self._shielded or self.insisted:
            raise KeyboardInterrupt
        if self._on_request is not None:
            self._on_request()
