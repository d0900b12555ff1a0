"""One record of a captions file: what is accepted, what is rejected and why."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import NoReturn

from freeda_store.records import Caption, JsonValue

_BLANKS = re.compile(r"[\x00-\x1f\x7f-\x9f\s]+")
SHOWN_CHARS = 1000
_MAX_DEPTH = 64


@dataclass(frozen=True)
class ReaderLimits:
    """What is still accepted as a caption.

    Attributes:
        record_bytes: longest line, or element of a JSON document.
        caption_chars: longest caption. Text encoders read far less (77 tokens for CLIP); this limit
            only keeps books and broken files out.
    """

    record_bytes: int = 1 << 20
    caption_chars: int = 4096


DEFAULT_LIMITS = ReaderLimits()


@dataclass(frozen=True)
class Reject:
    """A record that is no caption.

    Attributes:
        line: its line, counted from 1; in a JSON document its place in the array of captions, in a Parquet
            file its row, and 0 for the file as a whole.
        reason: why, in a few words.
        text: the record as read, bytes that are not UTF-8 as ``\\xNN``, cut at 1,000 characters.
    """

    line: int
    reason: str
    text: str


@dataclass(frozen=True)
class BlankLines:
    """Lines with nothing in them, which are skipped; reported once, after the last record of a file."""

    count: int


class BadRecordError(ValueError):
    """Carries the reason of a :class:`Reject`."""


def require_size(size: int, limit: int) -> None:
    """Refuse a record of more bytes than the limit.

    Raises:
        BadRecordError: it has more.
    """
    if size > limit:
        raise BadRecordError(f"{size:,} bytes, over the limit of {limit:,}")


class BrokenFileError(ValueError):
    """The bytes of a file cannot be read further: what is packed ends too soon, or is no such data."""


def clean_text(text: str) -> str:
    """Runs of blanks, line ends and control characters become one space; ends are trimmed."""
    return _BLANKS.sub(" ", text).strip()


def show(raw: bytes) -> str:
    """Bytes as text that can always be printed and written."""
    text = raw[: 4 * SHOWN_CHARS].decode("utf-8", errors="backslashreplace")
    return text if len(text) <= SHOWN_CHARS else text[:SHOWN_CHARS] + "…"


def decode(raw: bytes) -> str:
    """Bytes as UTF-8.

    Raises:
        BadRecordError: they are not.
    """
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadRecordError(f"not UTF-8 (byte {error.start + 1} is 0x{raw[error.start]:02x})") from error


def checked_own(caption: Caption, place: int) -> Caption | Reject:
    """A caption of a Python caller's, or a reject when no database can hold it; ``place`` counts from 1."""
    reason = "" if caption.text.strip() else "empty caption"
    try:
        labels: list[JsonValue] = [caption.external_id, caption.source, caption.license, caption.url]
        refuse_unstorable({"caption": caption.text, "labels": labels, "extra": dict(caption.extra)})
    except BadRecordError as error:
        reason = reason or str(error)
    except (TypeError, ValueError):
        reason = reason or "extra is no JSON"
    if not reason:
        return caption
    return Reject(place, reason, show(caption.text.encode("utf-8", errors="backslashreplace")))


def parse_object(raw: bytes) -> dict[str, JsonValue]:
    """Bytes as one JSON object that any database can hold (finite numbers, whole Unicode, no NUL).

    Raises:
        BadRecordError: they are anything else.
    """
    record = parse_json(raw)
    if not isinstance(record, dict):
        raise BadRecordError(f"{kind_of(record)}, not an object with a field 'caption'")
    return record


def parse_json(raw: bytes) -> JsonValue:
    """Bytes as JSON that any database can hold; see :func:`parse_object`."""
    text = decode(raw)
    try:
        record: JsonValue = json.loads(text, parse_constant=_refuse_constant, parse_float=_finite)
    except RecursionError:
        raise BadRecordError("not JSON that can be read: nested too deeply") from None
    except BadRecordError:
        raise
    except ValueError as error:
        reason = error.msg if isinstance(error, json.JSONDecodeError) else "a number with too many digits"
        raise BadRecordError(f"not JSON ({reason})") from None
    if text.count("{") + text.count("[") > _MAX_DEPTH and _depth(record) > _MAX_DEPTH:
        raise BadRecordError(f"nested more than {_MAX_DEPTH} levels deep")
    if "\\u" in text:
        refuse_unstorable(record)
    return record


def kind_of(value: JsonValue) -> str:
    """What a value is, in words for a message."""
    names: dict[type, str] = {
        bool: "true or false",
        int: "a number",
        float: "a number",
        str: "a text",
        list: "a list",
        dict: "an object",
    }
    return names.get(type(value), "null")


def _refuse_constant(name: str) -> NoReturn:
    raise BadRecordError(f"not JSON ({name} is no JSON number)")


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise BadRecordError("a number too large to hold")
    return value


def refuse_unstorable(record: JsonValue) -> None:
    r"""Refuse what no database can hold: ``\ud800`` alone is no character, ``\u0000`` fits no SQL text.

    Raises:
        BadRecordError: the record has either, anywhere.
    """
    text = json.dumps(record, ensure_ascii=False)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise BadRecordError("half of a surrogate pair, which is no Unicode text") from None
    if "\\u0000" in text.replace("\\\\", ""):
        raise BadRecordError("a NUL character")


def _depth(record: JsonValue) -> int:
    """Levels of nesting, without recursion."""
    depth, level = 0, [record]
    while level:
        depth += 1
        inner = [value for value in level if isinstance(value, list | dict)]
        level = [item for value in inner for item in (value.values() if isinstance(value, dict) else value)]
    return depth
