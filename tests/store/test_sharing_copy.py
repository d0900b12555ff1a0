"""Copying a bank: what arrives, in what steps, and which histories and addresses are refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from bank_copies import copy_folder
from sharing_makers import (
    assert_copied,
    copy_open,
    ingest,
    sink_of,
    source_of,
)
from sqlalchemy import text
from store_makers import make_manifest

from freeda_store import Bank, CopyProgress, ModelRecord, copy_bank
from freeda_store.errors import (
    AddressError,
    BankDamagedError,
    BankInUseError,
    BankMissingError,
    DivergedError,
    ManifestMismatchError,
    ReadOnlyViewError,
    RevisionMissingError,
)
from freeda_store.sharing.copy import KeptTag, check_records, copy

pytestmark = pytest.mark.usefixtures("small_parts")


def test_a_new_bank_is_made_as_its_source_is(tmp_path: Path, full_bank: Path) -> None:
    folder = copy_folder(full_bank, tmp_path / "source")
    report = copy_bank(folder, tmp_path / "new" / "bank")
    assert report.revisions == (1, 2, 3, 4, 5)
    assert (report.generations, report.prototypes) == (11, 20)
    assert report.bytes > 20 * (8 * 4 + 12 * 2)
    assert (report.tags, report.kept_tags, report.ahead) == (("first", "v2"), (), 0)
    assert (report.resumed_parts, report.missing_thumbnails) == (0, 0)
    with Bank.open(folder) as source, Bank.open(tmp_path / "new" / "bank") as copied:
        assert copied.manifest == source.manifest
        assert_copied(source, copied)
        counted: dict[str, Any] = {"bytes_sql": 0, "bytes_vectors": 0}
        assert replace(copied.stats(), **counted) == replace(source.stats(), **counted)


def test_only_what_is_new_is_copied(source: Bank, sink: Bank) -> None:
    copy_open(source, sink)
    again = copy_open(source, sink)
    assert (again.revisions, again.tags, again.prototypes, again.bytes) == ((), (), 0, 0)
    assert again.nothing_new
    ingest(source, [20, 21, 22], "later")
    source.retire([next(source.infos()).id], "one")
    source.tag("later")
    report = copy_open(source, sink)
    assert (report.revisions, report.generations, report.tags) == ((6, 7), 3, ("later",))
    assert_copied(source, sink)


def test_progress_counts_what_is_copied(source: Bank, sink: Bank) -> None:
    told: list[CopyProgress] = []
    copy_open(source, sink, told.append)
    assert [(p.revision, p.parts) for p in told if p.revision < 3] == [
        *((1, 0), (1, 1), (1, 2), (1, 3)),
        *((2, 0), (2, 1), (2, 2)),
    ]
    last = told[-1]
    assert (last.revisions_done, last.revisions_total) == (4, 5)
    assert last.prototypes == last.prototypes_total == 20
    sizes = [p.bytes for p in told]
    assert sizes == sorted(sizes)
    assert sizes[0] == 0


def test_parts_are_cut_at_the_same_places_wherever_reading_starts(source: Bank) -> None:
    whole = [[g.key for g in part.generations] for part in source_of(source).parts(1)]
    assert [len(keys) for keys in whole] == [2, 2, 1]
    for skip in range(5):
        rest = [[g.key for g in part.generations] for part in source_of(source).parts(1, skip)]
        assert rest == whole[skip:]


# histories and tags


def test_histories_that_part_are_refused(source: Bank, sink: Bank) -> None:
    copy_open(source, sink)
    ingest(source, [100], "here")
    sink.retire([next(sink.infos()).id], "there")
    before = underneath_of(sink)
    for one, two in ((source, sink), (sink, source)):
        with pytest.raises(
            DivergedError, match=r"part at revision 6.*'(message of here|there)'.*copy to anot"
        ):
            copy_open(one, two)
    assert underneath_of(sink) == before


def underneath_of(bank: Bank) -> Any:
    return (bank.revisions(), list(bank.infos()), bank.stats().unfinished_runs)


def test_histories_that_part_at_the_start(tmp_path: Path, source: Bank) -> None:
    with Bank.open(tmp_path / "other", create=make_manifest()) as other:
        ingest(other, range(5), "one")
        with pytest.raises(DivergedError, match="part at revision 1"):
            copy_open(source, renamed(other))


def renamed(bank: Bank) -> Bank:
    """The same bank whose first revision was committed at another time."""
    with bank._stores.catalog.transaction() as connection:
        connection.execute(text("UPDATE revision SET committed_at = '2020-01-01T00:00:00Z'"))
    return bank


def test_a_bank_that_is_ahead_needs_nothing(source: Bank, sink: Bank) -> None:
    copy_open(source, sink)
    ingest(sink, [110, 111], "more")
    report = copy_open(source, sink)
    assert (report.revisions, report.ahead) == ((), 1)
    assert report.nothing_new


def test_tags_that_differ_are_left_alone_and_told(source: Bank, sink: Bank) -> None:
    copy_open(source, sink)
    source.tag("v2", 2, move=True)
    sink.tag("first", 3, move=True)
    sink.tag("mine", 1)
    source.tag("new", 4)
    report = copy_open(source, sink)
    assert report.kept_tags == (KeptTag("first", 1, 3), KeptTag("v2", 2, 5))
    assert report.tags == ("new",)
    assert not report.nothing_new
    assert dict(sink._history().tags) == {"first": 3, "mine": 1, "new": 4, "v2": 5}


def test_what_is_committed_meanwhile_is_left_for_the_next_copy(source: Bank, sink: Bank) -> None:
    opened = source_of(source)
    assert len(opened.records()) == 5
    ingest(source, [120], "meanwhile")
    source.tag("meanwhile")
    report = copy(opened, sink_of(sink))
    assert (len(report.revisions), report.tags) == (5, ("first", "v2"))
    assert copy_open(source, sink).tags == ("meanwhile",)


@pytest.mark.parametrize("tags", [{"no tag": 1}, {"v9": 99}])
def test_tags_that_name_nothing_are_refused(
    source: Bank, sink: Bank, tags: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    damaged = source_of(source)
    monkeypatch.setattr(damaged, "tags", lambda: tags)
    with pytest.raises(BankDamagedError, match="names nothing"):
        copy(damaged, sink_of(sink))


def test_histories_that_no_bank_can_have(source: Bank) -> None:
    records = source_of(source).records()
    check_records(records, "it")
    for broken in (
        records[1:],
        [records[0], replace(records[1], number=None)],
        [records[0], replace(records[1], id=records[0].id)],
        [replace(records[0], parent_id=records[1].id), records[1]],
        [replace(records[0], id=0)],
    ):
        with pytest.raises(BankDamagedError, match="history of it breaks off at revision"):
            check_records(broken, "it")


# addresses


def test_versions_are_copied_up_to_and_then_on(tmp_path: Path, full_bank: Path) -> None:
    folder, target = copy_folder(full_bank, tmp_path / "source"), tmp_path / "target"
    early = copy_bank(f"{folder}@first", target)
    assert (early.revisions, early.tags) == ((1,), ("first",))
    assert copy_bank(f"{folder}@3", target).revisions == (2, 3)
    assert copy_bank(f"{folder}@1", target).ahead == 2
    assert copy_bank(folder, target).revisions == (4, 5)
    with Bank.open(folder) as source, Bank.open(target) as copied:
        assert_copied(source, copied)


def test_addresses_that_cannot_be_copied(tmp_path: Path, full_bank: Path) -> None:
    folder = copy_folder(full_bank, tmp_path / "source")
    other = make_manifest(clip=ModelRecord(id="clip-b", sha256="zz", dim=8))
    Bank.open(tmp_path / "other", create=other).close()
    for source, target, error, match in (
        (tmp_path / "none", tmp_path / "target", BankMissingError, "no bank in the folder"),
        (f"{folder}@9", tmp_path / "target", RevisionMissingError, "no revision 9"),
        (folder, f"{tmp_path / 'target'}@1", ReadOnlyViewError, "cannot be copied to; give"),
        (folder, f"{tmp_path}/./source", AddressError, "are the same bank"),
        (folder, tmp_path / "other", ManifestMismatchError, "made with clip = clip-b"),
    ):
        with pytest.raises(error, match=match):
            copy_bank(source, target)
    assert not (tmp_path / "target").exists()
    with Bank.open(folder), pytest.raises(BankInUseError):
        copy_bank(tmp_path / "other", folder)


def test_a_bank_is_copied_while_somebody_writes_to_it(tmp_path: Path, source: Bank) -> None:
    with source.write("more", "more"):
        copy_bank(source.address.folder, tmp_path / "target")
    with Bank.read(tmp_path / "target") as copied:
        assert list(copied.infos()) == list(source.infos())
        assert copied.revisions() == source.revisions()


def test_what_a_killed_copy_left_half_written_is_swept(tmp_path: Path) -> None:
    with Bank.open(tmp_path / "source", create=make_manifest()) as source:
        ingest(source, range(3), "one")
        with Bank.open(tmp_path / "sink", create=make_manifest()) as sink:
            half = tmp_path / "sink" / "thumbnails" / "ab" / f".{'0' * 32}.part"
            half.parent.mkdir(parents=True)
            half.write_bytes(b"half a picture")
            copy_open(source, sink)
            assert not half.exists()
            assert sink.verify().ok
