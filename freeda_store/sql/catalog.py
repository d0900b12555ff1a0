"""What SQL knows: captions, generations, prototypes, revisions and tags. It is the one truth."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar
from uuid import UUID

from sqlalchemy import bindparam, delete, exists, func, select, update
from sqlalchemy.engine import Connection
from sqlalchemy.orm import aliased

from freeda_store.digests import Checksums
from freeda_store.fields import Field
from freeda_store.payload import StoredPrototype
from freeda_store.sql.counts import ViewCounts, tally
from freeda_store.sql.revision_tables import RevisionTables, count_rows
from freeda_store.sql.rows import (
    StoredGeneration,
    every_prototype,
    insert_generations,
    insert_retirements,
    read_prototype,
    thumbnail_columns,
)
from freeda_store.sql.tables import (
    GenerationRow,
    PrototypeRow,
    RetirementRow,
    RevisionRow,
)
from freeda_store.sql.visibility import chunks, inside, visible
from freeda_store.vectors.filters import View

T = TypeVar("T")


class Catalog(RevisionTables):
    """The bank's tables behind the questions that the bank asks.

    Every method may be called twice with the same arguments and leaves what one call leaves: a connection
    may be lost when a commit has taken place and its answer has not arrived.
    """

    def published_counts(self, revision: int | None) -> ViewCounts | None:
        """What a revision of this number shows, where that needs no SQL; None where SQL is asked."""
        return None

    def require_sql(self) -> Catalog:
        """Itself."""
        return self

    # generations

    def stored(self, keys: Iterable[UUID], view: View) -> set[UUID]:
        """Those of the generations that the view holds complete."""
        found: set[UUID] = set()
        with self.transaction() as connection:
            for batch in chunks(keys):
                query = select(GenerationRow.key).where(
                    GenerationRow.key.in_(batch),
                    GenerationRow.complete,
                    inside(GenerationRow.revision_id, view),
                )
                found.update(connection.execute(query).scalars())
        return found

    def doubles(self, revision: int, view: View) -> list[UUID]:
        """Keys of the generations of one revision that a view, which does not show it, holds complete."""
        other = aliased(GenerationRow)
        held = exists().where(other.key == GenerationRow.key, other.complete, inside(other.revision_id, view))
        query = select(GenerationRow.key).where(GenerationRow.revision_id == revision, held)
        with self.transaction() as connection:
            return list(connection.execute(query).scalars())

    def has_generations(self, revision: int) -> bool:
        """Whether one revision wrote any."""
        query = select(GenerationRow.id).where(GenerationRow.revision_id == revision).limit(1)
        with self.transaction() as connection:
            return connection.execute(query).first() is not None

    def incomplete(self, revision: int) -> list[UUID]:
        """Keys of the generations of one revision that a repair marked as not done."""
        with self.transaction() as connection:
            query = select(GenerationRow.key).where(
                GenerationRow.revision_id == revision, ~GenerationRow.complete
            )
            return list(connection.execute(query).scalars())

    def survivors(self, keys: Sequence[UUID], view: View) -> list[UUID]:
        """Visible prototypes of incomplete generations, which a new drawing replaces."""
        found: list[UUID] = []
        with self.transaction() as connection:
            for batch in chunks(keys):
                query = (
                    select(PrototypeRow.id)
                    .join(GenerationRow, GenerationRow.id == PrototypeRow.generation_id)
                    .where(GenerationRow.key.in_(batch), ~GenerationRow.complete, visible(view))
                )
                found.extend(connection.execute(query).scalars())
        return found

    def insert_generations(
        self,
        revision: int,
        generations: Sequence[StoredGeneration],
        proofs: Mapping[UUID, Checksums],
        replaced: Sequence[UUID],
    ) -> None:
        """Mark generations done, with their captions and prototypes, in one transaction."""
        with self.transaction() as connection:
            done = {
                key
                for batch in chunks(g.key for g in generations)
                for key in _written(connection, revision, batch)
            }
            new = [generation for generation in generations if generation.key not in done]
            insert_generations(connection, revision, new, proofs)
            insert_retirements(connection, revision, replaced)

    def drop_generations(self, revision: int, keys: Sequence[UUID]) -> None:
        """Forget generations of an open revision, with their prototypes and retirements."""
        with self.transaction() as connection:
            for batch in chunks(keys):
                mine = (GenerationRow.key.in_(batch)) & (GenerationRow.revision_id == revision)
                ids = select(GenerationRow.id).where(mine)
                prototypes = select(PrototypeRow.id).where(PrototypeRow.generation_id.in_(ids))
                connection.execute(delete(RetirementRow).where(RetirementRow.prototype_id.in_(prototypes)))
                connection.execute(delete(PrototypeRow).where(PrototypeRow.generation_id.in_(ids)))
                connection.execute(delete(GenerationRow).where(mine))

    def generations_of(self, prototypes: Iterable[UUID]) -> set[UUID]:
        """Keys of the generations that prototypes came from."""
        found: set[UUID] = set()
        with self.transaction() as connection:
            for batch in chunks(prototypes):
                query = (
                    select(GenerationRow.key)
                    .join(PrototypeRow, GenerationRow.id == PrototypeRow.generation_id)
                    .where(PrototypeRow.id.in_(batch))
                )
                found.update(connection.execute(query).scalars())
        return found

    def forget_prototypes(self, ids: Sequence[UUID]) -> None:
        """Drop prototypes whose vectors are lost, and mark their generations incomplete."""
        with self.transaction() as connection:
            for batch in chunks(ids):
                owners = select(PrototypeRow.generation_id).where(PrototypeRow.id.in_(batch))
                connection.execute(
                    update(GenerationRow).where(GenerationRow.id.in_(owners)).values(complete=False)
                )
                connection.execute(delete(RetirementRow).where(RetirementRow.prototype_id.in_(batch)))
                connection.execute(delete(PrototypeRow).where(PrototypeRow.id.in_(batch)))

    # prototypes

    def prototype_ids(self, revision: int) -> Generator[UUID, None, None]:
        """Ids of the prototypes that one revision wrote, in order."""
        query = select(PrototypeRow.id).where(PrototypeRow.revision_id == revision).order_by(PrototypeRow.id)
        with self.transaction() as connection:
            yield from connection.execution_options(yield_per=1000).execute(query).scalars()

    def committed_prototypes(self) -> int:
        """How many prototypes committed revisions wrote, whatever shows them."""
        committed = select(RevisionRow.id).where(RevisionRow.number.is_not(None))
        with self.transaction() as connection:
            return count_rows(connection, PrototypeRow.revision_id.in_(committed))

    def count_shown(self, view: View) -> int:
        """How many prototypes a view shows."""
        mine = inside(PrototypeRow.revision_id, view)
        hidden = (
            select(func.count(RetirementRow.prototype_id.distinct()))
            .join(PrototypeRow, PrototypeRow.id == RetirementRow.prototype_id)
            .where(inside(RetirementRow.revision_id, view), mine)
        )
        with self.transaction() as connection:
            return count_rows(connection, mine) - connection.execute(hidden).scalar_one()

    def shared_nouns(self, revision: int, view: View) -> list[str]:
        """Nouns that one revision wrote prototypes of and that have at least two in a view, sorted."""
        named = (PrototypeRow.revision_id == revision) & (PrototypeRow.noun != "")
        mine = select(PrototypeRow.noun).where(named)
        shown = select(PrototypeRow.noun).where(PrototypeRow.noun.in_(mine), visible(view))
        with self.transaction() as connection:
            query = shown.group_by(PrototypeRow.noun).having(func.count() > 1)
            return sorted(connection.execute(query).scalars())

    def prototypes_of(self, noun: str, revision: int) -> list[UUID]:
        """Ids of the prototypes of a noun that one revision wrote, sorted."""
        mine = (PrototypeRow.revision_id == revision) & (PrototypeRow.noun == noun)
        with self.transaction() as connection:
            return sorted(connection.execute(select(PrototypeRow.id).where(mine)).scalars())

    def showing(self, noun: str, view: View) -> list[UUID]:
        """Ids of the prototypes of a noun that a view shows, sorted."""
        query = select(PrototypeRow.id).where(PrototypeRow.noun == noun, visible(view))
        with self.transaction() as connection:
            return sorted(connection.execute(query).scalars())

    def set_outlier_distances(self, revision: int, groups: Mapping[float, Sequence[UUID]]) -> None:
        """Write down the distances of prototypes of an open revision, by value; 0 for its others."""
        some = (PrototypeRow.revision_id == revision) & (PrototypeRow.outlier_distance != 0)
        one = update(PrototypeRow).where(PrototypeRow.id == bindparam("which"))
        rows = [{"which": each, "distance": distance} for distance, ids in groups.items() for each in ids]
        with self.transaction() as connection:
            connection.execute(update(PrototypeRow).where(some).values(outlier_distance=0.0))
            if rows:
                connection.execute(one.values(outlier_distance=bindparam("distance")), rows)

    def shown(self, ids: Iterable[UUID], view: View) -> set[UUID]:
        """Those of the prototypes that a view shows."""
        found: set[UUID] = set()
        with self.transaction() as connection:
            for batch in chunks(ids):
                query = select(PrototypeRow.id).where(PrototypeRow.id.in_(batch), visible(view))
                found.update(connection.execute(query).scalars())
        return found

    def gained(self, before: View, after: View) -> list[UUID]:
        """Ids of the prototypes that one view shows and another does not, sorted."""
        query = select(PrototypeRow.id).where(visible(after), ~visible(before))
        with self.transaction() as connection:
            return list(connection.execute(query.order_by(PrototypeRow.id)).scalars())

    def nouns(self, view: View) -> set[str]:
        """The nouns of the prototypes that a view shows."""
        with self.transaction() as connection:
            query = select(PrototypeRow.noun).where(PrototypeRow.noun != "", visible(view)).distinct()
            return set(connection.execute(query).scalars())

    def tally(self, field: Field, view: View) -> dict[str, int]:
        """How many of the prototypes that a view shows have each value of a text field."""
        with self.transaction() as connection:
            return tally(connection, field, view)

    def retire(self, revision: int, ids: Sequence[UUID]) -> None:
        """Write down that a revision hides prototypes."""
        with self.transaction() as connection:
            insert_retirements(connection, revision, ids)

    def retirements(self, ids: Sequence[UUID] | None = None) -> dict[UUID, tuple[int, ...]]:
        """The revisions that hide each prototype, rising; all of them when no ids are given."""
        found: dict[UUID, list[int]] = {}
        query = select(RetirementRow.prototype_id, RetirementRow.revision_id).order_by(
            RetirementRow.revision_id
        )
        with self.transaction() as connection:
            for batch in [None] if ids is None else chunks(ids):
                part = query if batch is None else query.where(RetirementRow.prototype_id.in_(batch))
                for id_, revision in connection.execute(part):
                    found.setdefault(id_, []).append(revision)
        return {id_: tuple(revisions) for id_, revisions in found.items()}

    def retired_by(self, revision: int) -> list[UUID]:
        """Ids that one revision hides."""
        with self.transaction() as connection:
            query = select(RetirementRow.prototype_id).where(RetirementRow.revision_id == revision)
            return list(connection.execute(query).scalars())

    def prototypes(self) -> Iterator[StoredPrototype]:
        """All prototypes there are, whatever shows them, in the order of their ids."""
        with self.transaction() as connection:
            for row in connection.execution_options(yield_per=1000).execute(every_prototype()):
                yield read_prototype(row)

    def thumbnail_keys(self) -> set[str]:
        """Keys of all thumbnails that should exist; the empty key, for one never kept, is none."""
        with self.transaction() as connection:
            return _thumbnail_keys(connection)

    def checked_thumbnail_keys(self) -> set[str]:
        """:meth:`thumbnail_keys` with those that are no text any more, for a check to list.

        An index that lost a page has entries without a key, where the rows have theirs: ``NULL`` stands for
        them.
        """
        with self.checking() as connection:
            return {"NULL" if key is None else key for key in _thumbnail_keys(connection)}


def _thumbnail_keys(connection: Connection) -> set[str]:
    found: set[str] = set()
    for column in (*thumbnail_columns(GenerationRow), *thumbnail_columns(PrototypeRow)):
        found.update(connection.execute(select(column)).scalars())
    return found - {""}


def _written(connection: Connection, revision: int, keys: Sequence[UUID]) -> Iterable[UUID]:
    """Those of the generations that one revision has rows of."""
    mine = (GenerationRow.revision_id == revision) & GenerationRow.key.in_(keys)
    return connection.execute(select(GenerationRow.key).where(mine)).scalars()
