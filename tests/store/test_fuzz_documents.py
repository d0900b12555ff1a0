"""Documents that a bank reads from outside: manifest, published metadata, index of an archive."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from fuzzing import altered, as_json, broken_bytes, fuzz, survives
from hypothesis import given
from hypothesis import strategies as st
from store_makers import make_manifest

from freeda_store import Manifest
from freeda_store.errors import ArchiveError, BankDamagedError
from freeda_store.history import RevisionRecord
from freeda_store.hosted.published import Notes, Published
from freeda_store.sharing.layout import FileEntry, Index, RevisionEntry, file_names, read_index
from freeda_store.sql.counts import Totals

FIRST = RevisionRecord(3, 1, None, "", "first", "2026-01-01T00:00:00Z", "2026-01-01T00:00:01Z", 4, 0)
SECOND = RevisionRecord(7, 2, 3, "", "second", "2026-01-02T00:00:00Z", "2026-01-02T00:00:01Z", 1, 2)
COUNTS = {3: Totals(4, 2, 2, 2), 7: Totals(3, 2, 2, 2)}
BANK = UUID(int=7)
PUBLISHED = Published(make_manifest(), (FIRST, SECOND), {"v1": 3}, 1, COUNTS)


def make_index() -> Index:
    """An index of a bank with one revision of one part."""
    entry = RevisionEntry.model_validate(
        FIRST.__dict__ | {"parts": 1, "generations": 2, "licenses": {"CC0": 2}}
    )
    files = {name: FileEntry(size=10, sha256="0" * 64) for name in file_names(1, 1)}
    return Index(manifest=make_manifest(), revisions=[entry], tags={"v1": 1}, files=files)


MANIFEST_DOCUMENT = json.loads(make_manifest().model_dump_json())
NOTES = PUBLISHED.to_notes(BANK)
HEAD_DOCUMENT = json.loads(NOTES.head.text)
((PAGE_ID, PAGE_TEXT),) = NOTES.pages.items()
PAGE_DOCUMENT = json.loads(PAGE_TEXT)
DIVIDED = {"by_source": {"coco": 4}, "by_license": {"CC0": 4}}
PUBLISHED_DOCUMENT = {
    "format": 1,
    "manifest": MANIFEST_DOCUMENT,
    "revisions": [FIRST.__dict__, SECOND.__dict__],
    "tags": {"v1": 3},
    "unfinished": 1,
    "counts": {str(id_): totals.__dict__ | DIVIDED for id_, totals in COUNTS.items()},
}
"""What versions before the board wrote into the collection's metadata."""
INDEX_BYTES = make_index().to_bytes()
INDEX_DOCUMENT = json.loads(INDEX_BYTES)


@fuzz
@given(st.one_of(altered(MANIFEST_DOCUMENT).map(as_json), st.text(max_size=50)))
def test_a_manifest_is_read_whole_or_refused(document: str) -> None:
    read = survives(lambda: Manifest.from_json(document))
    if isinstance(read, Manifest):
        assert Manifest.from_json(read.model_dump_json()) == read


@fuzz
@given(st.one_of(altered(PUBLISHED_DOCUMENT).map(as_json), st.text(max_size=50)))
def test_published_metadata_is_read_whole_or_refused(document: str) -> None:
    _walk(survives(lambda: Published.from_metadata(document, "team")))


@fuzz
@given(
    st.one_of(altered(HEAD_DOCUMENT).map(as_json), st.just(NOTES.head.text)),
    st.one_of(altered(PAGE_DOCUMENT).map(as_json), st.just(PAGE_TEXT)),
)
def test_notes_are_read_whole_or_refused(head: str, page: str) -> None:
    notes = Notes(replace(NOTES.head, text=head), {PAGE_ID: page})
    _walk(survives(lambda: Published.from_notes(notes, "team")))


def _walk(read: object) -> None:
    """What was read can be written and read again, and its history followed."""
    if isinstance(read, Published):
        assert Published.from_notes(read.to_notes(BANK), "team").to_notes(BANK) == read.to_notes(BANK)
        history = read.history()
        for revision in history.committed():
            history.view(history.resolve(revision.number).id)


def test_the_first_format_says_the_same() -> None:
    assert Published.from_metadata(json.dumps(PUBLISHED_DOCUMENT), "team") == PUBLISHED
    assert Published.from_notes(NOTES, "team") == PUBLISHED


@fuzz
@given(
    st.one_of(
        altered(INDEX_DOCUMENT).map(lambda value: as_json(value).encode()),
        broken_bytes(make_index().to_bytes()),
    )
)
def test_an_index_is_read_whole_or_refused(data: bytes) -> None:
    read = survives(lambda: read_index(data, "bank.zip"))
    if isinstance(read, Index):
        assert read_index(read.to_bytes(), "bank.zip") == read


def _with(document: dict[str, Any], *way_and_value: Any) -> str:
    *way, last, value = way_and_value
    made = json.loads(json.dumps(document))
    holder = made
    for key in way:
        holder = holder[key]
    holder[last] = value
    return json.dumps(made)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), True, 10**400])
def test_a_manifest_holds_no_number_that_json_cannot(number: Any) -> None:
    document = _with(MANIFEST_DOCUMENT, "threshold", "value", number)
    with pytest.raises(BankDamagedError, match="manifest is not valid"):
        Manifest.from_json(document.replace("Infinity", "1e400"))
    with pytest.raises(ArchiveError, match="not valid"):
        read_index(_with(INDEX_DOCUMENT, "manifest", json.loads(document)).encode(), "bank.zip")


@pytest.mark.parametrize(
    ("way", "match"),
    [
        (("revisions", 0, "parent_id", 7), "builds on one that is not there"),
        (("revisions", 1, "parent_id", 7), "builds on one that is not there"),
        (("revisions", 1, "parent_id", 9), "builds on one that is not there"),
        (("revisions", 1, "number", 5), "out of order"),
        (("revisions", 1, "id", 3), "out of order"),
        (("revisions", 0, "message", 3), "'revisions.0.message': expected a valid string, got 3"),
        (("tags", "v1", 4), "tag 'v1' is not valid"),
        (("counts", "3", "nouns", "2"), "'counts.3.nouns': expected a valid integer, got '2'"),
        (("counts", "5", {}), "the field 'counts.5.prototypes' is missing"),
        (("unfinished", -1), "'unfinished': expected greater than or equal to 0, got -1"),
        (("more", 1), "'more' is not a known field"),
    ],
)
def test_published_metadata_that_contradicts_itself(way: tuple[Any, ...], match: str) -> None:
    with pytest.raises(BankDamagedError, match="metadata of collection 'team' is damaged") as caught:
        Published.from_metadata(_with(PUBLISHED_DOCUMENT, *way), "team")
    assert match in str(caught.value)
