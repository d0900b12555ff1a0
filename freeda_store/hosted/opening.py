"""A hosted bank: vectors on a Qdrant server, SQL on PostgreSQL, thumbnails at an fsspec URL."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

from freeda_store.errors import (
    BankDamagedError,
    BankError,
    BankMissingError,
    NewerSchemaError,
    StorageError,
)
from freeda_store.hosted.agreement import require_view
from freeda_store.hosted.aliases import homes_of, say_missing
from freeda_store.hosted.disk_recall import open_recall
from freeda_store.hosted.published import PUBLISHED_FORMAT, Published
from freeda_store.hosted.published_catalog import PublishedCatalog
from freeda_store.hosted.publishing import Publisher, strange_bank
from freeda_store.manifest import Manifest
from freeda_store.patience import Patience
from freeda_store.profiles.settings import Profile, plain_path
from freeda_store.sql.catalog import Catalog
from freeda_store.sql.identity import read_identity, write_identity
from freeda_store.sql.patient_catalog import PatientCatalog
from freeda_store.sql.postgres import AdvisoryLock, AdvisoryRuns, asking, has_tables, migrate, open_postgres
from freeda_store.sql.sessions import refuse_pooler
from freeda_store.thumbnails.folder import FolderThumbnails, ThumbnailStore
from freeda_store.thumbnails.remote import NoThumbnails, RemoteThumbnails
from freeda_store.thumbnails.web import WebThumbnails
from freeda_store.vectors.board import Board
from freeda_store.vectors.client import connect_qdrant
from freeda_store.vectors.collection import (
    CollectionFacts,
    create_collection,
    give_alias,
    look,
    own_name,
    write_metadata,
)
from freeda_store.vectors.filters import PointFilter
from freeda_store.vectors.sending import guard
from freeda_store.vectors.server import ServerVectors
from freeda_store.vectors.upkeep import CollectionUpkeep
from freeda_store.writing.stores import Stores

if TYPE_CHECKING:
    from qdrant_client import QdrantClient


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
    if web:
        return WebThumbnails(profile.thumbnails)
    return RemoteThumbnails(profile.thumbnails, Patience(profile.retry_seconds))


def _open_reader(profile: Profile, client: QdrantClient, create: Manifest | None) -> tuple[Stores, Manifest]:
    collection = profile.collection
    facts = look(client, collection)
    if facts is None:
        raise BankMissingError(_missing(profile, "a profile that names its sql_url"))
    board, vectors = Board(client, collection), _vectors(profile, client, facts)
    refusal = (
        f"profile '{profile.name}' names no sql_url, so its bank can be searched but not written, tagged, "
        "exported or verified; add sql_url and thumbnails to the profile."
    )
    if facts.metadata is None and board.peek() is None:
        raise _no_bank(collection)
    catalog = PublishedCatalog(board, vectors, facts.metadata, refusal)
    published = catalog.published()
    manifest = published.manifest
    manifest.check_sizes(vectors.sizes, f"in collection '{collection}'")
    if create is not None:
        manifest.check(create)
    _check_view(published, vectors, collection)
    recall = open_recall(profile, manifest, catalog.bank)
    thumbnails, folder = open_thumbnails(profile), Path(profile.name)
    stores = Stores(catalog, vectors, thumbnails, folder, before_writing=catalog.require_sql, recall=recall)
    return stores, manifest


def _check_view(published: Published, vectors: ServerVectors, collection: str) -> None:
    """Ask whether the points are as many as the newest revision is said to show."""
    history = published.history()
    head = history.head
    if head is not None and head.id in published.counts:
        held = vectors.count(PointFilter(view=history.view(head.id)))
        require_view(held, published.counts[head.id].prototypes, head.number or 0, collection)


def _open_writer(profile: Profile, client: QdrantClient, create: Manifest | None) -> tuple[Stores, Manifest]:
    password, collection = profile.sql_password(), profile.collection
    patience = Patience(profile.retry_seconds)
    engine = open_postgres(profile.sql_url, password, patience)
    sessions = open_postgres(profile.sql_url, password, patience, pooled=False)
    catalog = PatientCatalog(engine, patience)
    try:
        with asking(sessions):
            refuse_pooler(sessions)
        lock = AdvisoryLock(sessions, "bank")
        with lock:
            if not has_tables(engine):
                _require_new(profile, client, create)
            migrate(engine)
            manifest, facts = _manifest(profile, client, catalog, create)
            vectors = _vectors(profile, client, facts)
            manifest.check_sizes(vectors.sizes, f"in collection '{collection}'")
            publisher = _publisher(profile, client, catalog, manifest, vectors, lock, facts)
    except BaseException:
        catalog.close()
        raise
    stores = Stores(
        catalog,
        vectors,
        open_thumbnails(profile),
        Path(profile.name),
        writing=AdvisoryRuns(sessions, "bank"),
        commit_lock=lock,
        publish=publisher,
        recall=open_recall(profile, manifest, str(publisher.bank)),
        catch_up=publisher.catch_up,
        before_writing=publisher.before_writing,
        upkeep=CollectionUpkeep(client, collection, vectors.sizes),
    )
    return stores, manifest


def _require_new(profile: Profile, client: QdrantClient, create: Manifest | None) -> None:
    """Before tables are made: the bank must be wanted, and the server must not hold one."""
    facts = look(client, profile.collection)
    if facts is not None:
        if facts.metadata is None and Board(client, profile.collection).peek() is None:
            raise _no_bank(profile.collection)
        raise BankDamagedError(
            f"collection '{profile.collection}' holds a bank whose database is empty; restore the database "
            "from its dump, or name the right sql_url."
        )
    if create is None:
        raise BankMissingError(_missing(profile, f"`freeda ingest --bank {profile.name}`"))


def _manifest(
    profile: Profile, client: QdrantClient, catalog: Catalog, create: Manifest | None
) -> tuple[Manifest, CollectionFacts]:
    """The stored manifest and the facts of the collection; makes both when the bank is new."""
    collection, document = profile.collection, catalog.manifest()
    manifest = None if document is None else Manifest.from_json(document)
    if manifest is not None and create is not None:
        manifest.check(create)
    facts = look(client, collection)
    if manifest is not None and facts is not None:
        return manifest, facts
    if facts is not None:
        raise say_missing(profile, ())
    if catalog.history().head is not None:
        raise say_missing(profile, homes_of(client, collection, read_identity(catalog)))
    if create is None:
        raise BankMissingError(_missing(profile, f"`freeda ingest --bank {profile.name}`"))
    if min(create.keys.dim, create.backbone.dim) < 1:
        raise BankError("a bank's manifest must give the dim of its keys and of its backbone, at least 1.")
    if manifest is None:
        catalog.write_manifest(create.model_dump_json())
        manifest = create
    return manifest, _create(client, collection, catalog, manifest)


def _create(client: QdrantClient, collection: str, catalog: Catalog, manifest: Manifest) -> CollectionFacts:
    """Make a bank's collection, whole before it gets the bank's name."""
    bank = read_identity(catalog) or uuid4()
    write_identity(catalog, bank)
    sizes, marker = manifest.sizes, _marker(bank)
    real = own_name(collection)
    create_collection(client, real, sizes, marker)
    Board(client, real).put(Published(manifest).to_notes(bank).head, {})
    if look(client, collection) is None:
        give_alias(client, real, collection)
        stamp = Board(client, collection).peek()
        if stamp is not None and stamp.bank == str(bank):
            return CollectionFacts(sizes, marker)
    guard(collection, lambda: client.delete_collection(real))
    raise BankDamagedError(
        f"another database's bank was made as collection '{collection}' at the same moment; name another "
        "collection in one of the two profiles."
    )


def _publisher(
    profile: Profile,
    client: QdrantClient,
    catalog: Catalog,
    manifest: Manifest,
    vectors: ServerVectors,
    lock: AdvisoryLock,
    facts: CollectionFacts,
) -> Publisher:
    """What publishes a bank; an old bank gets its identity here, and its collection a marker later."""
    board = Board(client, profile.collection)
    stamp, bank = board.peek(), read_identity(catalog)
    if bank is None:
        bank = UUID(stamp.bank) if stamp is not None else uuid4()
        write_identity(catalog, bank)
    marker, first = _marker(bank), None
    if stamp is None and facts.metadata is not None:
        told = _marked(facts.metadata)
        if told is not None and told != str(bank):
            raise strange_bank(profile.collection, told, bank)
        first = _first(facts.metadata, profile.collection) if told is None else None
    mark = partial(write_metadata, client, profile.collection, marker)
    return Publisher(
        board,
        vectors,
        catalog,
        manifest,
        bank,
        lock,
        profile.qdrant_api_key_env,
        first=first,
        mark=None if facts.metadata == marker else mark,
    )


def _marker(bank: UUID) -> str:
    """What the collection's metadata says: whose it is, and that older versions cannot read the rest."""
    return json.dumps({"format": PUBLISHED_FORMAT, "bank": str(bank)})


def _marked(metadata: str) -> str | None:
    """The bank that a marker names."""
    try:
        told = json.loads(metadata)
    except (ValueError, RecursionError):
        return None
    bank = told.get("bank") if isinstance(told, dict) else None
    return bank if isinstance(bank, str) else None


def _first(metadata: str, collection: str) -> Published | None:
    try:
        return Published.from_metadata(metadata, collection)
    except NewerSchemaError:
        raise
    except BankDamagedError:
        return None


def _vectors(profile: Profile, client: QdrantClient, facts: CollectionFacts) -> ServerVectors:
    collection = profile.collection
    if facts.sizes is None:
        raise BankDamagedError(
            f"collection '{collection}' holds no bank of freeda: it needs vectors text and visual; name "
            "another in the profile."
        )
    return ServerVectors(
        client, collection, facts.sizes, profile.request_bytes, searches_regions=facts.searches_regions
    )


def _no_bank(collection: str) -> StorageError:
    return StorageError(
        f"the Qdrant collection '{collection}' holds no bank of freeda; name another in the profile."
    )


def _missing(profile: Profile, how: str) -> str:
    return (
        f"the server of profile '{profile.name}' has no bank in collection '{profile.collection}'; "
        f"make it with {how}."
    )
