"""Progress on standard error: a bar on a terminal, now and then a line elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

from cli import console

if TYPE_CHECKING:
    from ingest.report import IngestProgress

LINE_EVERY_SECONDS = 15.0


class Speed:
    """Captions a second, counted from the first report on, so that loading the models is left out."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._start: tuple[float, int] | None = None
        self.per_second: float | None = None

    def update(self, drawn: int) -> None:
        """Take note that so many captions were drawn by now."""
        now = self._clock()
        if self._start is None:
            self._start = (now, drawn)
            return
        seconds = now - self._start[0]
        if seconds > 0 and drawn > self._start[1]:
            self.per_second = (drawn - self._start[1]) / seconds


class IngestBar:
    """Shows how far a run is; an instance is its progress callback.

    Args:
        path: the captions file, for the bar's name.
    """

    def __init__(self, path: str, *, speed: Speed | None = None) -> None:
        self._name = "standard input" if path == "-" else path.rsplit("/", 1)[-1]
        self._speed = speed or Speed()
        self._console = console.stderr()
        self._last_line = time.monotonic()
        self._said_stopping = False
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=30),
            TextColumn("{task.fields[told]}", markup=False),
            console=self._console,
            disable=not self._console.is_terminal,
            transient=True,
        )
        self._task = self._progress.add_task(
            f"{console.printable(self._name)}: loading models", total=None, told=""
        )

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def __call__(self, progress: IngestProgress) -> None:
        """Show a report of the run."""
        self._speed.update(progress.captions_drawn)
        told = self.tell(progress)
        doing = "finishing the batch in hand" if progress.stopping else "drawing"
        self._progress.update(
            self._task,
            description=f"{console.printable(self._name)}: {doing}",
            total=progress.captions_total,
            completed=progress.captions_done,
            told=told,
        )
        if not self._console.is_terminal:
            self._line(told, progress.stopping)

    def tell(self, progress: IngestProgress) -> str:
        """``40 of 240, 5.2 a second, 38.5 s left``."""
        done, total, speed = progress.captions_done, progress.captions_total, self._speed.per_second
        parts = [f"{done:,}" if total is None else f"{done:,} of {max(total, done):,}"]
        if speed is not None:
            parts.append(f"{speed:.1f} a second" if speed >= 1 else f"{console.duration(1 / speed)} each")
            if total is not None and total > done:
                parts.append(f"{console.duration((total - done) / speed)} left")
        return ", ".join(parts)

    def _line(self, told: str, stopping: bool) -> None:
        now = time.monotonic()
        if stopping and not self._said_stopping:
            self._said_stopping = True
            with suppress(RuntimeError):  # Ctrl-C may come while this stream is being written
                console.note("finishing the batch in hand; press Ctrl-C again to stop at once.")
        elif now - self._last_line >= LINE_EVERY_SECONDS:
            self._last_line = now
            console.note(f"{self._name}: {told}")
