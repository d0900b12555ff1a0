"""The identity of a hosted bank. It lies in the database, in the row of the manifest, and on the board among
the points, so that two stores that do not belong together are never written together.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from uuid import UUID

if TYPE_CHECKING:
    from freeda_store.sql.catalog import Catalog

_FIELD = "bank"


def without_identity(document: str) -> str:
    """The manifest's JSON alone; what is no such document comes back as it is."""
    kept = _read(document)
    if _FIELD not in kept:
        return document
    return json.dumps({name: value for name, value in kept.items() if name != _FIELD})


def read_identity(catalog: Catalog) -> UUID | None:
    """The identity that a database holds; None before :func:`write_identity`."""
    told = _read(_document(catalog)).get(_FIELD)
    try:
        return UUID(told) if isinstance(told, str) else None
    except ValueError:
        return None


def write_identity(catalog: Catalog, identity: UUID) -> None:
    """Give the bank of a database its identity."""
    from sqlalchemy import update

    from freeda_store.sql.tables import ManifestRow

    document = json.dumps(_read(_document(catalog)) | {_FIELD: str(identity)})
    with catalog.transaction() as connection:
        connection.execute(update(ManifestRow).values(document=document))


def _document(catalog: Catalog) -> str:
    from sqlalchemy import select

    from freeda_store.sql.tables import ManifestRow

    with catalog.transaction() as connection:
        return connection.execute(select(ManifestRow.document)).scalar() or ""


def _read(document: str) -> dict[str, Any]:
    try:
        kept = json.loads(document)
    except (ValueError, RecursionError):
        return {}
    return kept if isinstance(kept, dict) else {}
