"""The process that does one long work: ``python -m freeda_studio.work.child``.

It reads its order from standard input, and tells how far it is in lines of JSON. It ends with the server:
standard input stays open as long as that lives, and when it closes, by a kill too, the process ends at once,
so that it never writes beside the one that a server started anew. What it had stored is found again by the
name of the run. An interrupt has the batch in hand finished and stored.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from types import FrameType
from typing import BinaryIO

from freeda_errors import FreedaError
from freeda_studio.work.documents import (
    Ended,
    Failed,
    Noted,
    Order,
    Progress,
    Progressed,
    Report,
)

_NICENESS = 10
"""The studio's pages come first where both compute on the same cores."""

Message = Progressed | Noted | Ended | Failed


class Stopping:
    """Whether a person asked this process to stop, until a run takes interrupts itself."""

    def __init__(self) -> None:
        self._asked = threading.Event()
        signal.signal(signal.SIGINT, self._ask)

    def wait(self, seconds: float) -> None:
        """Sleep, unless it is asked.

        Raises:
            KeyboardInterrupt: it is.
        """
        if self._asked.wait(seconds):
            raise KeyboardInterrupt

    def hand_on(self) -> None:
        """Within a run: pass on to it what was asked before it listened."""
        if self._asked.is_set():
            self._asked.clear()
            signal.raise_signal(signal.SIGINT)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self._asked.set()


def main() -> int:
    """Do what standard input orders; returns the exit code."""
    stopping = Stopping()
    say = _speech()
    line = sys.stdin.buffer.readline()
    if not line.endswith(b"\n"):
        return 2
    threading.Thread(target=_end_with_server, daemon=True).start()
    os.nice(_NICENESS)
    try:
        say(_done(Order.model_validate_json(line), stopping, say))
    except KeyboardInterrupt:
        say(Ended(report=Report(interrupted=True)))
    except Exception as error:  # noqa: BLE001 - whatever it was, the page must say so
        traceback.print_exc()
        say(Failed(error=_described(error)))
        return 1
    return 0


def _done(order: Order, stopping: Stopping, say: Callable[[Message], None]) -> Ended:
    stopping.wait(0)
    from freeda_studio.work.doing import do

    def progressed(progress: Progress) -> None:
        stopping.hand_on()
        say(Progressed(progress=progress))

    def noted(text: str) -> None:
        say(Noted(text=text))

    return Ended(report=do(order, progressed, noted, stopping.wait))


def _described(error: Exception) -> str:
    if isinstance(error, MemoryError):
        return "not enough memory; close other programs, and press Continue."
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}." if error.filename else f"{error.strerror}."
    if isinstance(error, FreedaError):
        return str(error)
    return f"unexpected {type(error).__name__}: {error}"


def _speech() -> Callable[[Message], None]:
    """Keep standard output for messages; what libraries print goes to standard error."""
    own: BinaryIO = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)

    def say(message: Message) -> None:
        try:
            own.write(message.model_dump_json().encode(errors="backslashreplace") + b"\n")
        except BrokenPipeError:  # nobody listens any more
            os._exit(1)

    return say


def _end_with_server() -> None:
    while os.read(0, 4096):
        pass
    os._exit(1)


if __name__ == "__main__":
    code = main()
    sys.stderr.flush()
    os._exit(code)  # nothing is open any more, and taking networks apart would only take time
