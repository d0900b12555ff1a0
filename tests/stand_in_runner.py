"""A runner of long work that does what a test tells it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Queue

from typing_extensions import override

from freeda_studio.work.documents import Ended, Failed, Gone, Noted, Order, Progress, Progressed, Report
from freeda_studio.work.running import Message, Runner, Running

PATIENCE = 240.0
"""Seconds after which what a test waits for will never come."""


class StandIn(Running):
    """A work that tells what :meth:`say` is given; stopped, it ends as a process does after its batch."""

    def __init__(self, order: Order) -> None:
        self.order = order
        self.stopped = self.killed = 0
        self._told: Queue[Message] = Queue()

    def say(self, message: Message) -> None:
        self._told.put(message)

    def progress(self, done: int, total: int = 10) -> None:
        self.say(Progressed(progress=Progress(done=done, total=total)))

    def end(self, revision: int | None = 2, *, interrupted: bool = False) -> None:
        self.say(Ended(report=Report(revision=revision, interrupted=interrupted)))

    @override
    def told(self) -> Iterator[Message]:
        while True:
            message = self._told.get()
            yield message
            if not isinstance(message, Progressed | Noted):
                return

    @override
    def stop(self) -> None:
        self.stopped += 1

    @override
    def kill(self) -> None:
        self.killed += 1
        self.say(Gone(error="its process was ended by SIGKILL"))


class StandInRunner(Runner):
    """Remembers what it started."""

    def __init__(self) -> None:
        self.started: list[StandIn] = []

    @override
    def start(self, order: Order, log: Path) -> Running:
        self.started.append(StandIn(order))
        return self.started[-1]

    def nth(self, number: int) -> StandIn:
        """The work that was started as the so many-th, counted from 1; waited for."""
        until(lambda: len(self.started) >= number)
        return self.started[number - 1]


def failed(why: str) -> Failed:
    return Failed(error=why)


def until(holds: Callable[[], bool]) -> None:
    """Wait for another thread."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.005)
