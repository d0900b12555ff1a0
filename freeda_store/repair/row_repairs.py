"""Repairs of rows that points prove wrong. Each runs in one transaction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.engine import Connection

from freeda_store.digests import record_digest, vectors_digest
from freeda_store.fields import Holder, caption_of, columns_said
from freeda_store.history import History
from freeda_store.ids import caption_key
from freeda_store.sql.rows import insert_retirements
from freeda_store.sql.tables import CaptionRow, GenerationRow, PrototypeRow, RetirementRow
from freeda_store.vectors.protocol import Payload

if TYPE_CHECKING:
    from freeda_store.writing.stores import Stores


def restore_rows(stores: Stores, history: History, wrong: Mapping[UUID, Payload]) -> None:
    """Make rows say what their points say."""
    with stores.catalog.checking() as connection:
        for id_, payload in wrong.items():
            _restore(connection, id_, cast("dict[str, Any]", payload))
            _restore_retirements(connection, history, id_, payload)


def rename_rows(stores: Stores, names: Mapping[UUID, UUID]) -> None:
    """Give rows the ids that their content has, and that their points go by."""
    table = PrototypeRow.__table__
    with stores.catalog.transaction() as connection:
        for old, new in names.items():
            row = connection.execute(select(table).where(table.c.id == old)).mappings().one()
            connection.execute(insert(PrototypeRow).values(**(dict(row) | {"id": new})))
            mine = update(RetirementRow).where(RetirementRow.prototype_id == old)
            connection.execute(mine.values(prototype_id=new))
            connection.execute(delete(PrototypeRow).where(PrototypeRow.id == old))


def take_in(stores: Stores, history: History, ids: list[UUID]) -> list[UUID]:
    """Make rows anew for points of committed revisions whose rows are gone; returns those it was done for.

    A revision's own row records how many prototypes it added: no more than those are taken in.
    """
    taken: list[UUID] = []
    for id_ in ids:
        fetched = stores.vectors.fetch([id_], texts=True, visuals=True)
        payload = cast("dict[str, Any]", fetched.payloads[0])
        vectors = vectors_digest(fetched.texts[0], fetched.visuals[0])
        with stores.catalog.transaction() as connection:
            revision = payload["added_in"]
            count = select(func.count()).where(PrototypeRow.revision_id == revision)
            added = history.by_id(revision).prototypes_added
            generation = _generation(connection, payload)
            if generation is None or connection.execute(count).scalar_one() >= added:
                continue
            proof = {"vectors_digest": vectors, "record_digest": record_digest(payload, vectors)}
            values = _prototype_values(payload) | {"id": id_, "generation_id": generation} | proof
            connection.execute(insert(PrototypeRow).values(**values))
            _restore_retirements(connection, history, id_, payload)
            taken.append(id_)
    return taken


def _restore(connection: Connection, id_: UUID, payload: dict[str, Any]) -> None:
    generation = _generation(connection, payload)
    if generation is None:  # its own key or revision is what is damaged
        generation = connection.execute(
            select(PrototypeRow.generation_id).where(PrototypeRow.id == id_)
        ).scalar_one()
    named = {"key": UUID(payload["generation"]), "revision_id": payload["added_in"]}
    said = columns_said(Holder.GENERATION, payload)
    connection.execute(update(GenerationRow).where(GenerationRow.id == generation).values(**named, **said))
    values = _prototype_values(payload) | {"generation_id": generation}
    connection.execute(update(PrototypeRow).where(PrototypeRow.id == id_).values(**values))
    _restore_caption(connection, generation, payload)


def _generation(connection: Connection, payload: dict[str, Any]) -> int | None:
    return connection.execute(
        select(GenerationRow.id).where(
            GenerationRow.key == UUID(payload["generation"]),
            GenerationRow.revision_id == payload["added_in"],
        )
    ).scalar()


def _prototype_values(payload: dict[str, Any]) -> dict[str, Any]:
    return columns_said(Holder.PROTOTYPE, payload) | {"revision_id": payload["added_in"]}


def _restore_caption(connection: Connection, generation: int, payload: dict[str, Any]) -> None:
    """Correct a caption's row where its id proves the correction, else name the caption that says so."""
    owner = select(GenerationRow.caption_id).where(GenerationRow.id == generation)
    row = connection.execute(select(CaptionRow.__table__).where(CaptionRow.id.in_(owner))).mappings().first()
    said = columns_said(Holder.CAPTION, payload)
    if row is not None and caption_key(caption_of(payload, row["extra"])) == row["id"]:
        connection.execute(update(CaptionRow).where(CaptionRow.id == row["id"]).values(**said))
        return
    columns = CaptionRow.__table__.c
    same = select(CaptionRow.id).where(*[columns[name] == value for name, value in said.items()])
    if (other := connection.execute(same).scalar()) is not None:
        change = update(GenerationRow).where(GenerationRow.id == generation)
        connection.execute(change.values(caption_id=other))


def _restore_retirements(connection: Connection, history: History, id_: UUID, payload: Payload) -> None:
    told = payload.get("retired_in")
    kept = (
        {r for r in told if isinstance(r, int) and history.number_of(r)} if isinstance(told, list) else set()
    )
    mine = RetirementRow.prototype_id == id_
    for revision in connection.execute(select(RetirementRow.revision_id).where(mine)).scalars().all():
        if revision not in kept and history.number_of(revision):
            connection.execute(delete(RetirementRow).where(mine, RetirementRow.revision_id == revision))
    for revision in sorted(kept):
        insert_retirements(connection, revision, [id_])
