"""What a captions file is, decided by its first bytes; the name's ending helps only to know a table."""

from __future__ import annotations

import json
import re
from enum import StrEnum
from pathlib import PurePath

from freeda_ingest.captions.fields import is_caption_name
from freeda_ingest.captions.records import BadRecordError, parse_object
from freeda_ingest.captions.tables import row_of
from freeda_ingest.errors import CaptionsError
from freeda_store.records import JsonValue

_JSON_START = re.compile(rb'\s*(?:\{|\[\s*(?:[\[{"\]]|\Z))')
_CUT_VALUE = re.compile(r"\s*(?:-?[\d.eE+-]*|t(?:ru?)?|f(?:a(?:ls?)?)?|n(?:ul?)?|\\?u?[0-9a-fA-F]{0,4})")
_COLUMN_NAME = re.compile(r"[\w.#-]{1,60}")
_LINES_LOOKED_AT = 20
_PACKED_ENDINGS = (".gz", ".zst", ".zstd")
_PARQUET = b"PAR1"


class CaptionFormat(StrEnum):
    """How a captions file is written."""

    JSON_LINES = "jsonl"
    JSON = "json"
    COCO = "coco"
    TEXT = "text"
    CSV = "csv"
    TSV = "tsv"
    PARQUET = "parquet"


TITLES = {
    CaptionFormat.JSON_LINES: "JSON Lines",
    CaptionFormat.JSON: "JSON",
    CaptionFormat.COCO: "COCO",
    CaptionFormat.TEXT: "plain text",
    CaptionFormat.CSV: "CSV",
    CaptionFormat.TSV: "TSV",
    CaptionFormat.PARQUET: "Parquet",
}
"""Formats as messages name them."""


def detect_format(head: bytes, *, name: str = "", field: str = "") -> CaptionFormat:
    """The format of a file that begins so.

    JSON Lines when a whole line is an object, JSON when it begins like a document; a table when the first
    row names a column of captions, when all lines have the same number of tabs, or when the file is called
    so; plain text otherwise. COCO is a JSON document, and told apart by its array of annotations.

    Args:
        head: the first bytes, in UTF-8, without a byte order mark.
        name: of the file.
        field: the column that is asked for.

    Raises:
        CaptionsError: it begins like JSON and is none.
    """
    if head.startswith(_PARQUET):
        return CaptionFormat.PARQUET
    if _JSON_START.match(head):
        return _kind_of_json(head, field, name)
    if any(object_or_none(line) is not None for line in head.lstrip().split(b"\n")[1:]):
        return CaptionFormat.JSON_LINES
    delimiter = table_delimiter(first_lines(head), name, field)
    if not delimiter:
        return CaptionFormat.TEXT
    return CaptionFormat.TSV if delimiter == "\t" else CaptionFormat.CSV


def object_or_none(line: bytes) -> dict[str, JsonValue] | None:
    """A line as a JSON object, None if it is none."""
    if not line.lstrip().startswith(b"{"):
        return None
    try:
        return parse_object(line)
    except BadRecordError:
        return None


def _kind_of_json(head: bytes, field: str, name: str) -> CaptionFormat:
    text = head.decode("utf-8", errors="replace").lstrip()
    lines = head.lstrip().split(b"\n")
    try:
        value, end = json.JSONDecoder().raw_decode(text)
    except RecursionError:
        fault = "nested too deeply"
    except ValueError as error:
        if _is_cut(error, text):
            return CaptionFormat.JSON
        fault = str(error)
    else:
        if text[end:].strip():
            return CaptionFormat.JSON_LINES
        alone = isinstance(value, dict) and _is_record(value, field)
        return CaptionFormat.JSON_LINES if alone else CaptionFormat.JSON
    if any(object_or_none(line) is not None for line in lines):
        return CaptionFormat.JSON_LINES
    raise CaptionsError(f"{name or 'the file'} begins like JSON, but is none ({fault}); correct it.")


def _is_record(value: dict[str, JsonValue], field: str) -> bool:
    """Whether an object is one caption rather than a document of many."""
    named = any(name == field or is_caption_name(name) for name in value)
    return named or not any(isinstance(inner, list) for inner in value.values())


def _is_cut(error: ValueError, text: str) -> bool:
    """Whether all is well up to the end of the bytes at hand."""
    return isinstance(error, json.JSONDecodeError) and bool(
        error.msg.startswith("Unterminated string") or _CUT_VALUE.fullmatch(text[error.pos :])
    )


def first_lines(head: bytes) -> list[str]:
    """The first lines that say anything; the last, which may be cut, only if it is the only one."""
    lines = head.decode("utf-8", errors="replace").splitlines()
    whole = lines[:-1] if len(lines) > 1 and not head.endswith((b"\n", b"\r")) else lines
    return [line for line in whole if line.strip()][:_LINES_LOOKED_AT]


def table_delimiter(lines: list[str], name: str, field: str) -> str:
    """What is between the columns of a table, or nothing if the lines are none."""
    if not lines:
        return ""
    path = PurePath(name)
    ending = (path.with_suffix("") if path.suffix.lower() in _PACKED_ENDINGS else path).suffix.lower()
    if ending == ".tsv":
        return "\t"
    if ending == ".csv":
        return max(",;\t|", key=lines[0].count)
    for delimiter in "\t|;,":
        if _is_header(lines[0], delimiter, field):
            return delimiter
    counts = {line.count("\t") for line in lines}
    return "\t" if len(lines) > 1 and len(counts) == 1 and counts != {0} else ""


def _is_header(line: str, delimiter: str, field: str) -> bool:
    """Whether a line names columns, one of them captions; between commas a sentence has spaces."""
    names = row_of(line, delimiter)
    if len(names) < 2 or (delimiter == "," and " " in line.strip()):
        return False
    words = all(not name or _COLUMN_NAME.fullmatch(name) for name in names)
    return words and any(name == field or is_caption_name(name) for name in names)
