from __future__ import annotations

import gzip
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from bank_contents import Contents, assert_same_bank, contents_of
from ingest_fakes import FakeGenerator, fake_manifest, fake_models, write_captions

from freeda_ingest.captions import reader, sources
from freeda_ingest.captions.records import Reject
from freeda_ingest.errors import CaptionsError, OptionError, RejectedCaptionError
from freeda_ingest.executors.local import LocalExecutor
from freeda_ingest.feed import MOST_AHEAD
from freeda_ingest.ingestor import Ingestor, RunOptions
from freeda_ingest.masks import DropReason
from freeda_ingest.rejects import RejectsFile, rejects_path
from freeda_ingest.report import IngestProgress
from freeda_models.protocols import GeneratedImage, GenerationRequest
from freeda_store import Bank, Caption, NewGeneration
from freeda_store.errors import StorageError
from freeda_store.writing.writer import RevisionWriter


@pytest.fixture
def captions(tmp_path: Path) -> Path:
    return write_captions(tmp_path / "captions.jsonl", 14)


def test_a_run_and_the_same_run_again(bank: Bank, ingestor: Ingestor, captions: Path) -> None:
    first = ingestor.run(captions)
    assert (first.captions, first.rejected, first.duplicates, first.done_before) == (14, 1, 0, 0)
    assert (first.written, first.without_nouns) == (13, 1)
    assert first.prototypes == bank.stats().prototypes > 20
    assert first.revision is not None
    assert (first.revision.number, first.revision.message) == (1, "ingest captions.jsonl")
    assert not first.interrupted
    assert set(first.seconds) >= {"nouns", "generate", "features", "write"}
    before = contents_of(bank)

    again = ingestor.run(captions)
    assert (again.done_before, again.written, again.without_nouns) == (13, 0, 1)
    assert again.revision is None
    assert_same_bank(contents_of(bank), before)


def test_done_captions_load_no_network(bank: Bank, ingestor: Ingestor, tmp_path: Path) -> None:
    path = tmp_path / "three.txt"
    path.write_text("a car\na tree\na boat\n")
    ingestor.run(path)

    class Unloaded:
        def __getattr__(self, role: str) -> object:
            raise AssertionError(f"{role} was loaded")

    assert Ingestor(bank, LocalExecutor(Unloaded())).run(path).done_before == 3  # type: ignore[arg-type]


def test_limit_counts_distinct_captions_and_a_longer_run_goes_on(bank: Bank, ingestor: Ingestor) -> None:
    records = [Caption("a car"), Caption("a car"), Caption("a tree"), Caption("a boat"), Caption("a house")]
    first = ingestor.run(records, RunOptions(limit=2, message="two"))
    assert (first.captions, first.duplicates, first.written) == (3, 1, 2)
    second = ingestor.run(records)
    assert (second.done_before, second.written, second.duplicates) == (2, 2, 1)
    assert second.revision is not None
    assert second.revision.number == 2
    assert [revision.message for revision in bank.revisions()] == ["two", "ingest captions"]
    assert bank.stats().prototypes == 4


def test_another_seed_draws_other_pictures(bank: Bank, ingestor: Ingestor) -> None:
    records = [Caption("a car")]
    ingestor.run(records)
    assert ingestor.run(records, RunOptions(seed=1)).written == 1
    assert len({info.picture_key for info in bank.infos()}) == 2


def test_the_same_words_from_two_places_are_two_captions(ingestor: Ingestor) -> None:
    records = [Caption("a car", "1"), Caption("a car", "2"), Caption("a car", "1", license="other")]
    report = ingestor.run(records)
    assert (report.written, report.duplicates) == (2, 1)


def test_nothing_to_do(bank: Bank, ingestor: Ingestor, tmp_path: Path) -> None:
    path = tmp_path / "empty.txt"
    path.write_text("")
    report = ingestor.run(path)
    assert (report.captions, report.written, report.revision) == (0, 0, None)
    path.write_text("nothing at all\n")
    assert ingestor.run(path).without_nouns == 1
    assert bank.revisions() == []


def test_what_is_beyond_the_window_is_told(ingestor: Ingestor) -> None:
    long = Caption("a car " + "and so on " * 14 + "and a tree", "77")
    report = ingestor.run([long, Caption("a boat")])
    assert report.cut_captions == 1
    assert report.nouns_beyond_window == report.dropped[DropReason.OUTSIDE_WINDOW] == 1
    assert report.notes == ("caption 77: beyond the text encoder's window: tree",)
    assert report.prototypes == 2


