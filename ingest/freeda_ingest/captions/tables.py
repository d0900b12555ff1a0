"""Captions of tables in text: CSV and TSV, with a header or with columns by number."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from freeda_ingest.captions.fields import caption_field
from freeda_ingest.captions.lines import split_lines
from freeda_ingest.captions.provenance import captions_of_record
from freeda_ingest.captions.records import (
    SHOWN_CHARS,
    BadRecordError,
    BlankLines,
    BrokenFileError,
    ReaderLimits,
    Reject,
    decode,
    refuse_unstorable,
    require_size,
    show,
)
from freeda_ingest.errors import CaptionsError
from freeda_store.records import Caption, JsonValue


@dataclass(frozen=True)
class TableLayout:
    """How a table is written.

    Attributes:
        delimiter: between columns.
        columns: their names, from the header; ``column 1`` and so on without one.
        caption: the name of the one that holds the captions.
        header: whether the first row names the columns.
    """

    delimiter: str
    columns: tuple[str, ...]
    caption: str
    header: bool


@dataclass
class _Lines:
    """Lines for :func:`csv.reader`; what no reader should see is set aside as rejects."""

    chunks: Iterable[bytes]
    limit: int
    number: int = 0
    last: str = ""
    rejects: deque[Reject] = field(default_factory=deque)

    def __iter__(self) -> Iterator[str]:
        for raw, size in split_lines(self.chunks, self.limit):
            self.number += 1
            try:
                require_size(size, self.limit)
                self.last = decode(raw)
            except BadRecordError as error:
                self.rejects.append(Reject(self.number, str(error), show(raw)))
                continue
            yield self.last + "\n"

    def take_rejects(self) -> Iterator[Reject]:
        """Those since the last time."""
        while self.rejects:
            yield self.rejects.popleft()


def row_of(line: str, delimiter: str) -> list[str]:
    """The cells of one line, trimmed."""
    try:
        return [cell.strip() for cell in next(_rows([line], delimiter), [])]
    except csv.Error:
        return []


def _rows(lines: Iterable[str], delimiter: str) -> Iterator[list[str]]:
    """Rows of cells. Between tabs a quotation mark is a character, unless it is at both ends of a cell."""
    if delimiter != "\t":
        return csv.reader(lines, delimiter=delimiter)
    rows = csv.reader(lines, delimiter=delimiter, quoting=csv.QUOTE_NONE)
    return map(_unquoted, rows)  # which goes on after an error, as a generator would not


def _unquoted(row: list[str]) -> list[str]:
    return [_without_quotes(cell) for cell in row]


def _without_quotes(cell: str) -> str:
    quoted = len(cell) > 1 and cell.startswith('"') and cell.endswith('"')
    return cell[1:-1].replace('""', '"') if quoted else cell


def table_layout(lines: list[str], delimiter: str, field: str, where: str) -> TableLayout:
    """The columns of a table whose first lines these are.

    Args:
        lines: at least the first.
        delimiter: between columns.
        field: the column of captions by name, by number (then there is no header), or empty.
        where: the file and what it is, for messages.

    Raises:
        CaptionsError: there is no such column, or none that is named as captions are.
    """
    cells = row_of(lines[0], delimiter) if lines else []
    if field.isascii() and field.isdigit() and field not in cells:
        if not 1 <= int(field[:9]) <= len(cells):
            raise CaptionsError(
                f"{where} has {len(cells)} columns, not {field}; give --field a number up to that."
            )
        columns = tuple(f"column {number}" for number in range(1, len(cells) + 1))
        return TableLayout(delimiter, columns, columns[int(field) - 1], header=False)
    names = tuple(cell or f"column {number}" for number, cell in enumerate(cells, start=1))
    hint = ", or its number if that row is no header"
    return TableLayout(delimiter, names, caption_field(names, field, where, hint), header=True)


def read_table(
    chunks: Iterable[bytes], layout: TableLayout, source: str, limits: ReaderLimits
) -> Iterator[Caption | Reject | BlankLines]:
    """Captions of a table's rows, in its order; other columns become provenance and extra fields.

    In CSV a quoted cell may hold line ends; a reject's ``line`` is the last line of its row.
    """
    lines = _Lines(chunks, limits.record_bytes)
    rows = _rows(iter(lines), layout.delimiter)
    header, blank = layout.header, 0
    try:
        while (cells := _next_row(rows, lines)) is not None:
            yield from lines.take_rejects()
            if not any(cell and not cell.isspace() for cell in cells):
                blank += 1
            elif header:
                header = False
            else:
                yield from _captions(cells, lines, layout, source, limits)
        yield from lines.take_rejects()
    except BrokenFileError as error:
        yield Reject(0, f"{error}; {lines.number:,} lines before that were read", "")
    if blank:
        yield BlankLines(blank)


def _next_row(rows: Iterator[list[str]], lines: _Lines) -> list[str] | None:
    """The next row that is one, None at the end."""
    while True:
        try:
            return next(rows, None)
        except csv.Error as error:
            lines.rejects.append(Reject(lines.number, f"no row ({error})", lines.last[:SHOWN_CHARS]))


def _captions(
    cells: list[str], lines: _Lines, layout: TableLayout, source: str, limits: ReaderLimits
) -> Iterator[Caption | Reject]:
    try:
        yield from captions_of_record(_record(cells, layout), layout.caption, source, limits)
    except BadRecordError as error:
        yield Reject(lines.number, str(error), show(layout.delimiter.join(cells).encode()))


def _record(cells: list[str], layout: TableLayout) -> dict[str, JsonValue]:
    """A row by column names; empty cells say nothing.

    Raises:
        BadRecordError: it has more or fewer cells than there are columns, or what no database can hold.
    """
    if len(cells) != len(layout.columns):
        raise BadRecordError(f"{len(cells)} columns, not {len(layout.columns)} as the first row has")
    record: dict[str, JsonValue] = {
        name: cell.strip()
        for name, cell in zip(layout.columns, cells, strict=True)
        if cell or name == layout.caption
    }
    if any("\x00" in cell for cell in cells):
        refuse_unstorable(record)
    return record
