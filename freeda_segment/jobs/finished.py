"""Which pictures of a job need no work: their results are there, made in the same way."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from freeda_segment.classes import ClassList
from freeda_segment.errors import ImageError
from freeda_segment.images import picture_hash
from freeda_segment.jobs.outcome import Finished, Task
from freeda_segment.outputs.formats import output_paths
from freeda_segment.outputs.result import DEFAULT_OPACITY
from freeda_segment.outputs.resume import REPORT, find_done, made_of

if TYPE_CHECKING:
    from freeda_segment.result import Provenance


def find_finished(
    tasks: Sequence[Task],
    folder: Path,
    formats: Sequence[str],
    classes: ClassList,
    provenance: Callable[[], Provenance | None],
    *,
    opacity: float = DEFAULT_OPACITY,
    label_offset: int = 0,
) -> dict[Task, Finished]:
    """The tasks whose results are up to date. No network is needed to know.

    Args:
        tasks: of the job.
        folder: where results go.
        formats: that are wanted.
        classes: that are looked for.
        provenance: called only where there are reports: what results would say of where they come from, or
            None where that is not known yet.
        opacity: of overlays.
        label_offset: of label maps.
    """
    reported = [task for task in tasks if output_paths(folder, task.stem, [REPORT])[REPORT].is_file()]
    known = provenance() if reported else None
    if known is None:
        return {}

    def look(task: Task) -> Finished | None:
        try:
            sha256 = picture_hash(task.path)
            made = made_of(sha256, classes.classes, known, opacity=opacity, label_offset=label_offset)
        except ImageError:  # whoever segments the picture will say so
            return None
        report = find_done(folder, task.stem, made, formats)
        files = output_paths(folder, task.stem, dict.fromkeys([*formats, REPORT]))
        return None if report is None else Finished(task, report, files, skipped=True)

    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:  # hashing lets go of the interpreter
        found = pool.map(look, reported)
        return {each.task: each for each in found if each is not None}