@pytest.mark.parametrize("options", [{"limit": 0}, {"batch_size": 0}, {"limit": -3}])
def test_options_out_of_range(options: dict[str, int]) -> None:
    with pytest.raises(OptionError, match="give a number from 1 on"):
        RunOptions(**options)  # type: ignore[arg-type]


def test_progress_reaches_the_total(ingestor: Ingestor, captions: Path) -> None:
    seen: list[IngestProgress] = []
    ingestor.run(captions, RunOptions(limit=10), progress=seen.append)
    done = [progress.captions_done for progress in seen]
    assert done == [3, 6, 9, 10]
    assert {progress.captions_total for progress in seen} == {10}
    assert seen[-1].captions_drawn == 9
    assert seen[-1].prototypes > 0


def test_batches_follow_the_order_of_the_input(bank: Bank, captions: Path) -> None:
    models = fake_models()
    assert isinstance(models.generator, FakeGenerator)
    Ingestor(bank, LocalExecutor(models)).run(captions, RunOptions(batch_size=5))
    assert [len(batch) for batch in models.generator.batches] == [5, 4, 4]


def test_auto_is_what_the_executor_says_else_the_ingestors_own(bank: Bank, captions: Path) -> None:
    models = fake_models()
    assert isinstance(models.generator, FakeGenerator)
    executor = LocalExecutor(models)
    ingestor = Ingestor(bank, executor, batch_size=6)
    ingestor.run(captions, RunOptions(limit=6, batch_size="auto"))
    executor.fitting_batch_size = lambda: 4  # type: ignore[method-assign]
    ingestor.run(captions, RunOptions(batch_size="auto", seed=1))
    assert [len(batch) for batch in models.generator.batches] == [6, 4, 3, 4, 2]


# rejects


