"""The bank's history in SQL: its manifest, revisions and tags."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import ColumnElement, delete, func, insert, select, update
from sqlalchemy.engine import Connection

from freeda_store.history import History, RevisionRecord
from freeda_store.sql.database import Database
from freeda_store.sql.identity import without_identity
from freeda_store.sql.row_values import check_row
from freeda_store.sql.rows import insert_new
from freeda_store.sql.tables import ManifestRow, PrototypeRow, RetirementRow, RevisionRow, TagRow


def now() -> str:
    """The time as all tables keep it: ISO 8601, UTC, seconds."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class RevisionTables(Database):
    """What made the bank, its revisions and their names."""

    # manifest

    def manifest(self) -> str | None:
        """The stored manifest's JSON."""
        with self.transaction() as connection:
            document = connection.execute(select(ManifestRow.document)).scalar()
        return None if document is None else without_identity(document)

    def write_manifest(self, document: str) -> None:
        """Store a new bank's manifest."""
        with self.transaction() as connection:
            row = insert_new(connection, ManifestRow)
            connection.execute(row.values(id=1, document=document, created_at=now()))

    # revisions and tags

    def history(self) -> History:
        """All revisions and tags."""
        table = RevisionRow.__table__
        with self.transaction() as connection:
            tags = connection.execute(
                select(TagRow.name, TagRow.revision_id)
            ).all()  # first: all are known below
            rows = connection.execute(select(table)).all()
        for row in rows:
            check_row(row, RevisionRow)
        records = [RevisionRecord(**row._mapping) for row in rows]
        return History(records, {row.name: row.revision_id for row in tags})

    def find_open(self, run_key: str) -> int | None:
        """The id of the open revision that an earlier run of this key left."""
        with self.transaction() as connection:
            return connection.execute(
                select(RevisionRow.id).where(RevisionRow.run_key == run_key, RevisionRow.number.is_(None))
            ).scalar()

    def open_revision(self, run_key: str, message: str) -> int:
        """The id of the open revision of this run, made when there is none."""
        if (found := self.find_open(run_key)) is not None:
            return found
        values = {"run_key": run_key, "message": message, "created_at": now()}
        counts = {"prototypes_added": 0, "prototypes_retired": 0}
        with self.transaction() as connection:
            return connection.execute(
                insert(RevisionRow).values(**values, **counts).returning(RevisionRow.id)
            ).scalar_one()

    def commit_revision(self, revision: int, parent: int | None) -> None:
        """Give a revision its number, its parent and its counts."""
        with self.transaction() as connection:
            last = connection.execute(select(func.max(RevisionRow.number))).scalar() or 0
            connection.execute(
                update(RevisionRow)
                .where(RevisionRow.id == revision, RevisionRow.number.is_(None))
                .values(
                    number=last + 1,
                    parent_id=parent,
                    committed_at=now(),
                    prototypes_added=count_rows(connection, PrototypeRow.revision_id == revision),
                    prototypes_retired=count_rows(connection, RetirementRow.revision_id == revision),
                )
            )

    def drop_revision(self, revision: int) -> None:
        """Forget an open revision that holds nothing."""
        with self.transaction() as connection:
            connection.execute(delete(RetirementRow).where(RetirementRow.revision_id == revision))
            connection.execute(delete(RevisionRow).where(RevisionRow.id == revision))

    def set_tag(self, name: str, revision: int) -> None:
        """Name a revision; a tag of this name moves."""
        with self.transaction() as connection:
            connection.execute(delete(TagRow).where(TagRow.name == name))
            connection.execute(insert(TagRow).values(name=name, revision_id=revision, created_at=now()))

    def drop_tag(self, name: str) -> None:
        """Forget a tag."""
        with self.transaction() as connection:
            connection.execute(delete(TagRow).where(TagRow.name == name))


def count_rows(connection: Connection, condition: ColumnElement[bool]) -> int:
    """How many rows a condition lets through."""
    return connection.execute(select(func.count()).where(condition)).scalar_one()
