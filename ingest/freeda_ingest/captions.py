"""Reads captions from JSON Lines, plain text lines or COCO captions JSON, one at a time.

The format is decided by content, for each file by itself. Nothing is lost silently: every
record becomes a :class:`Caption` or a :class:`Reject`, and blank lines are counted.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Iterable, Iterator
from enum import StrEnum
from itertools import chain
from pathlib import Path
from typing import BinaryIO, Protocol, cast

from freeda_ingest.caption_records import (
    DEFAULT_LIMITS,
    BadRecordError,
    BlankLines,
    ReaderLimits,
    Reject,
    caption_from_json,
    caption_from_text,
    decode,
    parse_object,
    show,
)
from freeda_ingest.coco import read_coco
from freeda_ingest.errors import CaptionsError
from freeda_store.files.regular_files import open_regular
from freeda_store.records import Caption, JsonValue

__all__ = [
    "STDIN",
    "BlankLines",
    "CaptionFormat",
    "ReaderLimits",
    "Reject",
    "detect_format",
    "estimate_captions",
    "read_captions",
]

STDIN = "-"
_BOM = b"\xef\xbb\xbf"
_HEAD_BYTES = 1 << 16
_REMEMBERED_LINES, _REMEMBERED_BYTES = 1000, 100
_COCO_START = re.compile(
    rb'\s*\{\s*"(?:info|licenses|images|annotations|categories|type)"\s*:\s*[\[{"]', re.DOTALL
)

_JSON_START = re.compile(rb'\s*(?:\{|\[\s*(?:[\[{"\]]|\Z))')


class _ByteStream(Protocol):
    def read(self, size: int, /) -> bytes:
        """At most ``size`` bytes; none at the end."""


class CaptionFormat(StrEnum):
    """How a captions file is written."""

    JSON_LINES = "jsonl"
    TEXT = "text"
    COCO = "coco"


def read_captions(
    path: str | Path, *, source: str = "", limits: ReaderLimits = DEFAULT_LIMITS
) -> Iterator[Caption | Reject | BlankLines]:
    """Captions of a file, in its order; at its end how many lines were blank, if any.

    Args:
        path: a file, or ``-`` for standard input.
        source: provenance for captions whose record names none.
        limits: longest record and caption.

    Raises:
        CaptionsError: at once, when the file is missing, a folder or not readable.
    """
    stream = open_captions(path)
    return _read(stream, source, limits, live=str(path) == STDIN)


def open_captions(path: str | Path) -> BinaryIO:
    """The bytes of a captions file, or of standard input for ``-``.

    Raises:
        CaptionsError: see :func:`read_captions`.
    """
    if str(path) == STDIN:
        return sys.stdin.buffer
    file = Path(path)
    try:
        return file.open("rb") if is_descriptor(file) else open_regular(file)
    except FileNotFoundError:
        raise CaptionsError(
            f"captions file {file} does not exist; give the path of a file, or '-'."
        ) from None
    except IsADirectoryError:
        raise CaptionsError(f"{file} is a folder; give the path of one captions file in it.") from None
    except OSError as error:
        raise CaptionsError(
            f"captions file {file} cannot be read ({error.strerror}); give the path of a file, or '-'."
        ) from error


def is_descriptor(path: Path) -> bool:
    """Whether a path names what this process has open already, as ``<(command)`` of a shell does."""
    return str(path).startswith(("/dev/fd/", "/dev/stdin", "/proc/self/fd/"))


def estimate_captions(path: str | Path) -> int | None:
    """How many records a file seems to hold, for a progress bar; None for what is no plain file.

    Counts line ends, or the word ``"caption"`` in a COCO file, without parsing.
    """
    if str(path) == STDIN or not Path(path).is_file():
        return None
    with open_captions(path) as stream:
        head = stream.read(_HEAD_BYTES)
        mark = b'"caption"' if detect_format(head) is CaptionFormat.COCO else b"\n"
        count, last = head.count(mark), head
        for chunk in iter(lambda: stream.read(1 << 20), b""):
            count, last = count + chunk.count(mark), chunk
        return count + (mark == b"\n" and bool(last) and not last.endswith(b"\n"))


def detect_format(head: bytes) -> CaptionFormat:
    """The format of a file that begins so.

    COCO when its outermost object begins with one of COCO's own fields; JSON Lines when it begins
    like JSON or any whole line is an object; plain text otherwise.
    """
    head = head.removeprefix(_BOM)
    first, *others = head.lstrip().split(b"\n")
    opening = _object_or_none(first)
    if _COCO_START.match(head) and (opening is None or "caption" not in opening):
        return CaptionFormat.COCO
    if _JSON_START.match(head) or any(_object_or_none(line) is not None for line in others):
        return CaptionFormat.JSON_LINES
    return CaptionFormat.TEXT


def _object_or_none(line: bytes) -> dict[str, JsonValue] | None:
    if not line.lstrip().startswith(b"{"):
        return None
    try:
        return parse_object(line)
    except BadRecordError:
        return None


def _read(
    stream: BinaryIO, source: str, limits: ReaderLimits, *, live: bool
) -> Iterator[Caption | Reject | BlankLines]:
    try:
        head = _head(stream)
        chunks = chain([head], _chunks(stream))
        match detect_format(head):
            case CaptionFormat.COCO if live or not stream.seekable():
                with tempfile.TemporaryFile() as copy:
                    copy.writelines(chunks)
                    copy.seek(0)
                    yield from read_coco(cast("BinaryIO", copy), source, limits)
            case CaptionFormat.COCO:
                stream.seek(0)
                yield from read_coco(stream, source, limits)
            case CaptionFormat.JSON_LINES:
                yield from _read_lines(chunks, source, limits, as_json=True)
            case CaptionFormat.TEXT:
                yield from _read_lines(chunks, source, limits, as_json=False)
    finally:
        if not live:
            stream.close()


def _head(stream: BinaryIO) -> bytes:
    """The first bytes: at least one whole line, where there is one, but never much more than asked
    for, so that a live pipe is read as it comes."""
    head = b""
    while len(head) < _HEAD_BYTES and b"\n" not in head.lstrip():
        piece = _read_some(stream, _HEAD_BYTES)
        if not piece:
            break
        head += piece
    return head


def _chunks(stream: BinaryIO) -> Iterator[bytes]:
    while piece := _read_some(stream, _HEAD_BYTES):
        yield piece


def _read_some(stream: BinaryIO, size: int) -> bytes:
    """What is there already, waiting only when nothing is."""
    read: object = getattr(stream, "read1", stream.read)
    assert callable(read)
    return cast("bytes", read(size))


def _read_lines(
    chunks: Iterable[bytes], source: str, limits: ReaderLimits, *, as_json: bool
) -> Iterator[Caption | Reject | BlankLines]:
    blank = 0
    known: dict[bytes, tuple[str, str]] = {}  # what was wrong with lines that may come again
    for number, (raw, size) in enumerate(_split_lines(chunks, limits.record_bytes), start=1):
        line = raw.removeprefix(_BOM) if number == 1 else raw
        if not line or line.isspace():
            blank += 1
            continue
        if line in known:
            yield Reject(number, *known[line])
            continue
        try:
            if size > limits.record_bytes:
                raise BadRecordError(f"{size:,} bytes, over the limit of {limits.record_bytes:,}")
            if as_json:
                yield caption_from_json(line, source, limits)
            else:
                yield caption_from_text(decode(line), source, limits)
        except BadRecordError as error:
            reject = Reject(number, str(error), show(line))
            if size <= _REMEMBERED_BYTES and len(known) < _REMEMBERED_LINES:
                known[line] = reject.reason, reject.text
            yield reject
    if blank:
        yield BlankLines(blank)


def _split_lines(chunks: Iterable[bytes], limit: int) -> Iterator[tuple[bytes, int]]:
    """Lines without their end, cut at ``limit`` bytes, and their full length."""
    kept, size, pending = bytearray(), 0, False
    for chunk in chunks:
        start = 0
        while (end := chunk.find(b"\n", start)) >= 0:
            kept += chunk[start : min(end, start + limit - len(kept))]
            size += end - start
            yield bytes(kept), size
            kept.clear()
            size, start, pending = 0, end + 1, False
        if start < len(chunk):
            kept += chunk[start : start + limit - len(kept)]
            size += len(chunk) - start
            pending = True
    if pending:
        yield bytes(kept), size
