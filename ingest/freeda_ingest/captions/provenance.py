"""From a record to captions with their provenance. Every format hands its records to
:func:`captions_of_record` or :func:`caption_of_text`, so that the rules are the same in all of them."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Mapping

from freeda_ingest.captions.fields import CAPTION, Text, texts_of
from freeda_ingest.captions.records import BadRecordError, ReaderLimits, clean_text, kind_of
from freeda_store.records import Caption, JsonValue

_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_OWN_FIELDS = ("id", "source", "license", "url")


def caption_of_text(text: str, source: str, limits: ReaderLimits) -> Caption:
    """A plain line as a caption; what is written otherwise is kept as ``caption`` of its extra fields.

    Raises:
        BadRecordError: it is empty or too long.
    """
    return _caption(Text(text), CAPTION, {}, source, limits)


def captions_of_record(
    record: Mapping[str, JsonValue], field: str, source: str, limits: ReaderLimits
) -> list[Caption]:
    """Captions of an object ``{"caption": ..., "id": ..., "source": ..., "license": ..., "url": ...}``.

    Args:
        record: of a JSON document or a table; only ``field`` must be there.
        field: where its captions are, see :func:`~freeda_ingest.captions.fields.texts_of`.
        source: stands in when the record has none.
        limits: see :class:`ReaderLimits`.

    Returns:
        Captions whose ``extra`` is what else the record holds, and the text as it was written where
        entities or the form of its Unicode were changed.

    Raises:
        BadRecordError: a field is missing or of a wrong type.
    """
    if field not in record:
        raise BadRecordError(f"no field '{field}'")
    return [_caption(text, field, record, source, limits) for text in texts_of(record[field], field)]


def plain_text(text: str) -> str:
    """A caption as it is drawn and as its nouns are read: ``&amp;`` is ``&``, letters are composed (NFC),
    blanks and control characters are single spaces. Twice, for pages that escape what was escaped."""
    if "&" in text:
        for _ in range(2):
            text = _ENTITY.sub(lambda found: html.unescape(found[0]), text)
    return clean_text(unicodedata.normalize("NFC", text))


def _caption(
    found: Text, field: str, record: Mapping[str, JsonValue], source: str, limits: ReaderLimits
) -> Caption:
    text = plain_text(found.text)
    if not text:
        raise BadRecordError("empty caption")
    if len(text) > limits.caption_chars:
        raise BadRecordError(
            f"caption of {len(text):,} characters, over the limit of {limits.caption_chars:,}"
        )
    names = _own_names(record)
    used = {field, *names.values()}
    extra = {name: value for name, value in record.items() if name not in used}
    if text != clean_text(found.text):
        extra[field] = found.text
    own_id = "" if found.own_id is None else _label("id", found.own_id)
    return Caption(
        text=text,
        external_id=own_id or _field(record, names, "id"),
        source=_field(record, names, "source") or source,
        license=_field(record, names, "license"),
        url=_field(record, names, "url"),
        extra=extra,
    )


def _own_names(record: Mapping[str, JsonValue]) -> dict[str, str]:
    """How the fields of provenance are written here: ``URL`` is as good as ``url``, if that is not there."""
    written = {name.casefold(): name for name in record}
    return {
        own: own if own in record else written[own] for own in _OWN_FIELDS if own in record or own in written
    }


def _field(record: Mapping[str, JsonValue], names: Mapping[str, str], own: str) -> str:
    return _label(names[own], record[names[own]]) if own in names else ""


def _label(name: str, value: JsonValue) -> str:
    """A provenance field as text; numbers are welcome, since ids and licences often are."""
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise BadRecordError(f"field '{name}' is {kind_of(value)}, not text or a number")
    return clean_text(str(value))
