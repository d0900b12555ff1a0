"""All prototypes that a view shows as one table, for spreadsheets and data tools."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from freeda_store.errors import TableFormatError
from freeda_store.fields import FIELDS, Field, Holds
from freeda_store.files.own_files import PARQUET_METADATA, is_ours, require_free
from freeda_store.files.whole_files import written_whole
from freeda_store.records import PrototypeInfo
from freeda_store.vectors.filters import Filter

if TYPE_CHECKING:
    from freeda_store.bank import Bank

_BATCH_ROWS = 2000


@dataclass(frozen=True)
class _Column:
    """A column: its Arrow type by name, and its value of a prototype."""

    type: str
    value: Callable[[PrototypeInfo], Any]


_TYPES = {
    Holds.TEXT: "string",
    Holds.THUMBNAIL: "string",
    Holds.INTEGER: "int64",
    Holds.SCORE: "double",
    Holds.SPAN: "int64",
}


def _columns() -> dict[str, _Column]:
    columns = {
        "id": _Column("string", lambda info: str(info.id)),
        "revision": _Column("int64", attrgetter("revision")),
    }
    for field in FIELDS:
        for place, cell in enumerate(field.cells):
            columns[cell] = _Column(_TYPES[field.holds], partial(_cell, field, place))
    return columns


def _cell(field: Field, place: int, info: PrototypeInfo) -> Any:
    """A value of a field; None, which is an empty cell, for a score of a mask where there was none."""
    if field.holds is Holds.SPAN:
        return info.span[place]
    if field.holds is not Holds.SCORE:
        return getattr(info, field.name)
    return float(field.value(info)) if info.scores.known or not field.lasting else None


COLUMNS: Mapping[str, _Column] = _columns()
"""The columns of an exported table, in their order."""


def export_table(
    bank: Bank,
    path: Path,
    where: Filter = Filter(),  # noqa: B008 - frozen
    *,
    force: bool = False,
) -> int:
    """Write all prototypes that a view shows and a filter lets through, in the order of their ids.

    One row per prototype: id, number of the revision that added it, noun, kind, caption with its
    provenance, span, seed, scores (those of a mask empty where there was none), and the keys of its
    thumbnails. Memory does not grow with the bank. The file appears when it is whole; an earlier
    table of this name is replaced.

    Args:
        bank: what to read.
        path: ends in ``.parquet`` or ``.csv``, which picks the format.
        where: which prototypes to write.
        force: replace also a file that is no such table.

    Returns:
        How many rows were written.

    Raises:
        TableFormatError: the name ends otherwise.
        OverwriteError: a file that is no such table, or no regular file, is there.
        StorageError: the file cannot be written.
    """
    write = FORMATS[check_table_path(path, force=force)]
    with written_whole(path) as partial:
        return write(partial, bank.infos(where))


def check_table_path(path: Path, *, force: bool = False) -> str:
    """The format that a file's name asks for, one of :data:`FORMATS`, where it may be written.

    Raises:
        TableFormatError: none of them.
        OverwriteError: see :func:`export_table`.
    """
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        raise TableFormatError(f"{path} names no kind of table; let it end in {' or '.join(FORMATS)}.")
    require_free([path], force=force, ours=_is_table)
    return suffix


def _is_table(path: Path) -> bool:
    """Whether a file is a table of ours; a CSV has no place for a mark, so its header decides."""
    if is_ours(path):
        return True
    try:
        with path.open("rb") as file:
            return file.readline(2**16).rstrip() == ",".join(COLUMNS).encode()
    except OSError:
        return False


def _write_parquet(path: Path, infos: Iterable[PrototypeInfo]) -> int:
    import pyarrow as pa
    from pyarrow import parquet

    schema = pa.schema(
        [(name, pa.type_for_alias(column.type)) for name, column in COLUMNS.items()], PARQUET_METADATA
    )
    rows = 0
    with parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        for batch in _batches(infos):
            values = [[column.value(info) for info in batch] for column in COLUMNS.values()]
            arrays = [pa.array(each, field.type) for each, field in zip(values, schema, strict=True)]
            writer.write_batch(pa.record_batch(arrays, schema=schema))
            rows += len(batch)
    return rows


def _write_csv(path: Path, infos: Iterable[PrototypeInfo]) -> int:
    rows = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for info in infos:
            writer.writerow([column.value(info) for column in COLUMNS.values()])
            rows += 1
    return rows


def _batches(infos: Iterable[PrototypeInfo]) -> Iterator[Sequence[PrototypeInfo]]:
    rest = iter(infos)
    while batch := list(islice(rest, _BATCH_ROWS)):
        yield batch


FORMATS: Mapping[str, Callable[[Path, Iterable[PrototypeInfo]], int]] = {
    ".parquet": _write_parquet,
    ".csv": _write_csv,
}
"""Writers by the suffix of a file's name."""
