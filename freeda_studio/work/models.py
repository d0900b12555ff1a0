"""What the API takes and gives of long work."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, Self

from fastapi import UploadFile
from pydantic import BaseModel, Field

from freeda_studio.errors import RequestError
from freeda_studio.models import Asked
from freeda_studio.work.documents import ENDED, Progress, Report, Task, Work, WorkState
from freeda_studio.work.inputs import CaptionsWanted, ConceptsWanted, LearningWanted, Wanted, WorkWanted
from freeda_studio.work.uploads import Upload

_MOST_SEED = 2**63 - 1


class WorkAsked(Asked):
    """A form: what is to be done, and the files for it.

    - ``captions``: ``files`` is one captions file, of which ``limit`` captions are drawn.
    - ``concepts``: ``names`` holds them, a line each or between commas; ``images`` of each are drawn.
    - ``learning``: ``files`` are pictures, or a ZIP file of them, with their labels; ``labels`` are these
      where they are apart.
    """

    kind: Literal["captions", "concepts", "learning"]
    files: list[UploadFile] = Field(default_factory=list)
    labels: list[UploadFile] = Field(default_factory=list)
    names: str = Field("", max_length=20_000)
    images: int = Field(20, ge=1, le=100_000)
    limit: int | None = Field(None, ge=1, le=2**53)
    seed: int = Field(0, ge=0, le=_MOST_SEED)
    by: str | None = Field(None, max_length=200)
    message: str = Field("", max_length=1000)

    def wanted(self) -> WorkWanted:
        """What is asked for.

        Raises:
            RequestError: it does not fit together.
        """
        common = Wanted(message=_one_line(self.message), seed=self.seed, limit=self.limit)
        files, labels = _uploads(self.files), _uploads(self.labels)
        if self.kind == "concepts":
            if files or labels:
                raise RequestError("concepts are drawn from their names; send no files.")
            names = [name.strip() for name in self.names.replace(",", "\n").splitlines()]
            return ConceptsWanted(tuple(name for name in names if name), self.images, common)
        if self.kind == "captions":
            if labels:
                raise RequestError("captions have no labels; send one captions file.")
            return CaptionsWanted(files, common)
        return LearningWanted(files, labels, _one_line(self.by or "") or None, common)


class ProgressModel(BaseModel):
    """How far work is, in numbers and in words."""

    done: int
    total: int | None
    per_second: float | None
    seconds_left: float | None
    stopping: bool
    told: str

    @classmethod
    def of(cls, progress: Progress) -> Self:
        """As the API gives it."""
        return cls(
            done=progress.done,
            total=progress.total,
            per_second=progress.per_second,
            seconds_left=progress.seconds_left,
            stopping=progress.stopping,
            told=told(progress),
        )


class WorkModel(BaseModel):
    """One long work; ``told`` says in a few words where it is."""

    id: str
    name: str
    state: WorkState
    told: str
    ended_for_now: Annotated[bool, Field(description="Nothing happens until somebody asks for it.")]
    task: Task
    note: str
    error: str
    progress: ProgressModel | None
    report: Report | None
    created: datetime
    started: datetime | None
    ended: datetime | None

    @classmethod
    def of(cls, work: Work) -> Self:
        """As the API gives it."""
        return cls(
            id=work.id,
            name=work.name,
            state=work.state,
            told=_state_told(work),
            ended_for_now=work.state in ENDED,
            task=work.task,
            note=work.note,
            error=work.error,
            progress=None if work.progress is None else ProgressModel.of(work.progress),
            report=work.report,
            created=work.created,
            started=work.started,
            ended=work.ended,
        )


def told(progress: Progress) -> str:
    """``40 of 240, 5.2 a second, 38 s left``."""
    parts = [
        f"{progress.done:,}" if progress.total is None else f"{progress.done:,} of {progress.total:,}",
    ]
    speed, left = progress.per_second, progress.seconds_left
    if speed:
        parts.append(f"{speed:.1f} a second" if speed >= 1 else f"{_duration(1 / speed)} each")
    if left:
        parts.append(f"{_duration(left)} left")
    return ", ".join(parts)


def _state_told(work: Work) -> str:
    if work.state is WorkState.RUNNING and work.progress is None:
        return work.note or "loading models"
    if work.state is WorkState.STOPPING:
        return "finishing the batch in hand"
    return work.note or work.state.value


def _duration(seconds: float) -> str:
    """``0.4 s``, ``38 s``, ``3 min``, ``2 h 07 min``."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min"


def _uploads(files: list[UploadFile]) -> list[Upload]:
    """Files that were chosen: an empty field of a form sends one without a name."""
    return [Upload(each.filename, each.file) for each in files if each.filename]


def _one_line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
