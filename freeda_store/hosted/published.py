"""What readers without SQL need, written to the board among a hosted bank's points: manifest, history and
counts.

A head note names pages of committed revisions. Pages are filled to a fixed size and never change, so that
one more revision costs one page however long the history is. How prototypes divide by source and licence is
not written down: the server counts it when it is asked.

The first format was one document in the metadata of the collection; it can still be read.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Self
from uuid import UUID

from pydantic import ValidationError, model_validator

from freeda_errors.documents import Document, Excerpt, Text, fault_of
from freeda_store.address import TAG_PATTERN
from freeda_store.errors import BankDamagedError, NewerSchemaError
from freeda_store.history import History, RevisionRecord
from freeda_store.manifest import Manifest
from freeda_store.revision_documents import Count, RevisionDocument, check_order
from freeda_store.sql.counts import Totals
from freeda_store.vectors.board import Head, make_head, page_id

PUBLISHED_FORMAT = 2
PAGE_CHARS = 64_000
"""How much text a page holds, unless a single revision needs more."""
MESSAGE_CHARS = 4_000
"""How much of a revision's message is published."""


class _Totals(Document):
    prototypes: Count
    nouns: Count
    captions: Count
    generations: Count
    unlabelled: Count = 0


class _FirstCounts(_Totals):
    by_source: dict[Text, Count]
    by_license: dict[Text, Count]


class _Version(Excerpt):
    """What every version of the document says."""

    format: int


def _check(revisions: Sequence[RevisionDocument], tags: Mapping[str, int]) -> None:
    """Refuse what is no history, whoever wrote it."""
    check_order(revisions)
    ids = {revision.id for revision in revisions}
    for tag, id_ in tags.items():
        if id_ not in ids or not TAG_PATTERN.fullmatch(tag):
            raise ValueError(f"tag {tag[:64]!r} is not valid")


class _FirstDocument(Document):
    """The first format: all of it in one document."""

    format: int
    manifest: Manifest
    revisions: tuple[RevisionDocument, ...]
    tags: dict[str, int]
    unfinished: Count
    counts: dict[int, _FirstCounts]

    @model_validator(mode="after")
    def _check(self) -> Self:
        _check(self.revisions, self.tags)
        if not {revision.id for revision in self.revisions}.issuperset(self.counts):
            raise ValueError("it counts a revision that is not there")
        return self


class _CountedRevision(RevisionDocument):
    shows: _Totals


class _Page(Document):
    revisions: tuple[_CountedRevision, ...]


class _Head(Document):
    format: int
    manifest: Manifest
    tags: dict[str, int]
    unfinished: Count
    pages: tuple[Text, ...]


class _Whole(Document):
    """Head and pages put together."""

    revisions: tuple[_CountedRevision, ...]
    tags: dict[str, int]

    @model_validator(mode="after")
    def _check(self) -> Self:
        _check(self.revisions, self.tags)
        return self


@dataclass(frozen=True)
class Notes:
    """What is published, as it lies on the board."""

    head: Head
    pages: Mapping[UUID, str]


