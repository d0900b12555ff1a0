"""COCO captions JSON (``captions_train2017.json``, nocaps): one object with ``images``, ``licenses`` and
``annotations``, each annotation ``{"image_id", "id", "caption"}``.

The file is walked, never loaded: what stays in memory is one address and one licence per image.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from freeda_ingest.captions.documents import read_elements
from freeda_ingest.captions.fields import CAPTION
from freeda_ingest.captions.json_scan import Element, UnfinishedJsonError, scan_elements
from freeda_ingest.captions.provenance import captions_of_record
from freeda_ingest.captions.records import (
    BadRecordError,
    BrokenFileError,
    ReaderLimits,
    Reject,
    clean_text,
    parse_object,
)
from freeda_store.records import Caption, JsonValue

ANNOTATIONS = "annotations"
DEFAULT_SOURCE = "coco"


@dataclass
class _Images:
    """What an annotation's image adds to its provenance, by image id."""

    url: dict[str, str] = field(default_factory=dict)
    license_id: dict[str, str] = field(default_factory=dict)
    license_name: dict[str, str] = field(default_factory=dict)


def read_coco(
    chunks: Callable[[], Iterator[bytes]],
    source: str,
    limits: ReaderLimits,
    caption: str = CAPTION,
) -> Iterator[Caption | Reject]:
    """Captions of a COCO file, in the file's order.

    Args:
        chunks: gives the file's bytes from the start; asked twice, since images may follow annotations.
        source: stands in for ``source``; ``coco`` when empty.
        limits: see :class:`ReaderLimits`; ``record_bytes`` bounds one annotation.
        caption: the field of an annotation that holds its caption.

    Yields:
        Captions with ``external_id`` the annotation's id, ``url`` and ``license`` those of its image,
        and ``image_id`` in ``extra``; or rejects, whose ``line`` is the place among the annotations.
    """
    try:
        images = _read_images(chunks(), limits)
    except BrokenFileError:
        images = _Images()  # the second walk comes to the same fault and reports it

    def parse(element: Element) -> list[Caption]:
        record = parse_object(element.raw)
        return [
            _with_image(each, images)
            for each in captions_of_record(record, caption, source or DEFAULT_SOURCE, limits)
        ]

    return read_elements(scan_elements(chunks(), {ANNOTATIONS}, limits.record_bytes), parse, limits)


def _with_image(caption: Caption, images: _Images) -> Caption:
    image_id = _id(caption.extra.get("image_id"))
    license_id = images.license_id.get(image_id, "")
    return replace(
        caption,
        url=caption.url or images.url.get(image_id, ""),
        license=caption.license or images.license_name.get(license_id, license_id),
    )


def _read_images(chunks: Iterator[bytes], limits: ReaderLimits) -> _Images:
    """Addresses and licences. In the usual order of a COCO file this stops before the annotations."""
    images = _Images()
    wanted = {"images", "licenses", ANNOTATIONS}
    try:
        for element in scan_elements(chunks, wanted, limits.record_bytes):
            if element.array == ANNOTATIONS:
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
