"""Rows of the bank's tables from values, and values from rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias
from uuid import UUID

from sqlalchemy import Insert, Select, insert, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from freeda_store.digests import Checksums
from freeda_store.ids import caption_key
from freeda_store.payload import StoredPrototype
from freeda_store.records import Caption, Scores
from freeda_store.sql.row_values import check_row
from freeda_store.sql.tables import Base, CaptionRow, GenerationRow, PrototypeRow, RetirementRow

if TYPE_CHECKING:
    from freeda_store.sharing.parts import SharedGeneration, SharedPrototype

IN_LIST = 500
"""Values in one IN list; SQLite has a limit."""


@dataclass(frozen=True)
class StoredGeneration:
    """A drawn caption on its way into SQL, its prototypes' points written already."""

    key: UUID
    caption: Caption
    seed: int
    picture_key: str
    notes: tuple[str, ...]
    prototypes: tuple[StoredPrototype, ...]
    complete: bool = True


Generation: TypeAlias = "StoredGeneration | SharedGeneration"
Prototype: TypeAlias = "StoredPrototype | SharedPrototype"


def every_prototype() -> Select[Any]:
    """All prototypes with their generations and captions, in the order of their ids."""
    return (
        select(PrototypeRow.__table__, GenerationRow.__table__, CaptionRow.__table__)
        .select_from(PrototypeRow)
        .join(GenerationRow, GenerationRow.id == PrototypeRow.generation_id)
        .join(CaptionRow, CaptionRow.id == GenerationRow.caption_id)
        .order_by(PrototypeRow.id)
    )


def read_prototype(row: Any) -> StoredPrototype:
    """A row of :func:`every_prototype`.

    Raises:
        BankDamagedError: a value is of another type than its column.
    """
    p, g, c = PrototypeRow.__table__.c, GenerationRow.__table__.c, CaptionRow.__table__.c
    check_row(row, PrototypeRow, GenerationRow, CaptionRow)
    get = row._mapping
    return StoredPrototype(
        id=get[p.id],
        generation=get[g.key],
        caption=Caption(get[c.text], get[c.external_id], get[c.source], get[c.license], get[c.url]),
        seed=get[g.seed],
        picture_key=get[g.picture_key],
        noun=get[p.noun],
        kind=get[p.kind],
        span=(get[p.span_start], get[p.span_stop]),
        scores=Scores(get[p.contrast], get[p.area], get[p.clip_agreement], get[p.outlier_distance]),
        attribution_key=get[p.attribution_key],
        added_in=get[p.revision_id],
    )


def caption_row(id_: UUID, caption: Caption) -> dict[str, Any]:
    """A caption's row."""
    return {
        "id": id_,
        "text": caption.text,
        "external_id": caption.external_id,
        "source": caption.source,
        "license": caption.license,
        "url": caption.url,
        "extra": dict(caption.extra),
    }


def insert_new(connection: Connection, table: type[Base]) -> Insert:
    """An insert that leaves out rows whose key is there already, put there by another writer meanwhile."""
    if connection.dialect.name == "postgresql":
        return postgresql.insert(table).on_conflict_do_nothing()
    return sqlite.insert(table).on_conflict_do_nothing()


def insert_generations(
    connection: Connection,
    revision: int,
    generations: Sequence[Generation],
    proofs: Mapping[UUID, Checksums],
) -> None:
    """Insert generations of one revision with their prototypes, and the captions that are new.

    Args:
        connection: in a transaction.
        revision: which writes them.
        generations: their points are written already.
        proofs: checksums of each of their prototypes.
    """
    if not generations:
        return
    captions = {caption_key(g.caption): g.caption for g in generations}
    rows = [caption_row(id_, captions[id_]) for id_ in sorted(captions)]
    connection.execute(insert_new(connection, CaptionRow), rows)
    connection.execute(insert(GenerationRow), [_generation_row(revision, g) for g in generations])
    ids = _generation_ids(connection, revision, [g.key for g in generations])
    prototypes = [
        _prototype_row(revision, ids[g.key], each, proofs[each.id])
        for g in generations
        for each in g.prototypes
    ]
    if prototypes:
        connection.execute(insert(PrototypeRow), prototypes)


def _generation_ids(connection: Connection, revision: int, keys: Sequence[UUID]) -> dict[UUID, int]:
    found: dict[UUID, int] = {}
    for start in range(0, len(keys), IN_LIST):
        wanted = GenerationRow.key.in_(keys[start : start + IN_LIST])
        query = select(GenerationRow.key, GenerationRow.id).where(
            wanted, GenerationRow.revision_id == revision
        )
        found |= {row.key: row.id for row in connection.execute(query)}
    return found


def _generation_row(revision: int, generation: Generation) -> dict[str, Any]:
    return {
        "key": generation.key,
        "revision_id": revision,
        "caption_id": caption_key(generation.caption),
        "seed": generation.seed,
        "picture_key": generation.picture_key,
        "notes": list(generation.notes),
        "complete": generation.complete,
    }


def _prototype_row(revision: int, generation: int, prototype: Prototype, proof: Checksums) -> dict[str, Any]:
    return {
        "id": prototype.id,
        "generation_id": generation,
        "revision_id": revision,
        "noun": prototype.noun,
        "kind": prototype.kind,
        "span_start": prototype.span[0],
        "span_stop": prototype.span[1],
        "contrast": prototype.scores.contrast,
        "area": prototype.scores.area,
        "clip_agreement": prototype.scores.clip_agreement,
        "outlier_distance": prototype.scores.outlier_distance,
        "attribution_key": prototype.attribution_key,
        "vectors_digest": proof.vectors,
        "record_digest": proof.record,
    }


def insert_retirements(connection: Connection, revision: int, ids: Sequence[UUID]) -> None:
    """Insert what a revision hides, leaving out what it hides already."""
    known = set(
        connection.execute(
            select(RetirementRow.prototype_id).where(RetirementRow.revision_id == revision)
        ).scalars()
    )
    rows = [{"prototype_id": id_, "revision_id": revision} for id_ in dict.fromkeys(ids) if id_ not in known]
    if rows:
        connection.execute(insert(RetirementRow), rows)
