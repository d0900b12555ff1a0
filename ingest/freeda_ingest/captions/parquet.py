"""Captions of Parquet files, read a batch of rows at a time and without the columns that hold pictures."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from freeda_ingest.captions.fields import caption_field
from freeda_ingest.captions.provenance import captions_of_record
from freeda_ingest.captions.records import (
    BadRecordError,
    ReaderLimits,
    Reject,
    refuse_unstorable,
    show,
)
from freeda_ingest.errors import CaptionsError
from freeda_store.records import Caption, JsonValue

_ROWS = 512
_READ_BYTES = 1 << 20


def open_parquet(file: IO[bytes], asked: str, where: str) -> tuple[Any, str]:
    """A Parquet file and the column that holds its captions.

    Raises:
        CaptionsError: it cannot be read, or has no such column.
    """
    try:
        opened = pq.ParquetFile(file, buffer_size=_READ_BYTES)
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0]
        raise CaptionsError(f"{where} that cannot be read ({reason}); get it anew.") from None
    column = caption_field(opened.schema_arrow.names, asked, where)
    kind = opened.schema_arrow.field(column).type
    if not (_is_plain(kind) or _is_list(kind)):
        raise CaptionsError(
            f"{where} whose column '{column}' is {kind}, not text; name another with --field."
        )
    return opened, column


def read_parquet(opened: Any, column: str, source: str, limits: ReaderLimits) -> Iterator[Caption | Reject]:
    """Captions of the rows, in their order; a reject's ``line`` is its row, from 1.

    Text, numbers and truth values of other columns become provenance and extra fields; what is binary,
    nested or a date is not read.
    """
    names = [each.name for each in opened.schema_arrow if each.name == column or _is_plain(each.type)]
    row = 0
    try:
        for batch in opened.iter_batches(batch_size=_ROWS, columns=names):
            for cells in batch.to_pylist():
                row += 1
                try:
                    record = _record(cells)
                    yield from captions_of_record(record, column, source, limits)
                except BadRecordError as error:
                    yield Reject(row, str(error), show(repr(cells.get(column)).encode(errors="replace")))
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        yield Reject(0, f"broken Parquet ({str(error).splitlines()[0]}); {row:,} rows before were read", "")


def _record(cells: dict[str, Any]) -> dict[str, JsonValue]:
    """A row without what is null or no number.

    Raises:
        BadRecordError: it holds what no database can hold.
    """
    record: dict[str, JsonValue] = {
        name: value
        for name, value in cells.items()
        if value is not None and not (isinstance(value, float) and not math.isfinite(value))
    }
    try:
        refuse_unstorable(record)
    except TypeError:
        raise BadRecordError("holds what is neither text nor number") from None
    return record


def _is_plain(kind: pa.DataType) -> bool:
    inner = kind.value_type if pa.types.is_dictionary(kind) else kind
    return any(
        check(inner)
        for check in (
            pa.types.is_string,
            pa.types.is_large_string,
            pa.types.is_string_view,
            pa.types.is_integer,
            pa.types.is_floating,
            pa.types.is_boolean,
        )
    )


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind))
