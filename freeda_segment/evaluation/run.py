"""Label pictures and count, in this process or in several, going on where a journal ends."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass

from freeda_segment.errors import (
    EvaluationError,
    ImageError,
    OptionError,
    SegmentError,
    TruthUnreadableError,
)
from freeda_segment.evaluation.journal import Journal
from freeda_segment.evaluation.labelled import LabelledPictures
from freeda_segment.evaluation.labellers import Labeller, Recipe
from freeda_segment.evaluation.metrics import Counts

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class EvaluationProgress:
    """How far a run is.

    Attributes:
        done: pictures counted, those of earlier runs too.
        total: pictures wanted.
    """

    done: int
    total: int


@dataclass(frozen=True)
class SkippedPicture:
    """A picture that was not counted, because it or its truth cannot be read.

    Attributes:
        name: as the data set calls it.
        reason: the error's message, which names the file.
    """

    name: str
    reason: str


Report = Callable[[EvaluationProgress], None]
Skip = Callable[[SkippedPicture], None]

_UNREADABLE = (ImageError, TruthUnreadableError)


def run(
    pictures: LabelledPictures,
    method: Labeller | Recipe,
    journal: Journal,
    *,
    limit: int | None = None,
    processes: int = 1,
    progress: Report = lambda _: None,
    skip: Skip | None = None,
) -> Counts:
    """Label and count what the journal does not hold yet.

    Args:
        pictures: the data set.
        method: a labeller for this process, or a recipe where there are several.
        journal: open; each picture's counts are added as soon as they are known.
        limit: only the first so many pictures; all by default.
        processes: how many label at the same time; each loads the networks once.
        progress: called at the start and after each picture.
        skip: called with each picture that cannot be read, while the others are counted; without it the
            first one ends the run.

    Returns:
        The counts of all pictures wanted but those that were skipped.

    Raises:
        OptionError: ``limit`` or ``processes`` is below 1, or a labeller was given for several.
        EvaluationError: a process ended unexpectedly, or every picture was skipped.
        DatasetError: a truth does not fit its picture or the data set; others stay counted.
        ImageError, TruthUnreadableError: a picture or its truth cannot be read, and there is no ``skip``.
    """
    for name, number in (("limit", limit), ("processes", processes)):
        if number is not None and number < 1:
            raise OptionError(f"{name} is {number}; expected a whole number of at least 1.")
    names = list(pictures.pictures)[:limit]
    missing = [index for index, name in enumerate(names) if name not in journal.done]
    done = len(names) - len(missing)
    progress(EvaluationProgress(done, len(names)))
    last: SegmentError | None = None
    counted = _counted(pictures, method, missing, min(processes, max(1, len(missing))))
    for index, found in counted:
        if isinstance(found, Counts):
            journal.add(names[index], found)
        elif skip is None:
            raise found
        else:
            skip(SkippedPicture(names[index], str(found)))
            last = found
        done += 1
        progress(EvaluationProgress(done, len(names)))
    known = [journal.done[name] for name in names if name in journal.done]
    if names and not known:
        raise EvaluationError(f"none of {len(names):,} pictures could be read; the last: {last}")
    return sum(known, Counts.empty(len(pictures.classes)))


def count(pictures: LabelledPictures, labeller: Labeller, index: int) -> Counts:
    """The counts of one picture.

    Raises:
        ImageError, DatasetError: see :meth:`LabelledPictures.load`.
    """
    picture = pictures.load(index)
    return Counts.of(picture.truth, labeller(picture.image), len(pictures.classes))


def _try_count(pictures: LabelledPictures, labeller: Labeller, index: int) -> Counts | SegmentError:
    """The counts of one picture, or why it cannot be read."""
    try:
        return count(pictures, labeller, index)
    except _UNREADABLE as error:
        return error


def _counted(
    pictures: LabelledPictures, method: Labeller | Recipe, indices: Sequence[int], processes: int
) -> Iterator[tuple[int, Counts | SegmentError]]:
    if not indices:
        return
    if processes == 1:
        labeller = method if callable(method) else method.make()
        for index in indices:
            yield index, _try_count(pictures, labeller, index)
        return
    if callable(method):
        raise OptionError("several processes need a recipe, for each makes a labeller of its own.")
    with _pool(pictures, method, processes) as pool:
        yield from _as_done({pool.submit(_count_here, index): index for index in indices})


def _as_done(
    futures: dict[Future[Counts | SegmentError], int],
) -> Iterator[tuple[int, Counts | SegmentError]]:
    try:
        for future in as_completed(list(futures)):
            yield futures.pop(future), future.result()
    except BrokenProcessPool:
        raise EvaluationError(
            "a process ended unexpectedly, perhaps for want of memory; run the same command again to go "
            "on from here, with fewer --processes."
        ) from None


@contextmanager
def _pool(pictures: LabelledPictures, recipe: Recipe, processes: int) -> Iterator[ProcessPoolExecutor]:
    threads = max(1, (os.cpu_count() or 1) // processes)
    pool = ProcessPoolExecutor(
        processes,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_start,
        initargs=(pictures, recipe, threads),
    )
    logger.debug("%d processes of %d threads", processes, threads)
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


@dataclass
class _Here:
    """What a process of the pool works with."""

    pictures: LabelledPictures
    recipe: Recipe
    threads: int
    labeller: Labeller | None = None


_here: list[_Here] = []


def _start(pictures: LabelledPictures, recipe: Recipe, threads: int) -> None:
    """Set up a process: Ctrl-C is its parent's business, and it does not outlive its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _here.append(_Here(pictures, recipe, threads))


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _count_here(index: int) -> Counts | SegmentError:
    here = _here[0]
    if here.labeller is None:
        _set_threads(here.threads)
        here.labeller = here.recipe.make()
    return _try_count(here.pictures, here.labeller, index)


def _set_threads(threads: int) -> None:
    import torch

    torch.set_num_threads(threads)
