"""COCO captions JSON (``captions_train2017.json``): one object with ``images``, ``licenses`` and
``annotations``, each annotation ``{"image_id", "id", "caption"}``.

The file is walked, never loaded: what stays in memory is one address and one licence per image.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import BinaryIO

from freeda_ingest.caption_records import (
    BadRecordError,
    ReaderLimits,
    Reject,
    caption_from_json,
    clean_text,
    parse_object,
    show,
)
from freeda_ingest.json_scan import Element, UnfinishedJsonError, scan_elements
from freeda_store.records import Caption, JsonValue

_CHUNK = 1 << 20
DEFAULT_SOURCE = "coco"


@dataclass
class _Images:
    """What an annotation's image adds to its provenance, by image id."""

    url: dict[str, str] = field(default_factory=dict)
    license_id: dict[str, str] = field(default_factory=dict)
    license_name: dict[str, str] = field(default_factory=dict)


def read_coco(stream: BinaryIO, source: str, limits: ReaderLimits) -> Iterator[Caption | Reject]:
    """Captions of a COCO file, in the file's order.

    Args:
        stream: the file, at its start; it must be seekable, since images may follow annotations.
        source: stands in for ``source``; ``coco`` when empty.
        limits: see :class:`ReaderLimits`; ``record_bytes`` bounds one annotation.

    Yields:
        Captions with ``external_id`` the annotation's id, ``url`` and ``license`` those of its image,
        and ``image_id`` in ``extra``; or rejects, whose ``line`` is the place among the annotations.
    """
    images = _read_images(stream, limits)
    stream.seek(0)
    found = 0
    try:
        for element in scan_elements(_chunks(stream), {"annotations"}, limits.record_bytes):
            found += 1
            try:
                yield _caption(element, images, source or DEFAULT_SOURCE, limits)
            except BadRecordError as error:
                yield Reject(element.position, str(error), show(element.raw))
    except UnfinishedJsonError as error:
        yield Reject(0, f"{error}; everything before the end was read", "")
        return
    if found == 0:
        yield Reject(0, "a COCO file without annotations", "")


def _caption(element: Element, images: _Images, source: str, limits: ReaderLimits) -> Caption:
    if element.size > limits.record_bytes:
        raise BadRecordError(f"{element.size:,} bytes, over the limit of {limits.record_bytes:,}")
    caption = caption_from_json(element.raw, source, limits)
    image_id = _id(caption.extra.get("image_id"))
    license_id = images.license_id.get(image_id, "")
    return replace(
        caption,
        url=caption.url or images.url.get(image_id, ""),
        license=caption.license or images.license_name.get(license_id, license_id),
    )


def _read_images(stream: BinaryIO, limits: ReaderLimits) -> _Images:
    """Addresses and licences. In the usual order of a COCO file this stops before the annotations."""
    images = _Images()
    wanted = {"images", "licenses", "annotations"}
    try:
        for element in scan_elements(_chunks(stream), wanted, limits.record_bytes):
            if element.array == "annotations":
                if images.url and images.license_name:
                    break
                continue
            _note(images, element, limits)
    except UnfinishedJsonError:
        return images  # read_coco comes to the same end and reports it
    return images


def _note(images: _Images, element: Element, limits: ReaderLimits) -> None:
    """An image or licence that cannot be read leaves its captions without address or licence."""
    if element.size > limits.record_bytes:
        return
    try:
        record = parse_object(element.raw)
    except BadRecordError:
        return
    own_id = _id(record.get("id"))
    if element.array == "licenses":
        images.license_name[own_id] = _text(record.get("name"))
    else:
        images.url[own_id] = _text(record.get("coco_url")) or _text(record.get("flickr_url"))
        images.license_id[own_id] = _id(record.get("license"))


def _id(value: JsonValue) -> str:
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""


def _text(value: JsonValue) -> str:
    return clean_text(value) if isinstance(value, str) else ""


def _chunks(stream: BinaryIO) -> Iterator[bytes]:
    while chunk := stream.read(_CHUNK):
        yield chunk
