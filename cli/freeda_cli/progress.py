"""Progress on standard error: a bar on a terminal, now and then a line elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

from freeda_cli import console

if TYPE_CHECKING:
    from freeda_ingest.report import IngestProgress
    from freeda_learn.labels.common import Labels
    from freeda_learn.report import LearnProgress
    from freeda_segment.evaluation.run import EvaluationProgress
    from freeda_store import CopyProgress
    from freeda_store.authors.copy import AuthorsProgress

LINE_EVERY_SECONDS = 15.0


class Speed:
    """How many are done per second, counted from the first report on, so that loading models is left out."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._start: tuple[float, int] | None = None
        self.per_second: float | None = None

    def update(self, drawn: int) -> None:
        """Take note that so many were done by now."""
        now = self._clock()
        if self._start is None:
            self._start = (now, drawn)
            return
        seconds = now - self._start[0]
        if seconds > 0 and drawn > self._start[1]:
            self.per_second = (drawn - self._start[1]) / seconds


class Bar:
    """Shows how far something is, with its rate and the time left.

    Args:
        name: of what is done.
        first: what is being done until the first report.
        speed: measures it.
    """

    def __init__(self, name: str, *, first: str = "loading models", speed: Speed | None = None) -> None:
        self._name = name
        self._speed = speed or Speed()
        self._console = console.stderr()
        self._last_line = time.monotonic()
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=30),
            TextColumn("{task.fields[status]}", markup=False),
            console=self._console,
            disable=not self._console.is_terminal,
            transient=True,
        )
        self._task = self._progress.add_task(
            f"{console.printable(self._name)}: {first}", total=None, status=""
        )

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def show(self, doing: str, done: int, total: int | None) -> None:
        """Show that so many of a total are done."""
        status = self.status(done, total)
        self._progress.update(
            self._task,
            description=f"{console.printable(self._name)}: {doing}",
            total=total,
            completed=done,
            status=status,
        )
        if not self._console.is_terminal:
            self._line(status)

    def status(self, done: int, total: int | None) -> str:
        """``40 of 240, 5.2 a second, 38.5 s left``."""
        speed = self._speed.per_second
        parts = [f"{done:,}" if total is None else f"{done:,} of {max(total, done):,}"]
        if speed is not None:
            parts.append(f"{speed:.1f} a second" if speed >= 1 else f"{console.duration(1 / speed)} each")
            if total is not None and total > done:
                parts.append(f"{console.duration((total - done) / speed)} left")
        return ", ".join(parts)

    def _line(self, status: str) -> None:
        now = time.monotonic()
        if now - self._last_line >= LINE_EVERY_SECONDS:
            self._last_line = now
            console.note(f"{self._name}: {status}")


class IngestBar(Bar):
    """Shows how far an ingestion is; an instance is its progress callback.

    Args:
        path: the captions file, for the bar's name.
    """

    def __init__(self, path: str, *, speed: Speed | None = None) -> None:
        super().__init__("standard input" if path == "-" else path.rsplit("/", 1)[-1], speed=speed)
        self._said_stopping = False

    def __call__(self, progress: IngestProgress) -> None:
        """Show a report of the run."""
        self._speed.update(progress.captions_drawn)
        doing = "finishing the batch in hand" if progress.stopping else "drawing"
        if progress.stopping and not self._said_stopping and not self._console.is_terminal:
            self._said_stopping = True
            with suppress(RuntimeError):  # Ctrl-C may come while this stream is being written
                console.note("finishing the batch in hand; press Ctrl-C again to stop at once.")
        self.show(doing, progress.captions_done, progress.captions_total)

    def status_of(self, progress: IngestProgress) -> str:
        """How far it is, in words; see :meth:`status`."""
        return self.status(progress.captions_done, progress.captions_total)


class LearnBar(Bar):
    """Shows how far learning is; an instance is its progress callback."""

    _pictures = 0
    _all_pictures: int | None = None

    def following(self, labels: Labels) -> Labels:
        """The same labels, their pictures counted: how many examples there are is known at the end only."""
        from freeda_learn.labels.common import counted

        self._all_pictures = labels.pictures
        return counted(labels, self._read_one)

    def _read_one(self) -> None:
        self._pictures += 1

    def __call__(self, progress: LearnProgress) -> None:
        """Show a report of the run."""
        doing = "finishing the batch in hand" if progress.stopping else "learning"
        if self._all_pictures is not None:
            self._speed.update(self._pictures)
            self.show(doing, self._pictures, self._all_pictures)
        else:
            self._speed.update(progress.learned)
            self.show(doing, progress.done, progress.total)


class EvaluationBar(Bar):
    """Shows how far an evaluation is; an instance is its progress callback."""

    _started = False

    def __call__(self, progress: EvaluationProgress) -> None:
        """Show a report of the run. No rate is counted from the first: models may be loaded after it."""
        if self._started:
            self._speed.update(progress.done)
        self._started = True
        self.show("counting", progress.done, progress.total)


class SegmentBar(Bar):
    """Shows how many pictures of a job are done.

    Args:
        total: how many there are.
    """

    def __init__(self, total: int, *, speed: Speed | None = None) -> None:
        super().__init__("pictures", speed=speed)
        self._total = total

    def __call__(self, done: int, failed: int) -> None:
        """Show that so many are done, of which some failed."""
        self._speed.update(done)
        self.show("segmenting" if not failed else f"segmenting, {failed:,} failed", done, self._total)


class CopyBar(Bar):
    """Shows how far the copying of a bank is, in prototypes; an instance is its progress callback.

    Args:
        name: of the bank that is copied.
    """

    def __init__(self, name: str, *, speed: Speed | None = None) -> None:
        super().__init__(name, first="comparing histories", speed=speed)

    def __call__(self, progress: CopyProgress) -> None:
        """Show a report of the copy."""
        self._speed.update(progress.prototypes)
        place = f"{progress.revisions_done + 1} of {progress.revisions_total}"
        doing = f"copying revision {progress.revision} ({place}), {console.size(progress.bytes)}"
        self.show(doing, progress.prototypes, progress.prototypes_total)


class AuthorsBar(Bar):
    """Shows how far the import of the authors' bank is, in files; an instance is its progress callback.

    Args:
        name: of their folder.
    """

    def __init__(self, name: str, *, speed: Speed | None = None) -> None:
        super().__init__(name, first="opening the index", speed=speed)

    def __call__(self, progress: AuthorsProgress) -> None:
        """Show a report of the import."""
        self._speed.update(progress.written)
        self.show("importing", progress.files_done, progress.files_total)
