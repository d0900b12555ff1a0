"""What is counted already, picture by picture, so that a run that was cut short goes on.

A journal is a file of JSON lines. Its name carries the hash of everything that shapes the counts, so
another setting starts another journal. Each line is written whole and flushed to the disk; a last
line that a kill cut off is dropped, and so at most the pictures in hand are lost.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Annotated, Any, Self

import numpy as np
from pydantic import Field, TypeAdapter

from freeda_segment.errors import OutputError
from freeda_segment.evaluation.boundaries import BoundaryCounts
from freeda_segment.evaluation.metrics import Confusion, Counts
from freeda_store.closeable import Closeable

JOURNAL_FORMAT = 2
_BEGIN = b'{"picture":'
_Count = Annotated[int, Field(ge=0, lt=2**53, strict=True)]
_CELLS = TypeAdapter(list[tuple[_Count, _Count, _Count]])
"""The cells of a picture's confusion that are not 0: row, column and pixels."""
_BORDERS = TypeAdapter(list[tuple[_Count, _Count, _Count, _Count]])
"""The classes that have pixels along borders: index, hits, true and predicted pixels."""


def settings_key(values: Mapping[str, Any]) -> str:
    """A hash of JSON values, whatever the order of their names: 16 hex digits."""
    text = json.dumps(values, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode(errors="backslashreplace")).hexdigest()[:16]


@dataclass
class Journal(Closeable):
    """Counts of the pictures that are done, kept in a file; use as a context manager.

    Attributes:
        path: the file; its folder is made when there is none.
        classes: how many classes are counted.
        done: the counts of each picture that was done, by its name.
    """

    path: Path
    classes: int
    done: dict[str, Counts] = field(default_factory=dict)
    _file: IO[bytes] | None = None

    @classmethod
    def open(cls, folder: Path, name: str, values: Mapping[str, Any], classes: int) -> Self:
        """Open the journal of these settings, or start one.

        Args:
            folder: where journals are kept.
            name: first part of the file's name.
            values: everything that shapes the counts, as JSON values.
            classes: how many classes are counted.

        Raises:
            OutputError: it cannot be read or written.
        """
        key = settings_key({"format": JOURNAL_FORMAT, **values})
        journal = cls(folder / f"{name}.{key}.journal.jsonl", classes)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            journal._require_own()
            whole = journal._read()
            journal._file = journal.path.open("ab")
            if journal.path.stat().st_size > whole:
                os.truncate(journal.path, whole)
        except OSError as error:
            reason = error.strerror or str(error)
            raise OutputError(f"{journal.path} cannot be used ({reason}); choose another --out.") from error
        return journal

    def add(self, picture: str, counts: Counts) -> None:
        """Keep the counts of a picture; they are on the disk when this returns.

        Raises:
            OutputError: they cannot be written.
        """
        if self._file is None:
            raise OutputError(f"{self.path} is closed; open it again to add to it.")
        entry = {"picture": picture, "counts": _cells(counts.confusion), "borders": _borders(counts.boundary)}
        line = json.dumps(entry, ensure_ascii=False, separators=(",", ":"))
        try:
            self._file.write(line.encode(errors="backslashreplace") + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            reason = error.strerror or str(error)
            raise OutputError(f"{self.path} cannot be written ({reason}); make room and go on.") from error
        self.done[picture] = counts

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _require_own(self) -> None:
        """Refuse a file that is no journal, which would be cut off where it begins.

        Raises:
            OutputError: it is something else.
        """
        if not self.path.exists():
            return
        begin = b""
        if self.path.is_file():
            with self.path.open("rb") as file:
                begin = file.read(len(_BEGIN))
        if not self.path.is_file() or not _BEGIN.startswith(begin):
            raise OutputError(f"{self.path} is no journal of freeda; move it away, or choose another --out.")

    def _read(self) -> int:
        """Take in the whole lines; returns how many bytes they fill."""
        if not self.path.exists():
            return 0
        whole = 0
        with self.path.open("rb") as file:
            for line in file:
                entry = self._entry(line) if line.endswith(b"\n") else None
                if entry is None:
                    break
                self.done.setdefault(*entry)
                whole += len(line)
        return whole

    def _entry(self, line: bytes) -> tuple[str, Counts] | None:
        """A line's picture and counts; None where it is no such line."""
        try:
            document = json.loads(line)
            counts = Counts.empty(self.classes)
            for true, predicted, pixels in _CELLS.validate_python(document["counts"]):
                counts.confusion.counts[true, predicted] = pixels
            boundary = counts.boundary
            for index, *pixels_of in _BORDERS.validate_python(document["borders"]):
                boundary.hits[index], boundary.true[index], boundary.predicted[index] = pixels_of
            return str(document["picture"]), counts
        except (ValueError, KeyError, TypeError, IndexError, RecursionError):
            return None


def _cells(confusion: Confusion) -> list[list[int]]:
    rows, columns = np.nonzero(confusion.counts)
    pixels = confusion.counts[rows, columns]
    return [[int(each) for each in cell] for cell in zip(rows, columns, pixels, strict=True)]


def _borders(boundary: BoundaryCounts) -> list[list[int]]:
    (present,) = np.nonzero(boundary.true + boundary.predicted)
    pixels = (boundary.hits[present], boundary.true[present], boundary.predicted[present])
    return [[int(each) for each in row] for row in zip(present, *pixels, strict=True)]
