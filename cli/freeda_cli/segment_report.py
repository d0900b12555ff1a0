"""What ``freeda segment`` says of its pictures: a line each, or a bar and a table at the end."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from freeda_cli import console
from freeda_cli.errors import report_one
from freeda_cli.next_commands import next_commands
from freeda_cli.progress import SegmentBar
from freeda_cli.segment_options import DEFAULT_OUT

if TYPE_CHECKING:
    from freeda_segment.jobs import Failed, Finished, Outcome
    from freeda_segment.outputs import IndexEntry, NotSegmented
    from freeda_segment.outputs.runs import RunOptions, RunPicture
    from freeda_segment.outputs.told import Told
    from freeda_segment.outputs.totals import Totals

_SHOWN_NOTES = 10
_SHOWN_CLASSES = 30
_SHOWN_DOUBTS = 3


def warn_of(notes: Sequence[str]) -> None:
    """The first of the warnings about a list of classes, and how many more there are."""
    for line in notes[:_SHOWN_NOTES]:
        console.warn(line)
    if len(notes) > _SHOWN_NOTES:
        console.warn(f"and {len(notes) - _SHOWN_NOTES} more of this kind.")


def undrawn(names: Sequence[str]) -> list[str]:
    """What to say of names that overlays cannot show, for want of a font."""
    from freeda_segment.outputs.overlay import undrawn_names

    found = undrawn_names(names)
    if not found:
        return []
    shown = ", ".join(f"'{name}'" for name in found[:3]) + (", ..." if len(found) > 3 else "")
    return [
        f"no font here can draw {shown}, so overlays show the number of the class (#0 is the first); install "
        "one that can, such as Noto Sans CJK or Noto Emoji. All other files have the names."
    ]


class RunReport:
    """Tells what becomes of each picture, and of all in the end.

    Args:
        ctx: of the command.
        out: where results go.
        formats: that are written.
        total: how many pictures there are.
        verbose: a line for each picture, also where there are several.
        as_json: nothing but JSON goes to standard output.
        force: whether an index of somebody else may be replaced.
        left_out: what was not taken for a picture, in words.
    """

    def __init__(
        self,
        ctx: typer.Context,
        out: Path,
        formats: Sequence[str],
        total: int,
        *,
        verbose: bool,
        as_json: bool,
        force: bool,
        left_out: str = "",
    ) -> None:
        from freeda_segment.outputs.totals import Totals

        self._ctx, self._out, self._formats, self._total = ctx, out, formats, total
        self._lines = total == 1 or verbose or bool(ctx.find_root().params.get("verbose"))
        self._as_json, self._force, self._left_out = as_json, force, left_out
        self._started = time.monotonic()
        self._records: list[dict[str, Any]] = []
        self._entries: list[IndexEntry] = []
        self._pictures: list[RunPicture] = []
        self._last: Mapping[str, Any] | None = None
        self._doubts: list[str] = []
        self._totals = Totals()
        self._failures: list[NotSegmented] = []
        self.failed = self.skipped = self.segmented = 0

    def tell(self, outcomes: Iterable[Outcome]) -> None:
        """Tell of each picture as it is done, under a bar where there are several."""
        from freeda_segment.jobs import Failed

        bar = SegmentBar(self._total) if self._total > 1 else None
        with bar or nullcontext():
            for done, outcome in enumerate(outcomes, start=1):
                if isinstance(outcome, Failed):
                    self._tell_failed(outcome)
                else:
                    self._tell_finished(outcome)
                if bar is not None:
                    bar(done, self.failed)

    def end(self, run_formats: Sequence[str], options: RunOptions) -> None:
        """Write the index and the formats of the whole run, and tell of the whole."""
        from freeda_segment.outputs import Index, write_index

        for line in self._doubts[:_SHOWN_DOUBTS]:
            console.warn(line)
        if len(self._doubts) > _SHOWN_DOUBTS:
            more = console.count(len(self._doubts) - _SHOWN_DOUBTS, "more warning")
            console.warn(f"and {more} of single pictures; their reports have them under 'notes'.")
        if self._entries and self._total > 1:
            index = Index(self._entries, self._failures, self._left_out)
            console.note(f"side by side: {write_index(self._out, index, force=self._force)}")
        self._write_run(run_formats, options)
        if self._as_json:
            console.emit_json(self._records)
        elif self._total > 1:
            _show_totals(self._totals)
            console.say(self._summary())
        if self.failed and self._total > 1:
            console.note(f"{self.failed:,} of {console.count(self._total, 'picture')} failed.")

    def _write_run(self, formats: Sequence[str], options: RunOptions) -> None:
        from freeda_segment.outputs.runs import Run, write_run

        if not self._pictures or self._last is None:
            return
        run = Run.of(self._pictures, self._last, options)
        for each in write_run(self._out, run, formats, force=self._force):
            state = "" if each.fresh else " (up to date)"
            console.note(f"{each.name} of {console.count(len(run.pictures), 'picture')}: {each.path}{state}")

    def _summary(self) -> str:
        seconds = time.monotonic() - self._started
        parts = [f"{self.segmented:,} segmented"] if self.segmented or not self.skipped else []
        if self.skipped:
            parts.append(f"{self.skipped:,} up to date (--force makes them anew)")
        if self.failed:
            parts.append(f"{self.failed:,} failed")
        each = f", {console.duration(seconds / self.segmented)} each" if self.segmented else ""
        return (
            f"{console.count(self._total, 'picture')}: {', '.join(parts)} in "
            f"{console.duration(seconds)}{each}; results in {self._out}"
        )

    def _tell_failed(self, failed: Failed) -> None:
        from freeda_segment.outputs import NotSegmented

        path = failed.task.path
        self.failed += 1
        line = report_one(self._ctx, path, failed.error)
        self._failures.append(NotSegmented(str(path), line))
        if self._as_json:
            self._records.append({"picture": {"source": str(path)}, "error": line})

    def _tell_finished(self, finished: Finished) -> None:
        from freeda_segment.outputs.runs import LABELS, RunPicture
        from freeda_segment.outputs.told import Told

        path, files, told = finished.task.path, finished.files, Told.model_validate(finished.report)
        if finished.skipped:
            self.skipped += 1
            self._line(path, "up to date (--force makes it anew)", {})
        else:
            self.segmented += 1
            self._line(path, finished.summary, files if self._total == 1 else {})
        self._doubts += [f"{path}: {doubt}" for doubt in finished.doubts]
        self._totals.add(told)
        if LABELS in files:
            self._pictures.append(RunPicture.of(path, finished.task.stem, files[LABELS], finished.report))
            self._last = finished.report
        if self._as_json:
            written = {name: str(file) for name, file in files.items()}
            self._records.append({**finished.report, "written": written, "skipped": finished.skipped})
        if self._total > 1 and "preview" in self._formats and "overlay" in self._formats:
            self._entries.append(self._entry(finished, told))

    def _entry(self, finished: Finished, told: Told) -> IndexEntry:
        """The picture in the index, with the commands that go on from it."""
        from freeda_segment.outputs import IndexEntry, explanation_page_of, explanation_stem

        picture = finished.task.path
        page = explanation_page_of(self._out, explanation_stem(self._out, picture, finished.task.stem))
        goes_there = self._out == Path(DEFAULT_OUT)
        commands = next_commands(self._ctx, picture, self._ctx.params["bank"], None if goes_there else page)
        return IndexEntry(told, finished.files, page, skipped=finished.skipped, commands=commands)

    def _line(self, path: Path, line: str, files: Mapping[str, Path]) -> None:
        if self._lines and not self._as_json:
            console.say(f"{path}: {line}")
            for file in files.values():
                console.say(f"  {file}")


def _show_totals(totals: Totals) -> None:
    """The classes that were found, the largest first."""
    if not totals.counted:
        return
    found, absent = totals.found(), totals.absent()
    rows = [(each.name, f"{each.pictures:,}", f"{each.area:.1%}") for each in found[:_SHOWN_CLASSES]]
    if len(found) > _SHOWN_CLASSES:
        rows.append((f"and {len(found) - _SHOWN_CLASSES} more", "", ""))
    if totals.with_other:
        rows.append(("(no class)", f"{totals.with_other:,}", f"{totals.other:.1%}"))
    if absent:
        rows.append((f"({console.count(len(absent), 'class', 'classes')} not found)", "", ""))
    console.show_table(("class", "pictures#", "mean area#"), rows)
