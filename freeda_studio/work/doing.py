"""What the process of a work does: the same as the commands, by the same names of runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from freeda_ingest.concepts import add_concepts
from freeda_ingest.errors import CaptionsError
from freeda_ingest.ingestor import RunOptions, open_ingestor
from freeda_ingest.report import IngestProgress, IngestReport
from freeda_learn.errors import UnusableExampleError
from freeda_learn.labels.common import Labels, counted, examples_of
from freeda_learn.labels.reading import open_labels
from freeda_learn.learner import LearnOptions, open_learner
from freeda_learn.report import LearnProgress, LearnReport
from freeda_store.bank import Bank
from freeda_store.errors import BankInUseError
from freeda_store.vectors.filters import parse_filter
from freeda_store.views.separation import Separation, measure_separation
from freeda_studio.work.documents import (
    CaptionsTask,
    ConceptsTask,
    Fact,
    LearningTask,
    Order,
    Progress,
    RejectedRecord,
    Report,
)

_RETRY = 2.0
"""Seconds until a bank that another process writes is tried again."""
_OFTEN = 0.2
"""Seconds between reports, at least."""
_SHOWN = 20

Tell = Callable[[Progress], None]


def do(order: Order, tell: Tell, note: Callable[[str], None], wait: Callable[[float], None]) -> Report:
    """Do a task; where another process writes to the bank, wait until it is done.

    Args:
        order: what, and where.
        tell: called with how far it is.
        note: called with what is waited for, and with nothing when it goes on.
        wait: sleeps so many seconds; raises KeyboardInterrupt when the work is to stop.

    Raises:
        FreedaError: as the functions behind the commands.
        KeyboardInterrupt: it was stopped while it waited.
    """
    waited = False
    while True:
        wait(0)
        try:
            return _do(order, _Pace(tell))
        except BankInUseError as error:
            if not waited:
                note(f"waits until the bank is free: {error}")
            waited = True
        wait(_RETRY)


def _do(order: Order, pace: _Pace) -> Report:
    task = order.task
    if isinstance(task, CaptionsTask):
        return _draw(order, task, pace)
    if isinstance(task, ConceptsTask):
        return _add(order, task, pace)
    return _learn(order, task, pace)


def _draw(order: Order, task: CaptionsTask, pace: _Pace) -> Report:
    options = RunOptions(limit=task.limit, seed=task.seed, message=task.message)
    with open_ingestor(order.bank, order.preset, device=order.device) as ingestor:
        report = ingestor.run(Path(order.folder) / task.file, options, pace.drawn)
    if report.rejected and not report.captions:
        first = report.first_rejects[0]
        where = f", line {first.line}" if first.line else ""
        raise CaptionsError(
            f"nothing in {task.file} is a caption ({first.reason}{where}); give another file."
        )
    return _ingest_report(report, task.file)


def _add(order: Order, task: ConceptsTask, pace: _Pace) -> Report:
    report = add_concepts(
        order.bank,
        task.names,
        images=task.images,
        preset=order.preset,
        device=order.device,
        options=RunOptions(seed=task.seed, message=task.message),
        progress=pace.drawn,
    )
    told = _ingest_report(report, "")
    return told if report.interrupted else _with_separations(told, order.bank, task.names)


def _learn(order: Order, task: LearningTask, pace: _Pace) -> Report:
    folder = Path(order.folder)
    labels = open_labels(folder / task.pictures, folder / task.labels)
    options = LearnOptions(
        by=task.by,
        message=task.message or f"learn {labels.format}",
        name=f"learn {order.folder} {task.labels}",
    )
    with open_learner(order.bank, order.preset, device=order.device) as learner:
        report = learner.learn(examples_of(pace.following(labels)), options, pace.learned)
    if report.in_vain:
        first = report.first_rejected[0]
        place = first.place.replace(f"{folder}/", "")
        raise UnusableExampleError(f"nothing could be learned. {place}: {first.reason}")
    told = _learn_report(report, folder)
    return told if report.interrupted else _with_separations(told, order.bank, tuple(report.learned))


class _Pace:
    """Turns what runs report into how far and how fast they are, not too often."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._first: tuple[float, int] | None = None
        self._last: tuple[float, bool] = (0.0, False)
        self.pictures, self.pictures_total = 0, 0

    def drawn(self, progress: IngestProgress) -> None:
        """Report an ingestion."""
        self._report(
            progress.captions_done, progress.captions_drawn, progress.captions_total, progress.stopping
        )

    def following(self, labels: Labels) -> Labels:
        """The same labels; their pictures are counted as they are read."""
        self.pictures_total = labels.pictures
        return counted(labels, self._read_one)

    def _read_one(self) -> None:
        self.pictures += 1

    def learned(self, progress: LearnProgress) -> None:
        """Report what is learned, in pictures: how many examples there are is known at the end only."""
        self._report(self.pictures, self.pictures, self.pictures_total, progress.stopping)

    def _report(self, done: int, new: int, total: int | None, stopping: bool) -> None:
        now = time.monotonic()
        if self._first is None:
            self._first = (now, new)
        seconds, since = now - self._first[0], new - self._first[1]
        speed = since / seconds if since > 0 and seconds > 0 else None
        if now - self._last[0] < _OFTEN and stopping == self._last[1] and done != total:
            return
        self._last = (now, stopping)
        whole = None if total is None else max(total, done)
        self._tell(Progress(done=done, total=whole, per_second=speed, stopping=stopping))


