"""Notes of a bank among its points: what readers need to know, in points that carry no vector.

Points, and not the collection's metadata: a key that may write one collection may write them, they travel
with every snapshot, each is small, and one field of one of them shows whether anything is new.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from uuid import UUID

from freeda_store.errors import BankDamagedError
from freeda_store.vectors.sending import guard

if TYPE_CHECKING:
    from qdrant_client import QdrantClient

_PREFIX = "66726565646180008"
"""How the ids of notes begin: "freeda", and the version digit 8, which no prototype's id has."""
_HEAD = UUID(_PREFIX + "0" * 15)
_NOBODY = UUID(_PREFIX + "f" * 15)
"""An id that no point has: deleting it changes nothing, and needs the right to write."""
_AT_ONCE = 32


@dataclass(frozen=True)
class Stamp:
    """What identifies a head note: whose it is, and a digest of its text."""

    bank: str
    serial: str


@dataclass(frozen=True)
class Head:
    """The note that is read first.

    Attributes:
        stamp: identifies it.
        text: what it says.
        replaced: pages that it names no more, kept for readers who hold the head before it.
    """

    stamp: Stamp
    text: str
    replaced: tuple[UUID, ...] = ()


def is_note(id_: UUID) -> bool:
    """Whether a point of this id is a note and no prototype."""
    return id_.hex.startswith(_PREFIX)


def page_id(text: str) -> UUID:
    """The id of a page: it names its content, so a page never changes."""
    return UUID(_PREFIX + sha256(text.encode()).hexdigest()[:15])


def make_head(bank: str, text: str) -> Head:
    """A head note of a bank."""
    return Head(Stamp(bank, sha256(text.encode()).hexdigest()), text)


class Board:
    """The notes of one collection. All methods raise ``StorageError`` when the server refuses."""

    def __init__(self, client: QdrantClient, collection: str) -> None:
        self._client = client
        self.collection = collection

    def peek(self) -> Stamp | None:
        """The stamp of the head note, without its text; None when there is no head note."""
        found = self._retrieve([_HEAD], ["bank", "serial"])
        return self._stamp(found[_HEAD]) if _HEAD in found else None

    def head(self) -> Head | None:
        """The head note; None when there is none."""
        found = self._retrieve([_HEAD], True)
        if _HEAD not in found:
            return None
        stamp, text, replaced = (
            self._stamp(found[_HEAD]),
            _text(found[_HEAD], "text"),
            _text(found[_HEAD], "replaced"),
        )
        return Head(stamp, text, tuple(UUID(id_) for id_ in re.findall(r"[0-9a-f]{32}", replaced)))

    def pages(self, ids: Sequence[UUID]) -> dict[UUID, str]:
        """The texts of pages; those that are gone, or do not hold what their id says, are left out."""
        found: dict[UUID, str] = {}
        for start in range(0, len(ids), _AT_ONCE):
            for id_, payload in self._retrieve(ids[start : start + _AT_ONCE], True).items():
                text = _text(payload, "text")
                if page_id(text) == id_:
                    found[id_] = text
        return found

    def put(self, head: Head, pages: Mapping[UUID, str]) -> None:
        """Write pages, then the head note that names them."""
        for id_, text in pages.items():
            self._upsert(id_, {"text": text})
        stamp, replaced = head.stamp, " ".join(id_.hex for id_ in head.replaced)
        told = {"bank": stamp.bank, "serial": stamp.serial, "text": head.text, "replaced": replaced}
        self._upsert(_HEAD, told)

    def remove(self, ids: Sequence[UUID]) -> None:
        """Delete pages that nothing names any more."""
        for start in range(0, len(ids), _AT_ONCE):
            self._delete(ids[start : start + _AT_ONCE])

    def try_to_write(self) -> None:
        """Do a write that changes nothing, to learn whether the key may write."""
        self._delete([_NOBODY])

    def _retrieve(self, ids: Sequence[UUID], fields: bool | list[str]) -> dict[UUID, Mapping[str, Any]]:
        points: list[Any] = [str(id_) for id_ in ids]
        ask = partial(self._client.retrieve, self.collection, points, with_payload=fields, with_vectors=False)
        return {UUID(str(record.id)): record.payload or {} for record in guard(self.collection, ask)}

    def _upsert(self, id_: UUID, payload: dict[str, str]) -> None:
        from qdrant_client import models

        point = models.PointStruct(id=str(id_), vector={}, payload=payload)
        guard(self.collection, partial(self._client.upsert, self.collection, [point], wait=True))

    def _delete(self, ids: Sequence[UUID]) -> None:
        from qdrant_client import models

        selector = models.PointIdsList(points=[str(id_) for id_ in ids])
        guard(self.collection, partial(self._client.delete, self.collection, selector, wait=True))

    def _stamp(self, payload: Mapping[str, Any]) -> Stamp:
        bank, serial = payload.get("bank"), payload.get("serial")
        if not isinstance(bank, str) or not isinstance(serial, str):
            raise BankDamagedError(
                f"the note of the bank in collection '{self.collection}' is damaged; open the bank once with "
                "a profile that names its sql_url."
            )
        return Stamp(bank, serial)


def _text(payload: Mapping[str, Any], field: str) -> str:
    text = payload.get(field)
    return text if isinstance(text, str) else ""
