"""What a job is given, and what becomes of each picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias


@dataclass(frozen=True)
class Task:
    """A picture to be segmented.

    Attributes:
        path: its file.
        stem: what its results are called, without the formats' endings; see
            :func:`freeda_segment.outputs.result_stems`.
    """

    path: Path
    stem: str


@dataclass(frozen=True, eq=False)
class Finished:
    """A picture whose results are there.

    Attributes:
        task: which one.
        report: of its results, see :func:`freeda_segment.outputs.report.report`.
        files: where each format is.
        skipped: whether they were there before, made in the same way.
        summary: the shares of its classes in words; empty where it was skipped.
        doubts: what a person should know of this picture alone: how it was read, or that most of it is a
            guess; nothing where it was skipped.
    """

    task: Task
    report: Mapping[str, Any]
    files: Mapping[str, Path]
    skipped: bool = False
    summary: str = ""
    doubts: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Failed:
    """A picture that could not be segmented, or whose results could not be written; the others go on."""

    task: Task
    error: Exception


Outcome: TypeAlias = Finished | Failed
