"""What others call: a captions file of any kind, opened and looked at, then read one caption at a time.

Nothing is lost silently: every record becomes a caption or a reject, and blank lines are counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typing_extensions import override

from freeda_ingest.captions.coco import ANNOTATIONS, read_coco
from freeda_ingest.captions.detection import (
    TITLES,
    CaptionFormat,
    detect_format,
    first_lines,
    object_or_none,
    table_delimiter,
)
from freeda_ingest.captions.documents import CaptionArray, find_array, read_document
from freeda_ingest.captions.fields import CAPTION, caption_field
from freeda_ingest.captions.lines import read_json_lines, read_text
from freeda_ingest.captions.parquet import open_parquet, read_parquet
from freeda_ingest.captions.records import DEFAULT_LIMITS, BlankLines, BrokenFileError, ReaderLimits, Reject
from freeda_ingest.captions.refusals import refuse_foreign
from freeda_ingest.captions.sources import CaptionSource, open_source
from freeda_ingest.captions.tables import TableLayout, read_table, table_layout
from freeda_ingest.errors import CaptionsError
from freeda_store.closeable import Closeable
from freeda_store.records import Caption

Record = Caption | Reject | BlankLines


@dataclass(frozen=True)
class Layout:
    """What a file was found to be.

    Attributes:
        format: how it is written.
        field: where its captions are, empty for plain text.
        array: of a JSON document, the one with the captions.
        table: of CSV and TSV.
    """

    format: CaptionFormat
    field: str = ""
    array: CaptionArray | None = None
    table: TableLayout | None = None


def read_captions(
    path: str | Path,
    *,
    source: str = "",
    field: str = "",
    format: CaptionFormat | None = None,
    limits: ReaderLimits = DEFAULT_LIMITS,
) -> Iterator[Record]:
    """Captions of a file, in its order; at its end how many lines were blank, if any.

    Args:
        path: a file, a Hugging Face ``imagefolder``, or ``-`` for standard input.
        source: provenance for captions whose record names none.
        field: the field or column that holds the captions; by default it is found by its name. A number
            is a column of a table without a header.
        format: how the file is written; by default it is found by its content.
        limits: longest record and caption.

    Raises:
        CaptionsError: at once, when the file is missing or not readable, when it holds no captions, or
            when it does not say which of its fields they are in.
    """
    return open_captions(path, field=field, format=format, limits=limits).records(source)


def open_captions(
    path: str | Path,
    *,
    field: str = "",
    format: CaptionFormat | None = None,
    limits: ReaderLimits = DEFAULT_LIMITS,
) -> CaptionReader:
    """Open a captions file and find out what it is.

    Raises:
        CaptionsError: see :func:`read_captions`.
    """
    source = open_source(path)
    try:
        return CaptionReader(source, field, format, limits)
    except BaseException:
        source.close()
        raise


class CaptionReader(Closeable):
    """An open captions file; made by :func:`open_captions`.

    Attributes:
        layout: what it was found to be.
    """

    def __init__(
        self, source: CaptionSource, field: str, asked: CaptionFormat | None, limits: ReaderLimits
    ) -> None:
        self._source, self._limits = source, limits
        self._parquet: Any = None
        self.layout = self._look(field, asked)

    def records(self, source: str = "") -> Iterator[Record]:
        """All records, once; the file is closed after them."""
        try:
            yield from self._records(source)
        finally:
            self.close()

    def estimate(self) -> int | None:
        """How many captions the file seems to hold, for a progress bar; None for what comes live.

        Rows of Parquet are known; of other files line ends are counted, or the name of the captions' field.
        """
        if self._parquet is not None:
            return int(self._parquet.metadata.num_rows)
        if self._source.live:
            return None
        mark = self._mark()
        count, last = 0, b""
        try:
            for chunk in self._source.chunks():
                count, last = count + chunk.count(mark), chunk
        except BrokenFileError:
            return count
        return count + (mark == b"\n" and bool(last) and not last.endswith(b"\n"))

    @override
    def close(self) -> None:
        self._source.close()

    def _mark(self) -> bytes:
        if self.layout.format not in (CaptionFormat.COCO, CaptionFormat.JSON):
            return b"\n"
        inner = {"sentences": "raw", "conversations": "conversations"}
        return f'"{inner.get(self.layout.field, self.layout.field)}"'.encode()

    def _records(self, source: str) -> Iterator[Record]:
        layout, limits = self.layout, self._limits
        if self._parquet is not None:
            return read_parquet(self._parquet, layout.field, source, limits)
        if layout.table is not None:
            return read_table(self._source.chunks(), layout.table, source, limits)
        if layout.format is CaptionFormat.COCO:
            return read_coco(self._source.chunks, source, limits, layout.field)
        if layout.array is not None:
            return read_document(self._source.chunks(), layout.array, source, limits)
        if layout.format is CaptionFormat.JSON_LINES:
            return read_json_lines(self._source.chunks(), layout.field, source, limits)
        return read_text(self._source.chunks(), source, limits)

    def _look(self, field: str, asked: CaptionFormat | None) -> Layout:
        head, name = self._source.head, self._source.name
        if not head.startswith(b"PAR1"):
            refuse_foreign(head, name)
        kind = CaptionFormat(asked) if asked else detect_format(head, name=name, field=field)
        where = f"{name} ({TITLES[kind]})"
        match kind:
            case CaptionFormat.PARQUET:
                self._parquet, column = open_parquet(self._source.file(), field, where)
                return Layout(kind, column)
            case CaptionFormat.JSON | CaptionFormat.COCO:
                return self._document(field, where, kind)
            case CaptionFormat.JSON_LINES:
                return Layout(kind, self._line_field(field, where))
            case CaptionFormat.CSV | CaptionFormat.TSV:
                lines = first_lines(head)
                delimiter = table_delimiter(lines, name, field) or ","
                table = table_layout(lines, "\t" if kind is CaptionFormat.TSV else delimiter, field, where)
                return Layout(kind, table.caption, table=table)
        if field:
            raise CaptionsError(
                f"{where} has no fields, and '{field}' was asked for; say what it is with --format, or leave "
                "--field out."
            )
        return Layout(kind)

    def _document(self, field: str, where: str, kind: CaptionFormat) -> Layout:
        self._source.keep()
        array = find_array(self._source.chunks(), field, where, self._limits)
        if array is None:
            return Layout(CaptionFormat.JSON_LINES, field or CAPTION)
        if array.name == ANNOTATIONS:
            return Layout(CaptionFormat.COCO, array.field, array)
        if kind is CaptionFormat.COCO:
            raise CaptionsError(
                f"{where} has no annotations with captions; leave --format out, or give json."
            )
        return Layout(CaptionFormat.JSON, array.field, array)

    def _line_field(self, field: str, where: str) -> str:
        objects = [object_or_none(line) for line in self._source.head.split(b"\n")]
        names = [name for each in objects if each for name in each]
        return caption_field(names, field, where) if names else field or CAPTION
