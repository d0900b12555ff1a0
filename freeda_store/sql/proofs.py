"""Rows of prototypes with all that proves them: their checksums, and the ids that hang on their content."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from sqlalchemy import bindparam, select, update
from sqlalchemy.orm import InstrumentedAttribute

from freeda_store.digests import Checksums, semantic_digest
from freeda_store.payload import StoredPrototype
from freeda_store.records import FloatArray
from freeda_store.sql.catalog import Catalog
from freeda_store.sql.revision_tables import count_rows
from freeda_store.sql.rows import every_prototype, read_prototype
from freeda_store.sql.tables import CaptionRow, PrototypeRow, RevisionRow
from freeda_store.sql.visibility import chunks

_PAGE = 1000


@dataclass(frozen=True)
class ListedPrototype:
    """A prototype as SQL lists it.

    Attributes:
        prototype: its row, its generation's and its caption's, extra fields included.
        proof: its checksums.
        caption_id: the id of its caption's row, which is a hash of all of the caption.
    """

    prototype: StoredPrototype
    proof: Checksums
    caption_id: UUID


def listed_prototypes(catalog: Catalog) -> Generator[ListedPrototype, None, None]:
    """All prototypes there are, in the order of their ids. No transaction is open between them."""
    last: UUID | None = None
    while page := _page(catalog, last):
        yield from page
        last = page[-1].prototype.id


def _page(catalog: Catalog, after: UUID | None) -> list[ListedPrototype]:
    p, c = PrototypeRow.__table__.c, CaptionRow.__table__.c
    query = every_prototype() if after is None else every_prototype().where(p.id > after)
    found = []
    with catalog.checking() as connection:
        for row in connection.execute(query.limit(_PAGE)):
            read, get = read_prototype(row), row._mapping
            read = replace(read, caption=replace(read.caption, extra=get[c.extra]))
            proof = Checksums(get[p.vectors_digest], get[p.record_digest], get[p.semantic_digest])
            found.append(ListedPrototype(read, proof, get[c.id]))
    return found


def vectors_digests(catalog: Catalog, ids: Iterable[UUID]) -> dict[UUID, bytes]:
    """Checksums of prototypes' vectors; those that have none are left out."""
    return _digests(catalog, PrototypeRow.vectors_digest, ids)


def semantic_digests(catalog: Catalog, ids: Iterable[UUID]) -> dict[UUID, bytes]:
    """Checksums of prototypes' semantic vectors; those that have none are left out."""
    return _digests(catalog, PrototypeRow.semantic_digest, ids)


def count_semantics(catalog: Catalog, revision: int) -> int:
    """How many of the prototypes that a revision wrote have a semantic vector."""
    held = (PrototypeRow.revision_id == revision) & PrototypeRow.semantic_digest.is_not(None)
    with catalog.transaction() as connection:
        return count_rows(connection, held)


def proved_semantics(catalog: Catalog, ids: Sequence[UUID], semantics: FloatArray) -> FloatArray:
    """The same array, with zeros in place of vectors that are not what was written; they can be made again.

    Args:
        catalog: with the checksums.
        ids: of prototypes.
        semantics: float32 (N, D_clip), one row each; changed in place.
    """
    proofs = semantic_digests(catalog, ids)
    for row, id_ in enumerate(ids):
        if proofs.get(id_) != semantic_digest(semantics[row]):
            semantics[row] = 0
    return semantics


def _digests(
    catalog: Catalog, column: InstrumentedAttribute[bytes | None], ids: Iterable[UUID]
) -> dict[UUID, bytes]:
    found: dict[UUID, bytes] = {}
    with catalog.transaction() as connection:
        for batch in chunks(ids):
            query = select(PrototypeRow.id, column).where(PrototypeRow.id.in_(batch))
            found |= {id_: digest for id_, digest in connection.execute(query) if digest is not None}
    return found


def set_semantic_digests(catalog: Catalog, digests: Mapping[UUID, bytes | None]) -> None:
    """Write down checksums of semantic vectors, None for those that are gone."""
    rows = [{"which": id_, "semantic": digest} for id_, digest in digests.items()]
    if not rows:
        return
    table = PrototypeRow.__table__
    change = update(PrototypeRow).where(table.c.id == bindparam("which"))
    with catalog.transaction() as connection:
        connection.execute(change.values(semantic_digest=bindparam("semantic")), rows)


def without_semantic(catalog: Catalog) -> Generator[list[UUID], None, None]:
    """Prototypes of committed revisions that have no semantic vector, in the order of their ids, some at
    a time. No transaction is open between them."""
    p = PrototypeRow.__table__.c
    last: UUID | None = None
    while True:
        query = (
            select(p.id)
            .join(RevisionRow, RevisionRow.id == p.revision_id)
            .where(p.semantic_digest.is_(None), RevisionRow.number.is_not(None))
            .order_by(p.id)
            .limit(_PAGE)
        )
        with catalog.checking() as connection:
            page = list(connection.execute(query if last is None else query.where(p.id > last)).scalars())
        if not page:
            return
        yield page
        last = page[-1]


def add_checksums(catalog: Catalog, proofs: Mapping[UUID, Checksums]) -> None:
    """Write down checksums of prototypes that have none, and leave those alone that have."""
    columns = (("vectors_digest", PrototypeRow.vectors_digest), ("record_digest", PrototypeRow.record_digest))
    with catalog.transaction() as connection:
        for name, column in columns:
            attribute = name.removesuffix("_digest")
            rows = [
                {"which": id_, name: getattr(proof, attribute)}
                for id_, proof in proofs.items()
                if getattr(proof, attribute) is not None
            ]
            if rows:
                table = PrototypeRow.__table__
                change = update(PrototypeRow).where(table.c.id == bindparam("which"), column.is_(None))
                connection.execute(change.values({name: bindparam(name)}), rows)


def replace_checksums(catalog: Catalog, proofs: Mapping[UUID, Checksums]) -> None:
    """Write down checksums in place of those that are proved wrong."""
    with catalog.transaction() as connection:
        for id_, proof in proofs.items():
            change = update(PrototypeRow).where(PrototypeRow.id == id_)
            connection.execute(change.values(vectors_digest=proof.vectors, record_digest=proof.record))
