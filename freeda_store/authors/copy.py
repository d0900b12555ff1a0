"""Copies the authors' bank into one of ours: in batches, in one revision, resumed after a kill."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from freeda_store.authors.files import AuthorsBank, AuthorsRow
from freeda_store.ids import generation_key
from freeda_store.records import Caption, NewGeneration, NewPrototype, Origin, RevisionInfo, Scores
from freeda_store.writing.checks import FLOAT16_MAX

if TYPE_CHECKING:
    from freeda_store.bank import Bank

SOURCE = "freeda-authors"
URL = "https://github.com/aimagelab/freeda"
BATCH = 512
"""Prototypes that are looked up, read and written together."""
NAMED = 20
"""How many skipped prototypes a report names."""
_UNKNOWN = Scores(contrast=0.0, area=0.0, clip_agreement=0.0, outlier_distance=0.0)


@dataclass(frozen=True)
class AuthorsProgress:
    """How far an import is: files done, files in all, and prototypes written by this run."""

    files_done: int
    files_total: int
    written: int


@dataclass(frozen=True)
class AuthorsReport:
    """What an import did.

    Attributes:
        files: files of the folder.
        written: prototypes stored by this run.
        done_before: prototypes that the bank had already.
        skipped: prototypes that cannot be used.
        first_skipped: name and reason of the first of them.
        revision: what was committed; None when nothing was new.
    """

    files: int
    written: int
    done_before: int
    skipped: int
    first_skipped: tuple[tuple[str, str], ...]
    revision: RevisionInfo | None


def copy_authors_bank(
    bank: Bank,
    source: AuthorsBank,
    message: str,
    progress: Callable[[AuthorsProgress], None] | None = None,
) -> AuthorsReport:
    """Copy every usable prototype; a run that was killed goes on when it is started again.

    A prototype is known by its file's name and row, its noun is read from that name. It has no
    picture and no scores. Keys are brought to length 1, visual prototypes are kept as they are.
    Those with a value that is not finite, with only zeros, or too large for float16 are left out.

    Args:
        bank: opened with a manifest of the source's dimensions.
        source: what to copy.
        message: kept with the revision.
        progress: called after every batch.

    Raises:
        AuthorsBankError: a file cannot be read; what was written so far is kept for the next run.
        StorageError: the disk is full; run the same again.
    """
    written = done_before = skipped = 0
    first: list[tuple[str, str]] = []
    with bank.write(message, f"import {source.fingerprint}") as writer:
        for batch in _batches(source.rows()):
            keyed = {generation_key(_caption(row), 0): row for row in batch}
            missing = writer.missing(list(keyed))
            made = []
            for key, row in keyed.items():
                if key not in missing:
                    done_before += 1
                elif isinstance(read := _read(source, row), NewGeneration):
                    made.append(read)
                else:
                    skipped += 1
                    first.extend([(row.name, read)] if len(first) < NAMED else [])
            writer.add(made)
            written += len(made)
            if progress is not None:
                progress(AuthorsProgress(batch[-1].place + 1, len(source.files), written))
        revision = writer.commit()
    return AuthorsReport(len(source.files), written, done_before, skipped, tuple(first), revision)


def _batches(rows: Iterator[AuthorsRow]) -> Iterator[list[AuthorsRow]]:
    while batch := list(islice(rows, BATCH)):
        yield batch


def _caption(row: AuthorsRow) -> Caption:
    return Caption(row.noun, external_id=row.name, source=SOURCE, url=URL)


def _read(source: AuthorsBank, row: AuthorsRow) -> NewGeneration | str:
    """A prototype to store, or why it cannot be used."""
    visual, text = source.visual(row), source.text(row).astype(np.float64)
    for what, vector in (("prototype", visual), ("key", text)):
        if not np.isfinite(vector).all():
            return f"its {what} holds a value that is not finite"
        if not vector.any():
            return f"its {what} is zero"
    if np.abs(visual).max() > FLOAT16_MAX:
        return f"its prototype is larger than float16 holds ({FLOAT16_MAX:.0f})"
    prototype = NewPrototype(
        noun=row.noun,
        kind="noun",
        span=(0, len(row.noun)),
        text_key=(text / np.linalg.norm(text)).astype(np.float32),
        visual=visual.astype(np.float32),
        scores=_UNKNOWN,
        attribution_hw=None,
    )
    return NewGeneration(
        _caption(row), seed=0, image_hwc=None, prototypes=(prototype,), origin=Origin.IMPORTED
    )
