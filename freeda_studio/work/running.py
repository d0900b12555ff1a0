"""Starts the process of a work, listens to it, and stops it."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from pydantic import ValidationError
from typing_extensions import override

from freeda_studio.settings import TOKEN_VARIABLE
from freeda_studio.work.documents import TOLD, Ended, Failed, Gone, Noted, Order, Progressed

logger = logging.getLogger(__name__)

Message = Progressed | Noted | Ended | Failed | Gone

LOG = "log.txt"
"""In a work's folder: what its processes said beside their messages."""


class Running(Protocol):
    """A work that is being done."""

    def told(self) -> Iterator[Message]:
        """What it tells, until it ends; the last says how."""

    def stop(self) -> None:
        """Have the batch in hand finished and stored, and no other begun."""

    def kill(self) -> None:
        """End it at once; what was stored stays."""


class Runner(Protocol):
    """Does works."""

    def start(self, order: Order, log: Path) -> Running:
        """Start to do one.

        Args:
            order: what is to be done.
            log: file for what it says beside its messages.
        """


class ProcessRunner(Runner):
    """Does each work in a process of its own, which ends with this one."""

    @override
    def start(self, order: Order, log: Path) -> Running:
        environment = {name: value for name, value in os.environ.items() if name != TOKEN_VARIABLE}
        with log.open("ab") as errors:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "freeda_studio.work.child"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=environment,
                start_new_session=True,
            )
        running = _Process(process)
        running.order(order)
        return running


class _Process(Running):
    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def order(self, order: Order) -> None:
        """Say what is to be done; a process that is gone already is told of by :meth:`told`."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(order.model_dump_json().encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass

    @override
    def told(self) -> Iterator[Message]:
        assert self._process.stdout is not None
        last: Message | None = None
        for line in self._process.stdout:
            try:
                last = TOLD.validate_json(line)
            except ValidationError:  # cut short by a kill
                logger.warning("a work said what cannot be read: %.200r", line)
                continue
            yield last
        code = self._process.wait()
        if not isinstance(last, Ended | Failed):
            yield Gone(error=_gone(code))

    @override
    def stop(self) -> None:
        self._process.send_signal(signal.SIGINT)

    @override
    def kill(self) -> None:
        self._process.kill()


def _gone(code: int) -> str:
    how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
    why = ", which the system does where memory runs out" if code == -signal.SIGKILL else ""
    return f"its process {how}{why}; what was stored is kept, and Continue goes on from there."
