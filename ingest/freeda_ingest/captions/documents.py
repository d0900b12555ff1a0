"""Captions of JSON documents: an array of objects or texts, or an object that holds such an array.

These are LLaVA's conversations, Karpathy's splits (``images`` with ``sentences``), TextCaps' ``data`` and
what people write themselves. The file is walked, never loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from freeda_ingest.captions.fields import CAPTION, caption_field, is_caption_name, listed
from freeda_ingest.captions.json_scan import Element, UnfinishedJsonError, scan_elements
from freeda_ingest.captions.provenance import caption_of_text, captions_of_record
from freeda_ingest.captions.records import (
    BadRecordError,
    BrokenFileError,
    ReaderLimits,
    Reject,
    kind_of,
    parse_json,
    require_size,
    show,
)
from freeda_ingest.errors import CaptionsError
from freeda_store.records import Caption, JsonValue

TOP = ""
"""The name of an array that is the whole document."""


class CaptionArray(NamedTuple):
    """Where a document's captions are.

    Attributes:
        name: of the array, :data:`TOP` when it is the document.
        field: of its objects.
    """

    name: str
    field: str


def find_array(chunks: Iterable[bytes], asked: str, where: str, limits: ReaderLimits) -> CaptionArray | None:
    """The first array whose first element is a caption or holds one; None if the document is a caption.

    Raises:
        CaptionsError: there is none; the message says what there is.
    """
    names: dict[str, None] = {}
    seen: dict[str, list[str]] = {}
    try:
        for element in scan_elements(chunks, None, limits.record_bytes, names):
            if element.array in seen:
                continue
            first = _parsed(element)
            if isinstance(first, str) and element.array == TOP and not asked:
                return CaptionArray(TOP, CAPTION)
            seen[element.array] = list(first) if isinstance(first, dict) else []
            if isinstance(first, dict) and (field := _field_of(first, asked, where)):
                return CaptionArray(element.array, field)
    except UnfinishedJsonError:
        pass  # what is there says as much
    except BrokenFileError as error:
        raise CaptionsError(f"{where} cannot be read ({error}); get it anew.") from None
    if TOP in seen:
        return CaptionArray(TOP, caption_field(seen[TOP], asked, f"the first element of {where}"))
    if any(name == asked or is_caption_name(name) for name in names):
        return None
    raise CaptionsError(_nothing(where, asked, list(names), seen))


def _parsed(element: Element) -> JsonValue:
    try:
        return parse_json(element.raw)
    except BadRecordError:
        return None


def _field_of(first: Mapping[str, JsonValue], asked: str, where: str) -> str:
    try:
        field = caption_field(first, asked, where)
    except CaptionsError:
        return ""
    return field if asked or isinstance(first[field], str | list) else ""


def _nothing(where: str, asked: str, names: list[str], seen: Mapping[str, list[str]]) -> str:
    wanted = f"field '{asked}'" if asked else "field 'caption'"
    told = [f"in '{name}' {listed(fields)}" for name, fields in seen.items() if fields]
    inside = f" ({'; '.join(told)})" if told else ""
    return (
        f"{where} with {listed(names)}{inside} has no array of objects with a {wanted}; give a file of "
        "captions, or say with --field which field holds them."
    )


def read_document(
    chunks: Iterable[bytes], array: CaptionArray, source: str, limits: ReaderLimits
) -> Iterator[Caption | Reject]:
    """Captions of the array's elements, in their order; a reject's ``line`` is its place in the array."""

    def parse(element: Element) -> list[Caption]:
        record = parse_json(element.raw)
        if isinstance(record, str):
            return [caption_of_text(record, source, limits)]
        if not isinstance(record, dict):
            raise BadRecordError(f"{kind_of(record)}, not an object with a field '{array.field}'")
        return captions_of_record(record, array.field, source, limits)

    return read_elements(scan_elements(chunks, {array.name}, limits.record_bytes), parse, limits)


def read_elements(
    elements: Iterator[Element], parse: Callable[[Element], list[Caption]], limits: ReaderLimits
) -> Iterator[Caption | Reject]:
    """Captions of elements, or rejects; the last one says that the document was cut short, if it was."""
    found = 0
    try:
        for element in elements:
            found += 1
            try:
                require_size(element.size, limits.record_bytes)
                yield from parse(element)
            except BadRecordError as error:
                yield Reject(element.position, str(error), show(element.raw))
    except (UnfinishedJsonError, BrokenFileError) as error:
        yield Reject(0, f"{error}; everything before the end was read", "")
        return
    if found == 0:
        yield Reject(0, "a document without captions", "")
