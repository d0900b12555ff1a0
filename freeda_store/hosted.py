"""A hosted bank: vectors on a Qdrant server, SQL on PostgreSQL, thumbnails at an fsspec URL."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from freeda_store.catalog import Catalog
from freeda_store.disk_recall import open_recall
from freeda_store.errors import BankDamagedError, BankError, BankMissingError, StorageError
from freeda_store.manifest import Manifest
from freeda_store.postgres import AdvisoryLock, AdvisoryRuns, has_tables, migrate, open_postgres
from freeda_store.published import Published, PublishedCatalog, Publisher
from freeda_store.remote_thumbnails import NoThumbnails, RemoteThumbnails
from freeda_store.settings import Profile, plain_path
from freeda_store.stores import Stores
from freeda_store.thumbnails import FolderThumbnails, ThumbnailStore
from freeda_store.vectors.client import connect_qdrant
from freeda_store.vectors.collection import create_aliased, read_metadata
from freeda_store.vectors.protocol import VectorSizes
from freeda_store.vectors.server import ServerVectors
from freeda_store.web_thumbnails import WebThumbnails

if TYPE_CHECKING:
    from qdrant_client import QdrantClient

logger = logging.getLogger(__name__)


def open_hosted(profile: Profile, create: Manifest | None) -> tuple[Stores, Manifest]:
    """Open the bank of a profile; make it first when there is none and ``create`` is given.

    Raises:
        BankMissingError: the server has no such bank, and ``create`` is not given.
        ReadOnlyBankError, SettingsError, StorageError, BankDamagedError, NewerSchemaError,
        UpgradeError, ManifestMismatchError: see their descriptions.
    """
    client = connect_qdrant(profile)
    try:
        if profile.sql_url:
            return _open_writer(profile, client, create)
        return _open_reader(profile, client, create)
    except BaseException:
        client.close()
        raise


def open_thumbnails(profile: Profile) -> ThumbnailStore:
    """The thumbnails of a profile."""
    if not profile.thumbnails:
        return NoThumbnails(profile.name)
    folder = plain_path(profile.thumbnails)
    if folder is not None:
        return FolderThumbnails(folder)
    web = profile.thumbnails.lower().startswith(("http://", "https://"))
    return WebThumbnails(profile.thumbnails) if web else RemoteThumbnails(profile.thumbnails)


def _open_reader(profile: Profile, client: QdrantClient, create: Manifest | None) -> tuple[Stores, Manifest]:
    collection = profile.collection
    if read_metadata(client, collection) is None:
        raise BankMissingError(_missing(profile, "a profile that names its sql_url"))
    vectors = ServerVectors.load(client, collection, profile.request_bytes)
    refusal = (
        f"profile '{profile.name}' names no sql_url, so its bank can be searched but not written, tagged, "
        "exported or verified; add sql_url and thumbnails to the profile."
    )
    catalog = PublishedCatalog(client, collection, vectors, refusal)
    manifest = catalog.published().manifest
    _check_sizes(collection, manifest, vectors.sizes)
    if create is not None:
        manifest.check(create)
    recall = open_recall(profile, manifest)
    return Stores(catalog, vectors, open_thumbnails(profile), Path(profile.name), recall=recall), manifest


def _open_writer(profile: Profile, client: QdrantClient, create: Manifest | None) -> tuple[Stores, Manifest]:
    password, collection = profile.sql_password(), profile.collection
    engine = open_postgres(profile.sql_url, password)
    sessions = open_postgres(profile.sql_url, password, pooled=False)
    catalog = Catalog(engine)
    try:
        lock = AdvisoryLock(sessions, f"bank {collection}")
        with lock:
            if not has_tables(engine):
                _require_new(profile, client, create)
            migrate(engine)
            manifest = _manifest(profile, client, catalog, create)
            vectors = ServerVectors.load(client, collection, profile.request_bytes)
            _check_sizes(collection, manifest, vectors.sizes)
            publisher = Publisher(client, collection, catalog, manifest, lock)
            _catch_up(publisher)
    except BaseException:
        catalog.close()
        raise
    stores = Stores(
        catalog,
        vectors,
        open_thumbnails(profile),
        Path(profile.name),
        writing=AdvisoryRuns(sessions, collection),
        commit_lock=lock,
        publish=publisher,
        recall=open_recall(profile, manifest),
    )
    return stores, manifest


def _require_new(profile: Profile, client: QdrantClient, create: Manifest | None) -> None:
    """Before tables are made: the bank must be wanted, and the server must not hold one."""
    if read_metadata(client, profile.collection) is not None:
        raise BankDamagedError(
            f"collection '{profile.collection}' holds a bank whose database is empty; restore the database "
            "from its dump, or name the right sql_url."
        )
    if create is None:
        raise BankMissingError(_missing(profile, f"`freeda ingest --bank {profile.name}`"))


def _manifest(profile: Profile, client: QdrantClient, catalog: Catalog, create: Manifest | None) -> Manifest:
    """The stored manifest; writes it, and makes the collection, when the bank is new."""
    collection, document = profile.collection, catalog.manifest()
    manifest = None if document is None else Manifest.from_json(document)
    if manifest is not None and create is not None:
        manifest.check(create)
    made = read_metadata(client, collection) is not None
    if manifest is not None and made:
        return manifest
    if made or catalog.history().head is not None:
        raise BankDamagedError(
            f"the database of profile '{profile.name}' and collection '{collection}' do not belong together: "
            "one of them is empty; restore both from copies of one time, or correct the profile."
        )
    if create is None:
        raise BankMissingError(_missing(profile, f"`freeda ingest --bank {profile.name}`"))
    if min(create.keys.dim, create.backbone.dim) < 1:
        raise BankError("a bank's manifest must give the dim of its keys and of its backbone, at least 1.")
    if manifest is None:
        catalog.write_manifest(create.model_dump_json())
        manifest = create
    sizes = VectorSizes(manifest.keys.dim, manifest.backbone.dim)
    create_aliased(client, collection, sizes, Published(manifest, (), {}, 0, {}).to_json())
    return manifest


def _catch_up(publisher: Publisher) -> None:
    """Publish what an earlier writer did not come to; refuse two stores of different histories."""
    published = publisher.current()
    stored = {(r.id, r.number, r.committed_at) for r in publisher.catalog.history().committed_records()}
    told = {(r.id, r.number, r.committed_at) for r in published.records} if published else set()
    if told - stored:
        raise BankDamagedError(
            f"collection '{publisher.collection}' knows revisions that the database does not; restore both "
            "from copies of one time, or correct the profile's collection or sql_url."
        )
    try:
        publisher()
    except StorageError as error:
        logger.warning("the history could not be published: %s", error)


def _check_sizes(collection: str, manifest: Manifest, sizes: VectorSizes) -> None:
    if sizes != VectorSizes(manifest.keys.dim, manifest.backbone.dim):
        raise BankDamagedError(
            f"the vectors in collection '{collection}' have lengths {sizes.text} and {sizes.visual}, its "
            f"manifest says {manifest.keys.dim} and {manifest.backbone.dim}; restore both from one copy."
        )


def _missing(profile: Profile, how: str) -> str:
    return (
        f"the server of profile '{profile.name}' has no bank in collection '{profile.collection}'; "
        f"make it with {how}."
    )