@dataclass(frozen=True)
class Published:
    """What readers know.

    Attributes:
        manifest: what made the bank.
        records: committed revisions.
        tags: names of revisions, by revision id.
        unfinished: how many revisions were open.
        counts: what each revision shows, by revision id.
    """

    manifest: Manifest
    records: tuple[RevisionRecord, ...] = ()
    tags: Mapping[str, int] = field(default_factory=dict)
    unfinished: int = 0
    counts: Mapping[int, Totals] = field(default_factory=dict)

    def to_notes(self, bank: UUID) -> Notes:
        """Head and pages, the same ones for the same content; run keys stay private."""
        pages = {page_id(text): text for text in self._page_texts()}
        head = {
            "format": PUBLISHED_FORMAT,
            "manifest": self.manifest.model_dump(),
            "tags": dict(self.tags),
            "unfinished": self.unfinished,
            "pages": [id_.hex for id_ in pages],
        }
        return Notes(make_head(str(bank), json.dumps(head, sort_keys=True)), pages)

    def _page_texts(self) -> Iterator[str]:
        lines: list[str] = []
        for record in self.records:
            shows = self.counts.get(record.id, Totals())
            told = asdict(record) | {"run_key": "", "message": record.message[:MESSAGE_CHARS]}
            line = json.dumps(told | {"shows": _shown(shows)}, sort_keys=True)
            if lines and sum(map(len, lines)) + len(line) > PAGE_CHARS:
                yield _page(lines)
                lines = []
            lines.append(line)
        if lines:
            yield _page(lines)

    @classmethod
    def from_notes(cls, notes: Notes, collection: str) -> Self:
        """Read what :meth:`to_notes` made.

        Raises:
            NewerSchemaError: a newer freeda wrote it.
            BankDamagedError: it is not such a document, or lacks pages.
        """
        with_pages = named_pages(notes.head, collection)
        try:
            head = _Head.model_validate_json(notes.head.text)
            revisions: list[_CountedRevision] = []
            for id_ in with_pages:
                if id_ not in notes.pages:
                    raise _damaged(collection, f"page {id_} is missing")
                revisions += _Page.model_validate_json(notes.pages[id_]).revisions
            _Whole(revisions=tuple(revisions), tags=head.tags)
        except ValidationError as error:
            raise _damaged(collection, fault_of(error)) from error
        counts = {r.id: Totals(**r.shows.model_dump()) for r in revisions}
        records = tuple(RevisionRecord(**r.model_dump(exclude={"shows"})) for r in revisions)
        return cls(head.manifest, records, head.tags, head.unfinished, counts)

    @classmethod
    def from_metadata(cls, document: str, collection: str) -> Self:
        """Read a document of the first format.

        Raises:
            NewerSchemaError: a newer freeda wrote it.
            BankDamagedError: it is not such a document.
        """
        _require_known(document, 1, collection)
        try:
            told = _FirstDocument.model_validate_json(document)
        except ValidationError as error:
            raise _damaged(collection, fault_of(error)) from error
        totals = set(_Totals.model_fields)
        counts = {id_: Totals(**counts.model_dump(include=totals)) for id_, counts in told.counts.items()}
        records = tuple(RevisionRecord(**revision.model_dump()) for revision in told.revisions)
        return cls(told.manifest, records, told.tags, told.unfinished, counts)

    def history(self) -> History:
        """The history as readers see it."""
        return History(self.records, self.tags, unfinished=self.unfinished)


def named_pages(head: Head, collection: str) -> tuple[UUID, ...]:
    """The ids of the pages that a head note names.

    Raises:
        NewerSchemaError, BankDamagedError: see :meth:`Published.from_notes`.
    """
    _require_known(head.text, PUBLISHED_FORMAT, collection)
    try:
        return tuple(UUID(text) for text in _Head.model_validate_json(head.text).pages)
    except ValidationError as error:
        raise _damaged(collection, fault_of(error)) from error
    except ValueError as error:
        raise _damaged(collection, "it names a page by no id") from error


def _shown(totals: Totals) -> dict[str, int]:
    """Totals as a page says them. What older pages do not know is left out where there is none of it."""
    return {name: count for name, count in asdict(totals).items() if count or name != "unlabelled"}


def _page(lines: list[str]) -> str:
    return f'{{"revisions": [{", ".join(lines)}]}}'


def _require_known(document: str, newest: int, collection: str) -> None:
    try:
        version = _Version.model_validate_json(document).format
    except ValidationError as error:
        raise _damaged(collection, fault_of(error)) from error
    if version > newest:
        raise NewerSchemaError(
            f"collection '{collection}' was written by a newer freeda; install it to open the bank."
        )


def _damaged(collection: str, fault: str) -> BankDamagedError:
    return BankDamagedError(
        f"the metadata of collection '{collection}' is damaged ({fault}); restore a "
        "snapshot, or open the bank once with a profile that names its sql_url."
    )
