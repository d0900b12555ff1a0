"""One record of a captions file, from bytes to a :class:`Caption`, or the reason why it is none.

Every format hands its records to :func:`caption_from_json` or :func:`caption_from_text`, so that
the rules are the same in all of them.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import NoReturn

from freeda_store.records import Caption, JsonValue

_OWN_FIELDS = frozenset({"caption", "id", "source", "license", "url"})
_BLANKS = re.compile(r"[\x00-\x1f\x7f-\x9f\s]+")
_SHOWN_CHARS = 1000
_MAX_DEPTH = 64


@dataclass(frozen=True)
class ReaderLimits:
    """What is still accepted as a caption.

    Attributes:
        record_bytes: longest line, or element of a COCO file.
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
        line: its line, counted from 1; in a COCO file its place among the annotations, and 0 for
            the file as a whole.
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


def clean_text(text: str) -> str:
    """Runs of blanks, line ends and control characters become one space; ends are trimmed."""
    return _BLANKS.sub(" ", text).strip()


def show(raw: bytes) -> str:
    """Bytes as text that can always be printed and written."""
    text = raw[: 4 * _SHOWN_CHARS].decode("utf-8", errors="backslashreplace")
    return text if len(text) <= _SHOWN_CHARS else text[:_SHOWN_CHARS] + "…"


def decode(raw: bytes) -> str:
    """Bytes as UTF-8.

    Raises:
        BadRecordError: they are not.
    """
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadRecordError(f"not UTF-8 (byte {error.start + 1} is 0x{raw[error.start]:02x})") from error


def caption_from_text(text: str, source: str, limits: ReaderLimits) -> Caption:
    """A plain line as a caption."""
    return Caption(text=_checked_caption(text, limits), source=source)


def caption_from_json(raw: bytes, source: str, limits: ReaderLimits) -> Caption:
    """An object ``{"caption": ..., "id": ..., "source": ..., "license": ..., "url": ...}``.

    Only ``caption`` must be there. Other fields are kept as ``extra``. ``source`` stands in when the
    object has none.

    Raises:
        BadRecordError: it is not JSON, not an object, or a field is missing or of a wrong type.
    """
    record = parse_object(raw)
    if "caption" not in record:
        raise BadRecordError("no field 'caption'")
    caption = record["caption"]
    if not isinstance(caption, str):
        raise BadRecordError(f"field 'caption' is {_kind(caption)}, not text")
    return Caption(
        text=_checked_caption(caption, limits),
        external_id=_label(record, "id"),
        source=_label(record, "source") or source,
        license=_label(record, "license"),
        url=_label(record, "url"),
        extra={name: value for name, value in record.items() if name not in _OWN_FIELDS},
    )


def checked_own(caption: Caption, place: int) -> Caption | Reject:
    """A caption of a Python caller's, or a reject when no database can hold it; ``place`` counts from 1."""
    reason = "" if caption.text.strip() else "empty caption"
    try:
        labels: list[JsonValue] = [caption.external_id, caption.source, caption.license, caption.url]
        _refuse_unstorable({"caption": caption.text, "labels": labels, "extra": dict(caption.extra)})
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
    text = decode(raw)
    try:
        record = json.loads(text, parse_constant=_refuse_constant, parse_float=_finite)
    except RecursionError:
        raise BadRecordError("not JSON that can be read: nested too deeply") from None
    except BadRecordError:
        raise
    except ValueError as error:
        reason = error.msg if isinstance(error, json.JSONDecodeError) else "a number with too many digits"
        raise BadRecordError(f"not JSON ({reason})") from None
    if not isinstance(record, dict):
        raise BadRecordError(f"{_kind(record)}, not an object with a field 'caption'")
    if text.count("{") + text.count("[") > _MAX_DEPTH and _depth(record) > _MAX_DEPTH:
        raise BadRecordError(f"nested more than {_MAX_DEPTH} levels deep")
    if "\\u" in text:
        _refuse_unstorable(record)
    return record


def _checked_caption(text: str, limits: ReaderLimits) -> str:
    cleaned = clean_text(text)
    if not cleaned:
        raise BadRecordError("empty caption")
    if len(cleaned) > limits.caption_chars:
        raise BadRecordError(
            f"caption of {len(cleaned):,} characters, over the limit of {limits.caption_chars:,}"
        )
    return cleaned


def _label(record: dict[str, JsonValue], name: str) -> str:
    """A provenance field as text; numbers are welcome, since ids and licences often are."""
    value = record.get(name)
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise BadRecordError(f"field '{name}' is {_kind(value)}, not text or a number")
    return clean_text(str(value))


def _kind(value: JsonValue) -> str:
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


def _refuse_unstorable(record: dict[str, JsonValue]) -> None:
    r"""``\ud800`` alone is no character, and ``\u0000`` fits no SQL text."""
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