def test_rejects_lie_beside_the_captions_and_are_not_repeated(ingestor: Ingestor, tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl"
    path.write_bytes(b'{"caption": "a car"}\n{broken\n{"caption": "\xff"}\n')
    for _ in range(2):
        report = ingestor.run(path)
        assert report.rejected == 2
        assert report.rejects_path == tmp_path / "c.jsonl.rejects.jsonl"
        lines = [json.loads(line) for line in report.rejects_path.read_text("utf-8").splitlines()]
        assert [(line["file"], line["line"], line["text"]) for line in lines] == [
            ("c.jsonl", 2, "{broken"),
            ("c.jsonl", 3, '{"caption": "\\xff"}'),
        ]
        assert [reject.line for reject in report.first_rejects] == [2, 3]
    path.write_text('{"caption": "a car"}\n')
    assert ingestor.run(path).rejects_path is None
    assert sorted(each.name for each in tmp_path.iterdir()) == ["bank", "c.jsonl"]


def test_rejects_of_standard_input_lie_with_the_bank(
    ingestor: Ingestor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stdin = io.TextIOWrapper(io.BufferedReader(io.BytesIO(b'{"caption": "a car"}\n{no\n')))
    monkeypatch.setattr(sources.sys, "stdin", stdin)
    report = ingestor.run("-")
    assert (report.written, report.rejected) == (1, 1)
    assert report.rejects_path == tmp_path / "stdin.rejects.jsonl"


def test_a_packed_table_goes_on_by_the_same_command(ingestor: Ingestor, tmp_path: Path) -> None:
    path = tmp_path / "captions.tsv.gz"
    rows = "".join(f"{number}\ta car and {number} trees\tno\n" for number in range(2, 9))
    path.write_bytes(gzip.compress(f"id\talt\tcaption\n{rows}".encode()))
    first = ingestor.run(path, RunOptions(field="alt", limit=3))
    again = ingestor.run(path, RunOptions(field="alt"))
    assert (first.written, again.done_before, again.written) == (3, 3, 4)


def test_captions_that_the_extractor_does_not_read_are_counted_with_a_reason(ingestor: Ingestor) -> None:
    report = ingestor.run([Caption("a car"), Caption("una car", external_id="7"), Caption("nothing")])
    assert (report.written, report.refused, report.without_nouns) == (1, 1, 1)
    assert report.notes == ("caption 7: not in English",)


def test_captions_behind_very_many_rejects_are_found(ingestor: Ingestor) -> None:
    records = [Reject(line, "not JSON", "{") for line in range(1, 2 * MOST_AHEAD)]
    report = ingestor.run([*records, Caption("a car"), Caption("a tree")], RunOptions(limit=1))
    assert (report.rejected, report.captions, report.written) == (len(records), 1, 1)


def test_strict_stops_before_anything_is_drawn(bank: Bank, ingestor: Ingestor, captions: Path) -> None:
    with pytest.raises(RejectedCaptionError, match=r"captions\.jsonl:7: not JSON .* without --strict"):
        ingestor.run(captions, RunOptions(strict=True))
    assert bank.stats().unfinished_runs == 0
    assert ingestor.run(captions, RunOptions(strict=True, limit=4)).written == 4


def test_strict_stops_a_live_source_at_the_record(bank: Bank, ingestor: Ingestor, captions: Path) -> None:
    records = list(reader.read_captions(captions))
    with pytest.raises(RejectedCaptionError, match="captions:7"):
        ingestor.run(records, RunOptions(strict=True))
    assert bank.revision is None


def test_a_missing_file_is_refused_before_anything(ingestor: Ingestor, tmp_path: Path) -> None:
    with pytest.raises(CaptionsError, match="does not exist"):
        ingestor.run(tmp_path / "none.jsonl")
    assert [path.name for path in tmp_path.iterdir()] == ["bank"]


# interruption


class InterruptedGenerator(FakeGenerator):
    """Gets Ctrl-C while it draws its second batch, as often as said."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self._times = times

    def generate(self, requests: Sequence[GenerationRequest]) -> list[GeneratedImage]:
        pictures = super().generate(requests)
        if len(self.batches) == 2:
            for _ in range(self._times):
                os.kill(os.getpid(), signal.SIGINT)
        return pictures


@pytest.fixture
def undisturbed(tmp_path: Path, captions: Path) -> Contents:
    with Bank.open(tmp_path / "undisturbed", create=fake_manifest()) as whole:
        Ingestor(whole, LocalExecutor(fake_models()), batch_size=3).run(captions)
        return contents_of(whole)


def test_ctrl_c_finishes_the_batch_and_the_same_command_goes_on(
    bank: Bank, captions: Path, undisturbed: Contents
) -> None:
    handler = signal.getsignal(signal.SIGINT)
    seen: list[IngestProgress] = []
    interrupted = Ingestor(
        bank, LocalExecutor(replace(fake_models(), generator=InterruptedGenerator(1))), batch_size=3
    )
    report = interrupted.run(captions, progress=seen.append)
    assert report.interrupted
    assert report.written == 6
    assert report.revision is None
    assert bank.revision is None
    assert seen[-1].stopping
    assert (seen[-1].captions_done, seen[-1].captions_drawn) == (6, 6)
    assert signal.getsignal(signal.SIGINT) is handler

    rest = Ingestor(bank, LocalExecutor(fake_models()), batch_size=3).run(captions)
    assert (rest.done_before, rest.written) == (6, 7)
    assert_same_bank(contents_of(bank), undisturbed)


def test_a_second_ctrl_c_stops_at_once_and_the_same_command_goes_on(
    bank: Bank, captions: Path, undisturbed: Contents
) -> None:
    handler = signal.getsignal(signal.SIGINT)
    interrupted = Ingestor(
        bank, LocalExecutor(replace(fake_models(), generator=InterruptedGenerator(2))), batch_size=3
    )
    with pytest.raises(KeyboardInterrupt):
        interrupted.run(captions)
    assert signal.getsignal(signal.SIGINT) is handler
    assert Ingestor(bank, LocalExecutor(fake_models()), batch_size=3).run(captions).done_before in (0, 3)
    assert_same_bank(contents_of(bank), undisturbed)


def test_ctrl_c_during_the_commit_ends_the_run_with_its_revision(
    bank: Bank, ingestor: Ingestor, captions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = RevisionWriter.commit

    def interrupted(writer: RevisionWriter) -> object:
        os.kill(os.getpid(), signal.SIGINT)
        return commit(writer)

    monkeypatch.setattr(RevisionWriter, "commit", interrupted)
    report = ingestor.run(captions)
    assert report.interrupted
    assert report.revision == bank.revision is not None


def test_ctrl_c_while_waiting_for_captions(bank: Bank, ingestor: Ingestor) -> None:
    def typed() -> Iterator[Caption]:
        for index in range(20):
            yield Caption("a car", str(index))
        os.kill(os.getpid(), signal.SIGINT)
        raise AssertionError("not reached")

    report = ingestor.run(typed())
    assert report.interrupted
    assert report.written == 18
    assert ingestor.run([Caption("a car", str(index)) for index in range(20)]).done_before == 18


def test_a_run_may_go_on_with_other_batches(bank: Bank, captions: Path) -> None:
    models = replace(fake_models(), generator=InterruptedGenerator(1))
    assert Ingestor(bank, LocalExecutor(models), batch_size=3).run(captions).interrupted
    report = Ingestor(bank, LocalExecutor(fake_models()), batch_size=4).run(
        captions, RunOptions(message="other")
    )
    assert report.done_before + report.written == 13
    assert report.revision is not None
    assert report.revision.message == "ingest captions.jsonl"
    assert report.revision.prototypes_added == bank.stats().prototypes


def test_a_run_stopped_under_a_small_limit_goes_on_without_one(
    bank: Bank, captions: Path, undisturbed: Contents
) -> None:
    models = replace(fake_models(), generator=InterruptedGenerator(1))
    stopped = Ingestor(bank, LocalExecutor(models), batch_size=3).run(captions, RunOptions(limit=7))
    assert stopped.interrupted
    assert (stopped.captions, stopped.rejected) == (7, 1)
    Ingestor(bank, LocalExecutor(fake_models()), batch_size=3).run(captions)
    assert_same_bank(contents_of(bank), undisturbed)


def test_a_pipe_is_not_waited_for_beyond_the_limit(ingestor: Ingestor) -> None:
    def typed() -> Iterator[Caption]:
        yield Caption("a car")
        yield Caption("a tree")
        raise AssertionError("waited for a third caption")

    assert ingestor.run(typed(), RunOptions(limit=2)).written == 2


def test_an_error_of_the_writing_thread_ends_the_run_and_is_mended_by_the_next(
    bank: Bank, captions: Path, undisturbed: Contents, monkeypatch: pytest.MonkeyPatch
) -> None:
    add = RevisionWriter.add
    calls: list[int] = []

    def full(writer: RevisionWriter, generations: Sequence[NewGeneration]) -> None:
        calls.append(len(generations))
        if len(calls) == 2:
            raise StorageError("disk full")
        add(writer, generations)

    monkeypatch.setattr(RevisionWriter, "add", full)
    with pytest.raises(StorageError, match="disk full"):
        Ingestor(bank, LocalExecutor(fake_models()), batch_size=3).run(captions)
    monkeypatch.undo()
    assert Ingestor(bank, LocalExecutor(fake_models()), batch_size=3).run(captions).done_before == 3
    assert_same_bank(contents_of(bank), undisturbed)


def test_an_error_while_drawing_keeps_what_was_drawn_before(bank: Bank, captions: Path) -> None:
    class Failing(FakeGenerator):
        def generate(self, requests: Sequence[GenerationRequest]) -> list[GeneratedImage]:
            if len(self.batches) == 2:
                raise RuntimeError("device lost")
            return super().generate(requests)

    with pytest.raises(RuntimeError, match="device lost"):
        Ingestor(bank, LocalExecutor(replace(fake_models(), generator=Failing())), batch_size=3).run(captions)
    assert Ingestor(bank, LocalExecutor(fake_models()), batch_size=3).run(captions).done_before == 6


def test_importing_loads_no_network_and_no_database() -> None:
    program = (
        "import sys, freeda_ingest.ingestor, freeda_ingest.captions\n"
        "heavy = {'torch', 'diffusers', 'transformers', 'open_clip', 'spacy', 'sqlalchemy', 'alembic', "
        "'qdrant_edge', 'qdrant_client', 'skimage'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_limited_run_keeps_the_rejects_of_a_whole_one(ingestor: Ingestor, tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl"
    path.write_text('{"caption": "a red car"}\n{"caption": "a green tree"}\nbroken{\n')
    kept = ingestor.run(path).rejects_path
    assert kept is not None
    ingestor.run(path, RunOptions(limit=1))
    assert len(kept.read_text("utf-8").splitlines()) == 1


def test_rejects_of_a_device_do_not_lie_beside_it(tmp_path: Path) -> None:
    assert rejects_path(Path("/dev/stdin"), tmp_path) == tmp_path / "stdin.rejects.jsonl"
    in_memory = Path("/dev/shm/no-such.jsonl")
    assert rejects_path(in_memory, None) == Path("/dev/shm/no-such.jsonl.rejects.jsonl")


def test_two_runs_at_once_may_read_the_same_captions(tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl"
    runs = [RejectsFile(rejects_path(path, None), path.name) for _ in range(2)]
    for rejects in runs:
        rejects.add(Reject(1, "not JSON", "{"))
    for rejects in runs:
        kept = rejects.close(complete=True)
        assert kept is not None
        assert len(kept.read_text("utf-8").splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["c.jsonl.rejects.jsonl"]
