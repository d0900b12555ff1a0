"""Between folders and hosted banks, on Qdrant's client and a real PostgreSQL."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hosted_makers import Team
from sharing_makers import (
    StoppingSource,
    assert_copied,
    assert_same,
    at,
    copy_open,
    fill,
    ingest,
    shown,
    sink_of,
    source_of,
)
from store_makers import make_generation

from freeda_store import Bank, copy_bank
from freeda_store.errors import BankInUseError, DivergedError, ReadOnlyBankError, UnfinishedRunError
from freeda_store.sharing.copy import copy

pytestmark = [pytest.mark.filterwarnings("ignore:Local mode"), pytest.mark.usefixtures("small_parts")]


@pytest.fixture
def filled(folder: Path) -> Path:
    with Bank.open(folder) as bank:
        fill(bank)
    return folder


def test_a_folder_to_a_server_to_a_folder(team: Team, filled: Path, tmp_path: Path) -> None:
    pushed = copy_bank(filled, "team")
    assert (pushed.sink, pushed.revisions, pushed.tags) == ("team", (1, 2, 3, 4, 5), ("first", "v2"))
    with Bank.open(filled) as source, Bank.open("team") as hosted:
        assert_copied(source, hosted, atol=1e-6)
    with Bank.open("team") as hosted:
        ingest(hosted, [20, 21, 22], "on the server")
        hosted.tag("server")
    pulled = copy_bank("team", filled)
    assert (pulled.revisions, pulled.tags) == ((6,), ("server",))
    assert copy_bank("team@3", tmp_path / "new").revisions == (1, 2, 3)
    assert copy_bank("team", tmp_path / "new").revisions == (4, 5, 6)
    with Bank.open("team") as hosted:
        for folder in (filled, tmp_path / "new"):
            with Bank.open(folder) as copied:
                assert copied.revisions() == hosted.revisions()
                for revision in hosted.revisions():
                    mine, theirs = shown(at(hosted, revision.number)), shown(at(copied, revision.number))
                    # the client in memory keeps visual vectors longer than float16
                    assert_same(mine, theirs, atol=2e-3)


def test_readers_without_sql_see_each_revision_when_it_is_whole(team: Team, bank: Bank) -> None:
    fill(bank)
    with Bank.open("team") as hosted, Bank.open("reader") as reader:
        with pytest.raises(KeyboardInterrupt):
            copy(StoppingSource(bank, 4), sink_of(hosted))
        hosted._stores.writing.clear()
        assert [revision.number for revision in reader.revisions()] == [1]
        assert list(reader.infos()) == list(at(bank, 1).infos())
        copy_open(bank, hosted)
        assert reader.revisions() == bank.revisions()
        assert_same(
            {"infos": list(reader.infos()), "tags": reader._history().tags},
            {"infos": list(bank.infos()), "tags": bank._history().tags},
        )
        for number in range(1, 6):
            sizes: dict[str, Any] = {"bytes_sql": 0, "bytes_vectors": 0, "bytes_thumbnails": 0}
            sizes |= {"without_semantic": None}  # only SQL tells
            told = replace(at(reader, number).stats(), **sizes)
            assert told == replace(at(bank, number).stats(), **sizes)


def test_a_reader_can_neither_give_nor_take(team: Team, filled: Path, tmp_path: Path) -> None:
    copy_bank(filled, "team")
    with pytest.raises(ReadOnlyBankError, match="'reader' names no sql_url"):
        copy_bank("reader", tmp_path / "new")
    with pytest.raises(ReadOnlyBankError, match="'reader' names no sql_url"):
        copy_bank(filled, "reader")
    assert not (tmp_path / "new").exists()


def test_the_sequence_of_ids_goes_on_behind_what_arrived(team: Team, bank: Bank) -> None:
    fill(bank)
    writer = bank.write("open", "open")
    writer.add([make_generation(30)])
    bank.rollback(1)
    with Bank.open("team") as hosted:
        copy_open(bank, hosted)
        assert hosted._history().committed_records()[-1].id == 7
        assert hosted._stores.catalog.open_revision("mine", "mine") == 8
        sink = sink_of(hosted)
        sink.expect(source_of(bank).records()[:1])  # never backwards
        assert hosted._stores.catalog.open_revision("other", "other") == 9


def test_a_new_profile_is_made_by_a_copy(team: Team, filled: Path) -> None:
    thumbnails = str(team.settings.parent / "thumbnails" / "fresh")
    team.add("fresh", sql_url=team.postgres.new_database(), thumbnails=thumbnails)
    assert copy_bank(filled, "fresh").revisions == (1, 2, 3, 4, 5)
    with Bank.open(filled) as source, Bank.open("fresh") as hosted:
        assert_copied(source, hosted, atol=1e-6)


def test_processes_that_copy_or_write_at_the_same_time(team: Team, bank: Bank) -> None:
    fill(bank)
    with Bank.open("team") as one, Bank.open("team") as two:
        first = sink_of(one)
        first.expect(source_of(bank).records())
        with pytest.raises(BankInUseError):
            copy_open(bank, two)
        writer = two.write("mine", "mine")
        writer.add([make_generation(40)])  # gets an id behind those that arrive
        first.end({})
        copy_open(bank, one)
        made = writer.commit()
        assert made is not None
        assert made.number == 6
        assert copy_open(one, bank).revisions == (6,)
        assert_copied(one, bank, atol=2e-3)


def test_somebody_commits_while_a_copy_goes_on(team: Team, bank: Bank) -> None:
    fill(bank)
    with Bank.open("team") as one, Bank.open("team") as two:
        sink, source = sink_of(one), source_of(bank)
        sink.expect(source.records())
        record = source.records()[0]
        sink.begin(record)
        for part in source.parts(record.id):
            sink.add(part)
        ingest(two, [50], "meanwhile")
        with pytest.raises(DivergedError, match="somebody committed"):
            sink.finish([])
        sink._stores.writing.clear()
        with pytest.raises(DivergedError, match="part at revision 1"):
            copy_open(bank, one)


def test_a_run_of_another_process_is_not_discarded(team: Team, bank: Bank) -> None:
    fill(bank)
    with Bank.open("team") as one, Bank.open("team") as two:
        writer = two.write("mine", "mine")
        writer.add([make_generation(0)])
        with pytest.raises(UnfinishedRunError):
            copy_open(bank, one)
        with pytest.raises(BankInUseError, match="run 'mine' is being written by another process"):
            copy(source_of(bank), sink_of(one, discard_unfinished=True))
        writer.close()
        copy(source_of(bank), sink_of(one, discard_unfinished=True))
        assert_copied(bank, one, atol=1e-6)
