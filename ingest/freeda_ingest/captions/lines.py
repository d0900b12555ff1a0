"""Captions of files with one record a line: JSON Lines and plain text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from freeda_ingest.captions.provenance import caption_of_text, captions_of_record
from freeda_ingest.captions.records import (
    BadRecordError,
    BlankLines,
    BrokenFileError,
    ReaderLimits,
    Reject,
    decode,
    parse_object,
    require_size,
    show,
)
from freeda_store.records import Caption

_REMEMBERED_LINES, _REMEMBERED_BYTES = 1000, 100


def read_json_lines(
    chunks: Iterable[bytes], field: str, source: str, limits: ReaderLimits
) -> Iterator[Caption | Reject | BlankLines]:
    """Captions of JSON Lines, each line an object; ``field`` holds them."""
    return _read(chunks, lambda line: captions_of_record(parse_object(line), field, source, limits), limits)


def read_text(
    chunks: Iterable[bytes], source: str, limits: ReaderLimits
) -> Iterator[Caption | Reject | BlankLines]:
    """Captions of plain text, one a line."""
    return _read(chunks, lambda line: [caption_of_text(decode(line), source, limits)], limits)


def _read(
    chunks: Iterable[bytes], parse: Callable[[bytes], list[Caption]], limits: ReaderLimits
) -> Iterator[Caption | Reject | BlankLines]:
    blank = number = 0
    known: dict[bytes, tuple[str, str]] = {}  # what was wrong with lines that may come again
    try:
        for number, (line, size) in enumerate(split_lines(chunks, limits.record_bytes), start=1):
            if not line or line.isspace():
                blank += 1
                continue
            if line in known:
                yield Reject(number, *known[line])
                continue
            try:
                require_size(size, limits.record_bytes)
                yield from parse(line)
            except BadRecordError as error:
                reject = Reject(number, str(error), show(line))
                if size <= _REMEMBERED_BYTES and len(known) < _REMEMBERED_LINES:
                    known[line] = reject.reason, reject.text
                yield reject
    except BrokenFileError as error:
        yield Reject(0, f"{error}; {number:,} lines before that were read", "")
    if blank:
        yield BlankLines(blank)


def split_lines(chunks: Iterable[bytes], limit: int) -> Iterator[tuple[bytes, int]]:
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
