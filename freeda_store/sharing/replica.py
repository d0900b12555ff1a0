"""The SQL of a revision that arrives from elsewhere: written row by row, and open until it is whole.

While it arrives, its row has no number, so no view shows it, and a run key that says which revision
it is to become and how much of it is there. A local run cannot take it for its own.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import delete, insert, select, text, update
from sqlalchemy.engine import Connection

from freeda_store.digests import Checksums
from freeda_store.history import RevisionRecord
from freeda_store.sharing.parts import Part
from freeda_store.sql.catalog import Catalog
from freeda_store.sql.rows import insert_generations, insert_retirements, thumbnail_columns
from freeda_store.sql.tables import GenerationRow, PrototypeRow, RetirementRow, RevisionRow
from freeda_store.sql.visibility import chunks

_PREFIX = "copy of "
_BATCH = 256


@dataclass(frozen=True)
class Arriving:
    """How much of a revision is there.

    Attributes:
        becomes: names the revision with all its fields.
        parts, prototypes: how many were stored.
    """

    becomes: str
    parts: int = 0
    prototypes: int = 0

    @classmethod
    def of(cls, record: RevisionRecord) -> Arriving:
        """Nothing of a revision yet."""
        document = json.dumps(asdict(record), sort_keys=True)
        return cls(hashlib.sha256(document.encode("utf-8", "surrogatepass")).hexdigest()[:32])

    @classmethod
    def read(cls, run_key: str) -> Arriving | None:
        """What a run key says; None when it is that of a local run."""
        words = run_key.removeprefix(_PREFIX).split()
        if not run_key.startswith(_PREFIX) or len(words) != 5:
            return None
        becomes, parts, _, prototypes, _ = words
        known = parts.isascii() and parts.isdigit() and prototypes.isascii() and prototypes.isdigit()
        return cls(becomes, int(parts), int(prototypes)) if known else None

    def run_key(self) -> str:
        """What :meth:`read` reads."""
        return f"{_PREFIX}{self.becomes} {self.parts} parts, {self.prototypes} prototypes"


class Replica:
    """Writes revisions that exist elsewhere into a bank's tables, with their ids."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def open_revisions(self) -> list[tuple[int, str, str]]:
        """Id, run key and message of the revisions that are open."""
        query = select(RevisionRow.id, RevisionRow.run_key, RevisionRow.message)
        with self._catalog.transaction() as connection:
            found = connection.execute(query.where(RevisionRow.number.is_(None)).order_by(RevisionRow.id))
            return [(row.id, row.run_key, row.message) for row in found]

    def reserve(self, last: int) -> None:
        """See to it that a new revision gets an id above ``last``."""
        with self._catalog.transaction() as connection:
            if connection.dialect.name == "postgresql":
                _reserve_on_postgres(connection, last)
            else:
                _reserve_on_sqlite(connection, last)

    def insert(self, record: RevisionRecord) -> None:
        """Open the revision that is to arrive."""
        row = {
            "id": record.id,
            "run_key": Arriving.of(record).run_key(),
            "message": record.message,
            "created_at": record.created_at,
            "prototypes_added": 0,
            "prototypes_retired": 0,
        }
        with self._catalog.transaction() as connection:
            connection.execute(insert(RevisionRow).values(**row))

    def arriving(self, record: RevisionRecord) -> Arriving | None:
        """How much of a revision is there; None when it was not begun."""
        query = select(RevisionRow.run_key).where(RevisionRow.id == record.id, RevisionRow.number.is_(None))
        with self._catalog.transaction() as connection:
            run_key = connection.execute(query).scalar()
        return None if run_key is None else Arriving.read(run_key)

    def add(self, revision: int, part: Part, proofs: Mapping[UUID, Checksums], after: Arriving) -> None:
        """Store a part and how much is there with it, in one transaction."""
        with self._catalog.transaction() as connection:
            insert_generations(connection, revision, part.generations, proofs)
            connection.execute(
                update(RevisionRow).where(RevisionRow.id == revision).values(run_key=after.run_key())
            )

    def retire(self, revision: int, ids: Sequence[UUID]) -> list[UUID]:
        """Write down what the revision hides; returns those of the prototypes that are here."""
        known: list[UUID] = []
        with self._catalog.transaction() as connection:
            for batch in chunks(ids):
                query = select(PrototypeRow.id).where(PrototypeRow.id.in_(batch))
                known.extend(connection.execute(query).scalars())
            insert_retirements(connection, revision, known)
        return known

    def close(self, record: RevisionRecord) -> None:
        """Give an open revision all that its record says: from now on it counts."""
        values = {name: value for name, value in asdict(record).items() if name != "id"}
        with self._catalog.transaction() as connection:
            connection.execute(update(RevisionRow).where(RevisionRow.id == record.id).values(**values))

    def some_prototypes(self, revision: int) -> tuple[list[UUID], set[str]]:
        """Prototypes of some generations of an open revision, and the thumbnails of both.

        No thumbnails means that there is no generation left; see :meth:`forget_some`.
        """
        with self._catalog.transaction() as connection:
            generations = _some_generations(connection, revision)
            prototypes = connection.execute(
                select(PrototypeRow.id, *thumbnail_columns(PrototypeRow)).where(
                    PrototypeRow.generation_id.in_(list(generations))
                )
            ).all()
        keys = (key for named in (*generations.values(), *(row[1:] for row in prototypes)) for key in named)
        return [row.id for row in prototypes], set(keys)

    def forget_some(self, revision: int) -> None:
        """Forget those generations, with their prototypes and what others retire of them."""
        with self._catalog.transaction() as connection:
            generations = list(_some_generations(connection, revision))
            prototypes = select(PrototypeRow.id).where(PrototypeRow.generation_id.in_(generations))
            connection.execute(delete(RetirementRow).where(RetirementRow.prototype_id.in_(prototypes)))
            connection.execute(delete(PrototypeRow).where(PrototypeRow.generation_id.in_(generations)))
            connection.execute(delete(GenerationRow).where(GenerationRow.id.in_(generations)))


def _some_generations(connection: Connection, revision: int) -> dict[int, tuple[str, ...]]:
    """The first generations of a revision: their thumbnails' keys by the ids of their rows."""
    columns = (GenerationRow.id, *thumbnail_columns(GenerationRow))
    query = select(*columns).where(GenerationRow.revision_id == revision)
    rows: Iterable[Any] = connection.execute(query.order_by(GenerationRow.id).limit(_BATCH))
    return {id_: tuple(keys) for id_, *keys in rows}


def _reserve_on_postgres(connection: Connection, last: int) -> None:
    """Move the sequence. The table's lock keeps every insert, and so every new id, out meanwhile."""
    connection.execute(text("LOCK TABLE revision IN SHARE ROW EXCLUSIVE MODE"))
    sequence = connection.execute(text("SELECT pg_get_serial_sequence('revision', 'id')")).scalar_one()
    connection.execute(
        text(f"SELECT setval(:name, GREATEST(:last, (SELECT last_value FROM {sequence})))"),  # noqa: S608
        {"name": sequence, "last": last},
    )


def _reserve_on_sqlite(connection: Connection, last: int) -> None:
    """Move what AUTOINCREMENT counts on from; it has no row before the first insert."""
    known = connection.execute(text("SELECT seq FROM sqlite_sequence WHERE name = 'revision'")).scalar()
    if known is None:
        change = "INSERT INTO sqlite_sequence (name, seq) VALUES ('revision', :last)"
    else:
        change = "UPDATE sqlite_sequence SET seq = max(seq, :last) WHERE name = 'revision'"
    connection.execute(text(change), {"last": last})
