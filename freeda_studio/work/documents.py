"""What is kept of long work, and what its process is told and tells."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, TypeAdapter

from freeda_errors.documents import Document
from freeda_models.presets import Preset


def shown(text: str) -> str:
    """Text of any origin as a document can hold it and a page can show it: valid Unicode, not endless."""
    plain = text.encode("utf-8", "backslashreplace").decode()
    return plain if len(plain) <= _LONGEST else f"{plain[:_LONGEST]}..."


_LONGEST = 2000
Shown = Annotated[str, BeforeValidator(shown)]


class WorkState(StrEnum):
    """Where work is."""

    WAITING = "waiting"
    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"
    DONE = "done"
    FAILED = "failed"


ENDED = frozenset({WorkState.STOPPED, WorkState.DONE, WorkState.FAILED})
"""In these nothing happens until a person asks for it."""


class CaptionsTask(Document):
    """Draw the captions of a file; ``file`` is its name in the folder of inputs."""

    kind: Literal["captions"] = "captions"
    file: str
    limit: int | None = None
    seed: int = 0
    message: str = ""


class ConceptsTask(Document):
    """Draw concepts in varied scenes."""

    kind: Literal["concepts"] = "concepts"
    names: tuple[str, ...]
    images: int = 20
    seed: int = 0
    message: str = ""


class LearningTask(Document):
    """Learn from labelled pictures; both places are relative to the folder of inputs."""

    kind: Literal["learning"] = "learning"
    pictures: str
    labels: str
    by: str | None = None
    message: str = ""


Task = Annotated[CaptionsTask | ConceptsTask | LearningTask, Field(discriminator="kind")]


class Progress(Document):
    """How far work is.

    Attributes:
        done, total: captions or pictures, those that the bank had included; no total when nobody knows it.
        per_second: how fast new ones are done, once that is known.
        stopping: the batch in hand is being finished.
    """

    done: int = 0
    total: int | None = None
    per_second: float | None = None
    stopping: bool = False

    @property
    def seconds_left(self) -> float | None:
        """How long it will take, as far as one can tell."""
        if not self.per_second or self.total is None or self.total < self.done:
            return None
        return (self.total - self.done) / self.per_second


class Fact(Document):
    """A name and its value, for people."""

    name: Shown
    value: Shown


class RejectedRecord(Document):
    """What could not be used: where it stands, and why."""

    place: Shown
    reason: Shown


class Report(Document):
    """What work came to.

    Attributes:
        facts: for people.
        notes: what should not be overlooked.
        rejected: how many records cannot be used.
        first_rejected: the first of them.
        revision: the number of what was committed; None where nothing was.
        interrupted: it was stopped, and can go on.
    """

    facts: tuple[Fact, ...] = ()
    notes: tuple[Shown, ...] = ()
    rejected: int = 0
    first_rejected: tuple[RejectedRecord, ...] = ()
    revision: int | None = None
    interrupted: bool = False


class Work(Document):
    """One long work, as it is kept.

    Attributes:
        id: names it; 16 hex digits.
        name: for people.
        task: what is to be done.
        state: where it is.
        note: what it waits for, while it runs.
        error: why it failed.
        progress, report: how far it came the last time.
        created, queued, started, ended: when; ``queued`` gives the order.
    """

    id: str = Field(pattern=r"^[0-9a-f]{16}$")
    name: str
    task: Task
    state: WorkState = WorkState.WAITING
    note: str = ""
    error: str = ""
    progress: Progress | None = None
    report: Report | None = None
    created: datetime
    queued: datetime
    started: datetime | None = None
    ended: datetime | None = None


def now() -> datetime:
    """The time of documents."""
    return datetime.now(UTC)


class Order(Document):
    """What the process of a work is told, in one line of its standard input.

    Attributes:
        bank: its address.
        preset, device: as the studio was started with.
        folder: of the inputs.
        task: what is to be done.
    """

    bank: str
    preset: Preset
    device: str
    folder: str
    task: Task


class Progressed(Document):
    """The process is so far."""

    kind: Literal["progressed"] = "progressed"
    progress: Progress


class Noted(Document):
    """The process waits for something; an empty text says that it goes on."""

    kind: Literal["noted"] = "noted"
    text: Shown


class Ended(Document):
    """The process is through, or was stopped, which its report says."""

    kind: Literal["ended"] = "ended"
    report: Report


class Failed(Document):
    """The process met an error."""

    kind: Literal["failed"] = "failed"
    error: Shown


class Gone(Document):
    """The process is no more, and has not said why."""

    kind: Literal["gone"] = "gone"
    error: str


Told = Annotated[Progressed | Noted | Ended | Failed | Gone, Field(discriminator="kind")]
TOLD: TypeAdapter[Progressed | Noted | Ended | Failed | Gone] = TypeAdapter(Told)
"""Reads a line that a process tells."""
