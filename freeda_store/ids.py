"""Names made from content, so that writing the same thing twice changes nothing."""

from __future__ import annotations

import json
from collections.abc import Iterable
from uuid import UUID, uuid5

from freeda_store.records import Caption

_NAMESPACE = UUID("6b1f0a52-6d0c-5c0e-9d55-0d1f6a6f2f41")


def _name(*parts: str | int) -> UUID:
    """UUIDv5 of a list; JSON keeps the borders between its parts."""
    return uuid5(_NAMESPACE, json.dumps(parts, ensure_ascii=True))


def caption_key(caption: Caption) -> UUID:
    """UUIDv5 of a caption with all its provenance: its row's id."""
    extra = json.dumps(dict(caption.extra), sort_keys=True)
    return _name(
        "caption", caption.text, caption.source, caption.external_id, caption.license, caption.url, extra
    )


def generation_key(caption: Caption, seed: int) -> UUID:
    """UUIDv5 of one drawing: the caption's text, where it comes from, and the seed.

    Licence, URL and extra fields describe a caption; a correction of them draws nothing anew.
    """
    return _name("generation", caption.text, caption.source, caption.external_id, seed)


def prototype_id(generation: UUID, revision: int, noun: str, span: tuple[int, int], part: int = 0) -> UUID:
    """UUIDv5 of a prototype, its point's id. The part counts from 1 on: ids are older than parts.

    The writing revision is part of it, so that two concurrent writers of the same caption, or a
    writer after a rollback, never touch a point that another revision shows.
    """
    return _name("prototype", str(generation), revision, noun, *span, *((part,) if part else ()))


def digest(message: str, ids: Iterable[UUID]) -> UUID:
    """UUIDv5 of a message and prototypes: the same correction, repeated, has the same name."""
    return _name("correction", message, *(str(id_) for id_ in ids))
