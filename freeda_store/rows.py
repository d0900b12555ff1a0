"""Rows of the bank's tables from values, and values from rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Insert, Select, insert, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from freeda_store.keys import caption_key
from freeda_store.payload import StoredPrototype
from freeda_store.records import Caption, Scores
from freeda_store.tables import Base, CaptionRow, GenerationRow, PrototypeRow, RetirementRow


@dataclass(frozen=True)
class StoredGeneration:
    """A drawn caption on its way into SQL, its prototypes' points written already."""

    key: UUID
    caption: Caption
    seed: int
    picture_key: str
    notes: tuple[str, ...]
    prototypes: tuple[StoredPrototype, ...]


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
    """A row of :func:`every_prototype`."""
    p, g, c = PrototypeRow.__table__.c, GenerationRow.__table__.c, CaptionRow.__table__.c
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


def insert_generation(connection: Connection, revision: int, generation: StoredGeneration) -> None:
    """Insert a generation and its prototypes; its caption is there already."""
    id_ = connection.execute(
        insert(GenerationRow)
        .values(
            key=generation.key,
            revision_id=revision,
            caption_id=caption_key(generation.caption),
            seed=generation.seed,
            picture_key=generation.picture_key,
            notes=list(generation.notes),
            complete=True,
        )
        .returning(GenerationRow.id)
    ).scalar_one()
    rows = [
        {
            "id": prototype.id,
            "generation_id": id_,
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
        }
        for prototype in generation.prototypes
    ]
    if rows:
        connection.execute(insert(PrototypeRow), rows)


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
