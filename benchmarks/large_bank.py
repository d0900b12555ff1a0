"""Large banks for readers: rows, files and the index of one revision, written at once and without an engine.

A bank so made can be read, not written to. Its vectors are simulated: visual ones lie around 8 poses of each
of 1,000 things, text keys are those of 2,000 nouns.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from uuid import UUID

import numpy as np

from benchmarks.synthetic import SIZES, SPREAD, around, manifest, unit_rows
from freeda_models.protocols import FloatArray
from freeda_store import Bank
from freeda_store.address import DATABASE_NAME
from freeda_store.revisions.copies import RevisionFiles
from freeda_store.revisions.file import ID, write_file
from freeda_store.revisions.layout import FOLDER, PART_PROTOTYPES, Part

_NOUNS, _THINGS, _POSES = 2000, 1000, 8
_NOISES = 20_000
"""Noise is a sum of two of so many rows: random numbers would take most of the time."""
_PER_CAPTION = 4
_WHEN = "2026-01-01T00:00:00+00:00"


def fill_for_readers(folder: Path, count: int) -> FloatArray:
    """Write a bank of so many prototypes; returns regions near some of them, float32 (500, D_visual)."""
    rng = np.random.default_rng(count)
    Bank.open(folder, create=manifest()).close()
    ids = np.sort(np.frombuffer(rng.bytes(16 * count), dtype=ID))
    nouns = rng.integers(0, _NOUNS, count)
    poses = around(rng, np.repeat(unit_rows(rng, _THINGS, SIZES.visual), _POSES, axis=0))
    keys, noises = unit_rows(rng, _NOUNS, SIZES.text), unit_rows(rng, _NOISES, SIZES.visual)
    for number, start in enumerate(range(0, count, PART_PROTOTYPES)):
        rows = slice(start, min(start + PART_PROTOTYPES, count))
        size = rows.stop - rows.start
        first, second, pose = (rng.integers(0, most, size) for most in (_NOISES, _NOISES, len(poses)))
        visuals = poses[pose] + np.float32(SPREAD / 2**0.5) * (noises[first] - noises[second])
        listed = [UUID(bytes=each.ljust(16, b"\0")) for each in ids[rows].tolist()]
        none = np.zeros((size, 0), dtype=np.float32)
        write_file(folder / FOLDER / Part(1, number).name, listed, keys[nouns[rows]], 30 * visuals, none)
    with closing(sqlite3.connect(folder / DATABASE_NAME)) as database, database:
        _fill_rows(database, [each.ljust(16, b"\0").hex() for each in ids.tolist()], nouns.tolist())
    with Bank.read(folder) as bank:
        started = time.process_time()
        RevisionFiles(folder).tidy(bank._stores.catalog, bank.manifest.sizes)
        print(f"indexing {count:,} prototypes took {time.process_time() - started:.0f} s")
    return around(rng, poses[rng.integers(0, len(poses), 500)])


def _fill_rows(database: sqlite3.Connection, ids: list[str], nouns: list[int]) -> None:
    captions = range(len(ids) // _PER_CAPTION + 1)
    told = (1, 1, "large", "large", _WHEN, _WHEN, len(ids), 0)
    _insert(database, "revision", _REVISION, iter([told]))
    _insert(
        database,
        "caption",
        _CAPTION,
        ((f"{n:032x}", f"caption {n}", str(n), "random", "", "", "{}") for n in captions),
    )
    _insert(
        database, "generation", _GENERATION,
        ((n + 1, f"{n:032x}", 1, f"{n:032x}", "generated", n, "", "[]", True) for n in captions),
    )  # fmt: skip
    _insert(
        database, "prototype", _PROTOTYPE,
        (
            (id_, row // _PER_CAPTION + 1, 1, f"noun {noun}", "noun", 0, 4, 1.5, 0.2, 0.8, 0.1, "")
            for row, (id_, noun) in enumerate(zip(ids, nouns, strict=True))
        ),
    )  # fmt: skip


_REVISION = "id number run_key message created_at committed_at prototypes_added prototypes_retired"
_CAPTION = "id text external_id source license url extra"
_GENERATION = "id key revision_id caption_id origin seed picture_key notes complete"
_PROTOTYPE = (
    "id generation_id revision_id noun kind span_start span_stop contrast area clip_agreement "
    "outlier_distance attribution_key"
)


def _insert(
    database: sqlite3.Connection, table: str, columns: str, rows: Iterator[tuple[object, ...]]
) -> None:
    names = columns.split()
    marks = ", ".join("?" * len(names))
    database.executemany(f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks})", rows)