def _ingest_report(report: IngestReport, file: str) -> Report:
    counts = {
        "captions": report.captions,
        "drawn and stored": report.written,
        "done before": report.done_before,
        "repeated": report.duplicates,
        "without nouns": report.without_nouns,
        "not in English": report.refused,
        "not drawn": report.undrawn,
        "prototypes": report.prototypes,
        "nouns without prototype": sum(report.dropped.values()),
    }
    notes = list(report.notes)
    if report.unknown_nouns:
        words = ", ".join(list(report.unknown_nouns)[:8])
        notes.append(f"The models of this bank do not know: {words}.")
    if report.halved:
        notes.append("Batches did not fit the device's memory and were drawn in halves.")
    return Report(
        facts=_facts(counts, {"captions", "drawn and stored", "prototypes"}),
        notes=tuple(notes),
        rejected=report.rejected,
        first_rejected=tuple(
            RejectedRecord(place=f"{file}:{each.line}" if each.line else file, reason=each.reason)
            for each in report.first_rejects[:_SHOWN]
        ),
        revision=None if report.revision is None else report.revision.number,
        interrupted=report.interrupted,
    )


def _learn_report(report: LearnReport, folder: Path) -> Report:
    counts = {
        "examples": report.examples,
        "learned": sum(report.learned.values()),
        "done before": report.done_before,
        "prototypes": report.prototypes,
    }
    classes = ", ".join(f"{name} {count:,}" for name, count in sorted(report.learned.items()))
    facts = _facts(counts, {"examples", "learned", "prototypes"})
    return Report(
        facts=(*facts, *([Fact(name="classes", value=classes)] if classes else [])),
        rejected=report.rejected,
        first_rejected=tuple(
            RejectedRecord(place=each.place.replace(f"{folder}/", ""), reason=each.reason)
            for each in report.first_rejected[:_SHOWN]
        ),
        revision=None if report.revision is None else report.revision.number,
        interrupted=report.interrupted,
    )


def _facts(counts: Mapping[str, int], always: Iterable[str]) -> tuple[Fact, ...]:
    return tuple(
        Fact(name=name, value=f"{count:,}") for name, count in counts.items() if count or name in always
    )


def _with_separations(report: Report, bank: str, names: Sequence[str]) -> Report:
    """The report, and how what is new stands apart in the bank."""
    with Bank.read(bank) as opened:
        there = [name for name in names[:_SHOWN] if any(opened.infos(parse_filter([f"noun={name}"])))]
        measured = measure_separation(opened, there, parse_filter(["kind!=rest"])) if there else []
    missing = [name for name in names[:_SHOWN] if name not in there]
    notes = [f"No prototype of '{name}' could be read from its pictures." for name in missing]
    facts = [Fact(name=each.noun, value=_separation(each)) for each in measured]
    return report.model_copy(
        update={"facts": (*report.facts, *facts), "notes": (*report.notes, *notes)},
    )


def _separation(each: Separation) -> str:
    parts = [f"{each.prototypes:,} prototype{'' if each.prototypes == 1 else 's'}"]
    if each.apart is not None:
        parts.append(f"{each.apart:.0%} nearest to their own")
    if each.confusions:
        parts.append("confused with " + ", ".join(f"{o.noun} {o.share:.0%}" for o in each.confusions))
    return "; ".join(parts)
