"""Whether the points of a hosted bank are those that its database lists: two requests, no walk.

A collection that was restored from an older snapshot lacks whole revisions, or says nothing of what they
retired. ``verify`` compares point by point; this only counts, and is cheap enough for every opening.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING

from freeda_store.errors import BankDamagedError
from freeda_store.vectors.filters import PointFilter

if TYPE_CHECKING:
    from sqlalchemy.orm import InstrumentedAttribute

    from freeda_store.history import History
    from freeda_store.sql.catalog import Catalog
    from freeda_store.vectors.server import ServerVectors

logger = logging.getLogger(__name__)

MENDING = (
    "restore collection and database from copies of one time; or run `freeda bank verify --repair`, which "
    "forgets what is lost, then the same `freeda ingest`, which draws it again."
)


def require_points(catalog: Catalog, vectors: ServerVectors, collection: str) -> None:
    """Refuse points that are fewer, or say less of what was retired, than the database lists.

    More points than rows are no danger to what is stored: they are logged, and ``verify`` names them.

    Raises:
        BankDamagedError: names the revisions.
    """
    from freeda_store.sql.tables import PrototypeRow, RetirementRow

    # the points first: a revision that is committed meanwhile is then in the database too
    added, retired = (vectors.tally(field, PointFilter()) for field in ("added_in", "retired_in"))
    history = catalog.history()
    for name, column, held in (
        ("points", PrototypeRow.revision_id, added),
        ("retirements", RetirementRow.revision_id, retired),
    ):
        listed = _count_by_revision(catalog, column)
        _compare(name, listed, {int(key): count for key, count in held.items()}, history, collection)


def require_view(points: int, shown: int, number: int, collection: str) -> None:
    """Refuse, for a reader without SQL, points that are not as many as the newest revision shows.

    Raises:
        BankDamagedError: names both numbers.
    """
    if points != shown:
        raise BankDamagedError(
            f"collection '{collection}' holds {points:,} of the {shown:,} prototypes that its revision "
            f"{number} shows; ask a writer of the bank to run `freeda bank verify`."
        )


def _compare(
    name: str, listed: Mapping[int, int], held: Mapping[int, int], history: History, collection: str
) -> None:
    short = [id_ for id_, count in sorted(listed.items()) if held.get(id_, 0) < count]
    if short:
        there, due = sum(held.get(id_, 0) for id_ in short), sum(listed[id_] for id_ in short)
        numbers = ", ".join(str(history.number_of(id_)) for id_ in short[:5])
        more = f" and {len(short) - 5} more" if len(short) > 5 else ""
        raise BankDamagedError(
            f"collection '{collection}' holds {there:,} of the {due:,} {name} that the database lists for "
            f"revision {numbers}{more}: it was restored from an older copy, or has lost some. Nothing was "
            f"changed; {MENDING}"
        )
    beyond = [id_ for id_, count in held.items() if history.number_of(id_) and count > listed.get(id_, 0)]
    if beyond:
        logger.warning("collection %s holds more %s than the database lists", collection, name)


def _count_by_revision(catalog: Catalog, column: InstrumentedAttribute[int]) -> dict[int, int]:
    """How many rows each committed revision has, by its id."""
    from sqlalchemy import func, select

    from freeda_store.sql.tables import RevisionRow

    committed = select(RevisionRow.id).where(RevisionRow.number.is_not(None))
    query = select(column, func.count()).where(column.in_(committed)).group_by(column)
    with catalog.transaction() as connection:
        return {int(revision): int(count) for revision, count in connection.execute(query)}
