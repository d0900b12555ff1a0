"""What readers without SQL need, published with the collection: manifest, history and counts.

SQL stays the truth. A writer publishes after every commit, tag and repair, and again when it opens a
bank whose last publication was cut short.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, NoReturn, Self
from uuid import UUID

from pydantic import BaseModel, ValidationError, model_validator

from freeda_store.address import TAG_PATTERN
from freeda_store.catalog import Catalog
from freeda_store.counts import ViewCounts, count_view
from freeda_store.documents import Count, Document, Id, Moment, Text, check_order, fault_of
from freeda_store.errors import BankDamagedError, BankMissingError, NewerSchemaError, ReadOnlyBankError
from freeda_store.manifest import Manifest
from freeda_store.revisions import History, RevisionRecord
from freeda_store.vectors.collection import read_metadata, write_metadata
from freeda_store.vectors.filters import PointFilter, View

if TYPE_CHECKING:
    from qdrant_client import QdrantClient

    from freeda_store.vectors.protocol import Payload, VectorStore

PUBLISHED_FORMAT = 1


class _Revision(Document):
    id: Id
    number: Id
    parent_id: Id | None
    run_key: Text
    message: Text
    created_at: Moment
    committed_at: Moment | None
    prototypes_added: Count
    prototypes_retired: Count


class _Counts(Document):
    prototypes: Count
    nouns: Count
    captions: Count
    generations: Count
    by_source: dict[Text, Count]
    by_license: dict[Text, Count]


class _Version(BaseModel):
    """What every version of the document says."""

    format: int


class _Document(Document):
    """The document as it lies beside the points, which anybody with a key may have written."""

    format: int
    manifest: Manifest
    revisions: tuple[_Revision, ...]
    tags: dict[str, int]
    unfinished: Count
    counts: dict[int, _Counts]

    @model_validator(mode="after")
    def _check(self) -> Self:
        check_order(self.revisions)
        ids = {revision.id for revision in self.revisions}
        for tag, id_ in self.tags.items():
            if id_ not in ids or not TAG_PATTERN.fullmatch(tag):
                raise ValueError(f"tag {tag[:64]!r} is not valid")
        if not ids.issuperset(self.counts):
            raise ValueError("it counts a revision that is not there")
        return self


@dataclass(frozen=True)
class Published:
    """The document beside the points.

    Attributes:
        manifest: what made the bank.
        records: committed revisions.
        tags: names of revisions, by revision id.
        unfinished: how many revisions were open.
        counts: what each revision shows, by revision id.
    """

    manifest: Manifest
    records: tuple[RevisionRecord, ...]
    tags: Mapping[str, int]
    unfinished: int
    counts: Mapping[int, ViewCounts]

    def to_json(self) -> str:
        """One JSON document; run keys stay private."""
        revisions = [asdict(record) | {"run_key": ""} for record in self.records]
        return json.dumps(
            {
                "format": PUBLISHED_FORMAT,
                "manifest": self.manifest.model_dump(),
                "revisions": revisions,
                "tags": dict(self.tags),
                "unfinished": self.unfinished,
                "counts": {str(id_): asdict(counts) for id_, counts in self.counts.items()},
            },
            sort_keys=True,
        )

    @classmethod
    def from_json(cls, document: str, collection: str) -> Published:
        """Read what :meth:`to_json` wrote.

        Raises:
            NewerSchemaError: a newer freeda wrote it.
            BankDamagedError: it is not such a document.
        """
        try:
            if _Version.model_validate_json(document).format > PUBLISHED_FORMAT:
                raise NewerSchemaError(
                    f"collection '{collection}' was written by a newer freeda; install it to open the bank."
                )
            told = _Document.model_validate_json(document)
        except ValidationError as error:
            raise BankDamagedError(
                f"the metadata of collection '{collection}' is damaged ({fault_of(error)}); restore a "
                "snapshot, or open the bank once with a profile that names its sql_url."
            ) from error
        return cls(
            manifest=told.manifest,
            records=tuple(RevisionRecord(**revision.model_dump()) for revision in told.revisions),
            tags=told.tags,
            unfinished=told.unfinished,
            counts={id_: ViewCounts(**counts.model_dump()) for id_, counts in told.counts.items()},
        )

    def history(self) -> History:
        """The history as readers see it."""
        return History(self.records, self.tags, unfinished=self.unfinished)


@dataclass
class Publisher:
    """Publishes a bank's history; called after every change of it.

    Attributes:
        client: with a read-write key.
        collection: the bank's alias.
        catalog: the truth.
        manifest: of the bank.
        lock: keeps other processes' commits and publications out.
    """

    client: QdrantClient
    collection: str
    catalog: Catalog
    manifest: Manifest
    lock: AbstractContextManager[object]

    def __call__(self, *, recount: bool = False) -> None:
        """Publish, unless what is published says the same already."""
        with self.lock:
            current = self.current()
            known = {} if current is None or recount else dict(current.counts)
            history = self.catalog.history()
            records = tuple(history.committed_records())
            counts = {r.id: known.get(r.id) or count_view(self.catalog, history.view(r.id)) for r in records}
            fresh = Published(self.manifest, records, history.tags, history.unfinished, counts)
            if current is None or fresh.to_json() != current.to_json():
                write_metadata(self.client, self.collection, fresh.to_json())

    def current(self) -> Published | None:
        """What is published now; None when it cannot be read and must be written anew."""
        document = read_metadata(self.client, self.collection)
        if document is None:
            return None
        try:
            return Published.from_json(document, self.collection)
        except BankDamagedError:
            return None


class PublishedCatalog(Catalog):
    """The catalog of a reader that has no SQL: it knows what was published, and changes nothing."""

    def __init__(self, client: QdrantClient, collection: str, vectors: VectorStore, refusal: str) -> None:
        self._client = client
        self._collection = collection
        self._vectors = vectors
        self._refusal = refusal

    def transaction(self) -> NoReturn:
        """Refuse all that would ask SQL.

        Raises:
            ReadOnlyBankError: always.
        """
        raise ReadOnlyBankError(self._refusal)

    def published(self) -> Published:
        """What is published now.

        Raises:
            BankMissingError: the collection is gone.
            BankDamagedError, NewerSchemaError: its metadata.
        """
        document = read_metadata(self._client, self._collection)
        if document is None:
            raise BankMissingError(
                f"the server has no bank in collection '{self._collection}'; check the profile's collection, "
                "or make the bank with a profile that names its sql_url."
            )
        return Published.from_json(document, self._collection)

    def manifest(self) -> str:
        """The published manifest's JSON."""
        return self.published().manifest.model_dump_json()

    def history(self) -> History:
        """The published history."""
        return self.published().history()

    def published_counts(self, view: View) -> ViewCounts | None:
        """What was counted when the revision of this view was committed."""
        published = self.published()
        history = published.history()
        matching = (c for id_, c in published.counts.items() if history.view(id_) == view)
        return next(matching, None if view.ranges else ViewCounts())

    def gained(self, before: View, after: View) -> list[UUID]:
        """What one view shows and another does not, as the points tell it, sorted."""
        return sorted({id_ for id_, _ in self._points(after)} - {id_ for id_, _ in self._points(before)})

    def nouns(self, view: View) -> set[str]:
        """The nouns that a view shows, as the points tell them."""
        return {str(told["noun"]) for _, told in self._points(view, payloads=True)}

    def _points(self, view: View, *, payloads: bool = False) -> Iterator[tuple[UUID, Payload]]:
        if view.ranges:
            yield from self._vectors.scroll(PointFilter(view=view), payloads=payloads)

    def size_bytes(self) -> int:
        """0: a reader cannot know."""
        return 0

    def close(self) -> None:
        """Nothing of its own to close."""
