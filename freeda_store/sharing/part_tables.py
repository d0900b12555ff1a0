"""The Parquet tables of a shared bank: their schemas, and reading them without trusting them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from io import BytesIO
from itertools import pairwise
from typing import Any
from uuid import UUID

from freeda_store.errors import ArchiveError, BankDamagedError
from freeda_store.fields import Holder, Holds, defaults, fields_of
from freeda_store.sharing.layout import GENERATIONS, PROTOTYPES, RETIREMENTS, THUMBNAILS

_TEXT, _NUMBER = "string", "double"
_BATCH_ROWS = 256
_BATCH_BYTES = 2**28
"""What a batch may take: in a dictionary one value of a file's size can stand for every row."""
_SLACK_BYTES = 2**20

_TYPES = {
    Holds.TEXT: _TEXT,
    Holds.THUMBNAIL: _TEXT,
    Holds.INTEGER: "int64",
    Holds.SCORE: _NUMBER,
    Holds.SPAN: "int32",
}


def _cells(holder: Holder) -> dict[str, str]:
    return {cell: _TYPES[field.holds] for field in fields_of(holder) for cell in field.cells}


SCHEMAS: Mapping[str, Mapping[str, str]] = {
    GENERATIONS: {
        "key": _TEXT,
        **_cells(Holder.CAPTION),
        "extra": _TEXT,
        **_cells(Holder.GENERATION),
        "notes": "texts",
        "complete": "bool",
    },
    PROTOTYPES: {"id": _TEXT, "generation": _TEXT, **_cells(Holder.PROTOTYPE)},
    THUMBNAILS: {"key": _TEXT, "data": "binary"},
    RETIREMENTS: {"prototype": _TEXT},
}
"""Columns of each file, in their order; ``texts`` is a list of strings. No value is null."""


LATER: Mapping[str, Mapping[str, str | int]] = {
    GENERATIONS: defaults(Holder.GENERATION),
    PROTOTYPES: defaults(Holder.PROTOTYPE),
    THUMBNAILS: {},
    RETIREMENTS: {},
}
"""Columns that a file has only where a row holds something else, so that all other files are as they were."""


def _schema(file: str, without: Collection[str] = ()) -> Any:
    import pyarrow as pa

    texts = pa.list_(pa.field("item", pa.string(), nullable=False))
    types = {
        name: texts if kind == "texts" else pa.type_for_alias(kind)
        for name, kind in SCHEMAS[file].items()
        if name not in without
    }
    return pa.schema([pa.field(name, type_, nullable=False) for name, type_ in types.items()])


def write_table(file: str, rows: Iterable[Mapping[str, Any]]) -> bytes:
    """A file of :data:`SCHEMAS` with these rows.

    Raises:
        BankDamagedError: a value does not fit its column.
    """
    import pyarrow as pa
    from pyarrow import parquet

    buffer, told = BytesIO(), list(rows)
    without = [name for name, usual in LATER[file].items() if all(row[name] == usual for row in told)]
    try:
        table = pa.Table.from_pylist(told, schema=_schema(file, without))
    except (pa.ArrowException, OverflowError, UnicodeEncodeError) as error:
        raise BankDamagedError(
            f"the bank holds a value that does not fit into {file} ({str(error)[:80]}); restore it "
            "from a copy."
        ) from error
    parquet.write_table(table, buffer, compression="none", use_dictionary=False)
    return buffer.getvalue()


def read_table(file: str, data: bytes) -> Iterator[dict[str, Any]]:
    """The rows of a file of :data:`SCHEMAS`.

    Raises:
        ArchiveError: it is no such file, or would hold more than its size.
    """
    import pyarrow as pa
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(pa.BufferReader(data)) as opened:
            limit = 2 * len(data) + _SLACK_BYTES
            _check_metadata(file, opened, limit)
            taken = 0
            rows = max(1, min(_BATCH_ROWS, _BATCH_BYTES // max(1, len(data))))
            for batch in opened.iter_batches(batch_size=rows, use_threads=False):
                taken += batch.nbytes
                if taken > limit:
                    raise ArchiveError(f"{file} would grow beyond its size")
                if any(column.null_count for column in batch.columns):
                    raise ArchiveError(f"{file} leaves a value out")
                yield from (dict(LATER[file]) | row for row in batch.to_pylist())
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise ArchiveError(f"{file} cannot be read ({str(error)[:120]})") from error


def _check_metadata(file: str, opened: Any, limit: int) -> None:
    """Refuse other columns than those of the schema, and more than ``limit`` bytes or so many rows.

    What a file says of itself may be wrong; who reads it counts again. Codecs and encodings are not
    asked for, since pyarrow ends the process on unknown ones.
    """
    without = LATER[file].keys() - opened.schema_arrow.names
    if not opened.schema_arrow.equals(_schema(file, without), check_metadata=False):
        raise ArchiveError(f"{file} has other columns than {', '.join(SCHEMAS[file])}")
    metadata = opened.metadata
    told = sum(metadata.row_group(group).total_byte_size for group in range(metadata.num_row_groups))
    if told > limit or metadata.num_rows > limit:
        raise ArchiveError(f"{file} would grow beyond its size")


def encode_retirements(ids: Iterable[UUID]) -> bytes:
    """The file of what a revision retired."""
    return write_table(RETIREMENTS, ({"prototype": str(id_)} for id_ in ids))


def decode_retirements(data: bytes, name: str) -> Sequence[UUID]:
    """What a revision retired, in rising order.

    Raises:
        ArchiveError: it is no such file.
    """
    try:
        ids = [UUID(row["prototype"]) for row in read_table(RETIREMENTS, data)]
    except (ArchiveError, ValueError) as error:
        raise ArchiveError(f"{name} is not valid ({error}); get a sound copy.") from error
    if any(later <= earlier for earlier, later in pairwise(ids)):
        raise ArchiveError(f"{name} is not valid (it is not in order); get a sound copy.")
    return ids
