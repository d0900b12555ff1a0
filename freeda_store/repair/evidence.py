"""Which of two contradicting copies of a prototype is the one that was written.

SQL and the payload of a point say the same thing twice. Where they differ, checksums decide
(:mod:`freeda_store.digests`), else ids: those of generations, prototypes and captions are hashes of what
they name. What neither proves is left as it is, for a person to decide.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, cast
from uuid import UUID

from freeda_store.digests import CHANGING, Checksums, record_digest
from freeda_store.fields import defaults
from freeda_store.ids import caption_key, generation_key, prototype_id
from freeda_store.payload import make_payload
from freeda_store.records import Caption, JsonValue
from freeda_store.sql.proofs import ListedPrototype
from freeda_store.vectors.protocol import Payload

_PROVENANCE = ("license", "url")


class Side(StrEnum):
    """One of the two copies."""

    ROW = "row"
    POINT = "point"


@dataclass(frozen=True)
class Contradiction:
    """A field of which nothing proves who is right.

    Attributes:
        id: the prototype.
        field: the payload's name of it.
        row, point: what the database and the vectors say.
    """

    id: UUID
    field: str
    row: JsonValue
    point: JsonValue

    def to_json(self) -> dict[str, JsonValue]:
        """Plain values for ``json.dumps``."""
        return {"id": str(self.id), "field": self.field, "row": self.row, "point": self.point}


@dataclass(frozen=True)
class Judgement:
    """What is known of a prototype's record and vectors.

    Attributes:
        wrong: the side whose record is proved wrong; None when they agree or nothing is proved.
        contradictions: fields that differ, when nothing is proved.
        vectors_wrong: the vectors are not those that were written.
        checksums: what the checksums should be, when one of them is proved wrong.
        unproved: nothing proves whether the vectors are those that were written.
    """

    wrong: Side | None = None
    contradictions: tuple[Contradiction, ...] = ()
    vectors_wrong: bool = False
    checksums: Checksums | None = None
    unproved: bool = False


def judge(listed: ListedPrototype, payload: Payload, vectors: bytes | None) -> Judgement:
    """Compare a row with its point, all but what later revisions and the commit add.

    Args:
        listed: the row, with its checksums.
        payload: of the point.
        vectors: the checksum of the point's vectors as they are; None when they are gone or no numbers.
    """
    proof, row = listed.proof, make_payload(listed.prototype)
    ours, theirs = {**defaults(), **row}, {**defaults(), **payload}
    differing = tuple(name for name in ours if name not in CHANGING and ours[name] != theirs.get(name))
    right = _by_checksum(row, payload, proof, vectors, bool(differing))
    if right is not None:
        side, true_vectors = right
        return Judgement(
            wrong=None if not differing else (Side.POINT if side is Side.ROW else Side.ROW),
            vectors_wrong=vectors != true_vectors,
            checksums=None if true_vectors == proof.vectors else Checksums(true_vectors, proof.record),
        )
    intact = vectors is not None and proof.vectors == vectors
    doubted = proof.record is not None and proof.vectors is not None and vectors is not None and not intact
    found = Judgement(
        wrong=_by_ids(listed, payload, differing) if differing else None,
        contradictions=_doubts(listed, vectors) if doubted else (),
        vectors_wrong=vectors is None or not (intact or doubted or proof.vectors is None),
        unproved=proof.vectors is None,
    )
    if differing and found.wrong is None:
        told = (Contradiction(listed.prototype.id, f, ours[f], theirs.get(f)) for f in differing)
        return replace(found, contradictions=(*told, *found.contradictions))
    if intact and proof.record is not None and found.wrong is not Side.ROW and proof.vectors is not None:
        return replace(found, checksums=Checksums(proof.vectors, record_digest(row, proof.vectors)))
    return found


def _doubts(listed: ListedPrototype, vectors: bytes | None) -> tuple[Contradiction, ...]:
    """Vectors and their checksum differ, and the checksum of both fits neither."""
    kept, found = listed.proof.vectors or b"", vectors or b""
    return (Contradiction(listed.prototype.id, "checksum of vectors", kept.hex(), found.hex()),)


def _by_checksum(
    row: Payload, payload: Payload, proof: Checksums, vectors: bytes | None, differing: bool
) -> tuple[Side, bytes] | None:
    """The record and the checksum of vectors that belong to the record's checksum."""
    if proof.record is None:
        return None
    for side, told in ((Side.ROW, row), (Side.POINT, payload)):
        for candidate in (proof.vectors, vectors):
            if candidate is not None and record_digest(told, candidate) == proof.record:
                return side, candidate
    return None


def _by_ids(listed: ListedPrototype, payload: Payload, differing: Sequence[str]) -> Side | None:
    """The side that is proved wrong: the other's content has the ids that both go by, and its own has not."""
    row = make_payload(listed.prototype)
    with_provenance = any(name in _PROVENANCE for name in differing)
    proved = []
    for told in (row, payload):
        holds = own_id(told) == listed.prototype.id
        if holds and with_provenance:
            holds = _caption_id(told, listed.prototype.caption.extra) == listed.caption_id
        proved.append(holds)
    if proved[0] == proved[1]:
        return None
    return Side.POINT if proved[0] else Side.ROW


def own_id(payload: Payload) -> UUID | None:
    """The id that a payload's content gives its point; None when it contradicts itself."""
    get = cast("Mapping[str, Any]", payload)
    try:
        generation, span = UUID(get["generation"]), get["span"]
        caption = Caption(get["caption"], get["external_id"], get["source"])
        if generation_key(caption, get["seed"]) != generation:
            return None
        part = get.get("part", 0)
        return prototype_id(generation, get["added_in"], get["noun"], (span[0], span[1]), part)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError):
        return None


def _caption_id(payload: Payload, extra: Mapping[str, JsonValue]) -> UUID | None:
    get = cast("Mapping[str, Any]", payload)
    try:
        caption = Caption(
            get["caption"], get["external_id"], get["source"], get["license"], get["url"], extra
        )
        return caption_key(caption)
    except (KeyError, TypeError, ValueError):
        return None
