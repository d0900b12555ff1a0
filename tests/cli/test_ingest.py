"""``freeda ingest``, with an ingestor that tells instead of drawing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from freeda_cli.ingest import report_facts
from freeda_ingest.captions.detection import CaptionFormat
from freeda_ingest.errors import RejectedCaptionError
from freeda_ingest.ingestor import RunOptions
from freeda_ingest.report import IngestProgress, IngestReport, Reject
from freeda_models.check import ComponentCheck, ComponentState, PresetCheck
from freeda_store.records import RevisionInfo

REVISION = RevisionInfo(3, 2, "ingest captions.jsonl", "2026-01-01", "2026-01-01", 512, 0)
REPORT = IngestReport(
    captions=240,
    duplicates=0,
    done_before=12,
    written=226,
    without_nouns=0,
    prototypes=512,
    undrawn=0,
    halved=0,
    dropped={"too_small": 5, "outside_window": 3},
    unknown_nouns={},
    cut_captions=0,
    notes=(),
    blank_lines=0,
    rejected=0,
    first_rejects=(),
    rejects_path=None,
    seconds={"generate": 61.0, "keys": 1.5},
    total_seconds=65.25,
    revision=REVISION,
    interrupted=False,
)


class FakeIngestor:
    """Gives one report for every file and remembers what it was asked."""

    def __init__(self) -> None:
        self.report: IngestReport | Exception = REPORT
        self.opened: list[tuple[str, str, str]] = []
        self.runs: list[tuple[str, RunOptions]] = []

    def run(
        self, captions: str, options: RunOptions, progress: Callable[[IngestProgress], None]
    ) -> IngestReport:
        self.runs.append((captions, options))
        progress(IngestProgress(captions_done=4, captions_drawn=4, captions_total=240))
        if isinstance(self.report, Exception):
            raise self.report
        return self.report


@pytest.fixture
def ingestor(monkeypatch: pytest.MonkeyPatch) -> FakeIngestor:
    """In the place of the real one; all models count as present."""
    fake = FakeIngestor()
    monkeypatch.setattr("freeda_models.check.check_preset", lambda name, *_: PresetCheck(name, ()))

    @contextmanager
    def open_fake(address: str, preset: Any, *, device: str, executor: Any) -> Iterator[FakeIngestor]:
        fake.opened.append((address, preset.name, device))
        yield fake

    monkeypatch.setattr("freeda_ingest.ingestor.open_ingestor", open_fake)
    return fake


@pytest.fixture
def captions(tmp_path: Path) -> Path:
    path = tmp_path / "captions.jsonl"
    path.write_text('{"caption": "a car"}\n')
    return path


def test_tells_what_was_written(freeda: Any, ingestor: FakeIngestor, captions: Path) -> None:
    result = freeda("ingest", captions)
    assert result.exit_code == 0
    facts = dict(line.split("  ", 1) for line in result.stdout.splitlines())
    told = {name: value.strip() for name, value in facts.items()}
    assert told["written"] == "226"
    assert told["done before"] == "12"
    assert told["dropped"] == "too small 5, outside window 3"
    assert told["time"] == "1 min 05 s: generate 1 min 01 s, keys 1.50 s"
    assert told["revision"] == "3: ingest captions.jsonl"


def test_programs_get_json(freeda: Any, ingestor: FakeIngestor, captions: Path) -> None:
    result = freeda("ingest", captions, captions, "--json")
    assert result.exit_code == 0
    first, second = json.loads(result.stdout)
    assert first == second
    assert (first["written"], first["dropped"]) == (226, {"too_small": 5, "outside_window": 3})
    assert (first["revision"], first["captions_from"]) == (3, str(captions))
    ingestor.report = replace(REPORT, interrupted=True, revision=None)
    stopped = freeda("ingest", captions, "--json")
    assert stopped.exit_code == 130
    (told,) = json.loads(stopped.stdout)
    assert (told["interrupted"], told["revision"]) == (True, None)


def test_defaults_are_said_and_used(freeda: Any, ingestor: FakeIngestor, captions: Path) -> None:
    result = freeda("ingest", captions)
    assert "bank freeda-bank, preset tiny" in result.stderr
    assert ingestor.opened == [("freeda-bank", "tiny", "auto")]
    assert ingestor.runs == [(str(captions), RunOptions())]


def test_options_reach_the_run(freeda: Any, ingestor: FakeIngestor, captions: Path) -> None:
    options = ["--limit", "9", "--batch-size", "2", "--seed", "5", "--message", "why", "--strict"]
    options += ["--field", "caption", "--format", "jsonl"]
    result = freeda("ingest", captions, "--bank", "b", "--preset", "sd21", "--device", "cpu", *options)
    assert result.exit_code == 0
    assert ingestor.opened == [("b", "sd21", "cpu")]
    assert ingestor.runs[0][1] == RunOptions(
        9, 2, 5, "why", strict=True, field="caption", format=CaptionFormat.JSON_LINES
    )


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("image,label\n1.png,cat\n", "has no field 'caption', but 'image', 'label'"),
        ("%PDF-1.7", "is a PDF, not captions"),
    ],
)
def test_a_second_file_without_captions_stops_before_the_first_is_drawn(
    freeda: Any, ingestor: FakeIngestor, captions: Path, tmp_path: Path, content: str, told: str
) -> None:
    (tmp_path / "other.csv").write_text(content)
    result = freeda("ingest", captions, tmp_path / "other.csv")
    assert result.exit_code == 2
    assert told in result.stderr
    assert not ingestor.opened


@pytest.mark.parametrize("size", ["0", "-1", "2.5", "many", "²"])
def test_a_batch_size_is_a_number_or_auto(
    size: str, freeda: Any, ingestor: FakeIngestor, captions: Path
) -> None:
    assert freeda("ingest", captions, "--batch-size", "auto").exit_code == 0
    assert ingestor.runs[0][1].batch_size == "auto"
    result = freeda("ingest", captions, "--batch-size", size)
    assert result.exit_code == 2
    assert f"--batch-size is '{size}'; give a number from 1 on, or 'auto'." in " ".join(result.stderr.split())


def test_faults_are_told(freeda: Any, ingestor: FakeIngestor, captions: Path) -> None:
    notes = ("caption 7: pixels that are not numbers",)
    ingestor.report = replace(REPORT, undrawn=5, halved=2, notes=notes)
    result = freeda("ingest", captions)
    assert "5; the next run tries them again" in result.stdout
    told = " ".join(result.stderr.split())
    assert "warning: caption 7: pixels that are not numbers" in told
    assert "warning: 2 more captions like these." in told
    assert "warning: 2 batches did not fit the device's memory, and were drawn in halves" in told


def test_a_download_is_announced_with_its_size(
    freeda: Any, ingestor: FakeIngestor, captions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = ComponentCheck("backbone", "facebook/dinov2-large", ComponentState.DOWNLOAD, "", 1218.0, "")
    check = PresetCheck("sd21", (part, replace(part, role="nouns", state=ComponentState.PRESENT)))
    monkeypatch.setattr("freeda_models.check.check_preset", lambda name, *_: check)
    told = freeda("ingest", captions, "--preset", "sd21").stderr
    assert "downloading 1.2 GB first: facebook/dinov2-large (--verbose" in told


def test_an_existing_bank_decides_the_preset(
    freeda: Any, ingestor: FakeIngestor, captions: Path, make_bank: Callable[[str], Path]
) -> None:
    bank = make_bank("sd15")
    assert freeda("ingest", captions, "--bank", bank).exit_code == 0
    assert ingestor.opened[0][1] == "sd15"


def test_a_bank_of_an_own_preset_asks_for_its_file(
    freeda: Any, ingestor: FakeIngestor, captions: Path, make_bank: Callable[[str], Path]
) -> None:
    result = freeda("ingest", captions, "--bank", make_bank("mine"))
    assert result.exit_code == 2
    assert "--preset FILE.toml" in result.stderr
    assert not ingestor.opened


def test_every_file_is_run_in_turn(freeda: Any, ingestor: FakeIngestor, captions: Path) -> None:
    result = freeda("ingest", captions, "-", stdin="a tree\n")
    assert [path for path, _ in ingestor.runs] == [str(captions), "-"]
    assert "240 read from standard input" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["missing.jsonl"], "missing.jsonl"),
        (["."], "folder"),
        (["-", "-"], "standard input"),
    ],
)
def test_unreadable_files_are_misuse_before_anything_is_opened(
    freeda: Any, ingestor: FakeIngestor, captions: Path, arguments: list[str], told: str
) -> None:
    result = freeda("ingest", captions, *arguments)
    assert result.exit_code == 2
    assert told in result.stderr
    assert result.stderr.count("\n") == 1
    assert not ingestor.opened


def test_unknown_presets_are_misuse(freeda: Any, ingestor: FakeIngestor, captions: Path) -> None:
    result = freeda("ingest", captions, "--preset", "huge")
    assert result.exit_code == 2
    assert "unknown preset 'huge'" in result.stderr
    assert "tiny" in result.stderr


def test_rejects_are_shown_with_file_and_line(
    freeda: Any, ingestor: FakeIngestor, captions: Path, tmp_path: Path
) -> None:
    rejects = tuple(Reject(line, "no field 'caption'", "{}") for line in range(3, 10))
    ingestor.report = replace(
        REPORT, rejected=7, first_rejects=rejects, rejects_path=tmp_path / "captions.jsonl.rejects.jsonl"
    )
    result = freeda("ingest", captions)
    assert result.exit_code == 0
    assert "captions.jsonl:3: no field 'caption'" in result.stdout
    assert "and 2 more" in result.stdout
    assert str(tmp_path / "captions.jsonl.rejects.jsonl") in result.stdout


def test_captions_in_another_language_are_told(freeda: Any, ingestor: FakeIngestor, captions: Path) -> None:
    notes = tuple(f"caption {n}: not in English; it seems to be in Spanish" for n in range(5))
    ingestor.report = replace(REPORT, refused=5, notes=notes)
    result = freeda("ingest", captions)
    assert "not in English" in result.stdout
    assert "caption 2: not in English; it seems to be in Spanish" in result.stderr
    assert "2 more captions like these." in result.stderr


def test_ctrl_c_tells_how_to_go_on(freeda: Any, ingestor: FakeIngestor, captions: Path) -> None:
    ingestor.report = replace(REPORT, interrupted=True, revision=None, written=8)
    result = freeda("ingest", captions, captions, "--seed", "4")
    assert result.exit_code == 130
    assert len(ingestor.runs) == 1
    assert "8 captions of this run are kept. Run the same command again" in result.stderr
    assert "--seed 4" in result.stderr


def test_strict_runs_fail_with_the_line(freeda: Any, ingestor: FakeIngestor, captions: Path) -> None:
    ingestor.report = RejectedCaptionError("captions.jsonl:2: empty caption; correct it.")
    result = freeda("ingest", captions, "--strict")
    assert result.exit_code == 1
    assert "error: captions.jsonl:2: empty caption; correct it." in result.stderr.splitlines()


def test_unknown_nouns_are_named_with_the_presets_that_know_them(
    freeda: Any, ingestor: FakeIngestor, captions: Path
) -> None:
    ingestor.report = replace(REPORT, unknown_nouns={"zebra": 3, "violin": 1})
    warning = freeda("ingest", captions).stderr.splitlines()[-1]
    assert warning.startswith("warning: preset tiny does not know 'zebra' (3), 'violin' (1), so")
    assert "--preset photos or sd15 or sd21 or sdxl" in warning


def test_captions_beyond_the_window_are_told(freeda: Any, ingestor: FakeIngestor, captions: Path) -> None:
    notes = tuple(f"caption {n}: beyond the text encoder's window: tree" for n in range(5))
    ingestor.report = replace(REPORT, notes=notes, cut_captions=5)
    lines = freeda("ingest", captions).stderr.splitlines()
    assert "warning: caption 0: beyond the text encoder's window: tree" in lines
    assert lines[-1].startswith("warning: 2 more captions with nouns beyond")


def test_nothing_new_is_said_to_be_so() -> None:
    report = replace(REPORT, revision=None, written=0, without_nouns=2, duplicates=1)
    facts = dict(report_facts("c.jsonl", report))
    assert facts["revision"] == "none made, for nothing was new"
    assert facts["without nouns"] == "2; not drawn"
    assert facts["repeated"] == "1; drawn once"


def test_a_file_without_any_caption_is_misuse(freeda: Any, ingestor: FakeIngestor, captions: Path) -> None:
    ingestor.report = replace(REPORT, captions=0, rejected=3, first_rejects=(Reject(1, "not UTF-8", ""),))
    result = freeda("ingest", captions, captions)
    assert result.exit_code == 2
    assert len(ingestor.runs) == 2
    assert f"nothing in {captions}, {captions} is a caption; the reasons are above" in result.stderr
    ingestor.report = replace(REPORT, captions=0, rejected=0)
    assert freeda("ingest", captions).exit_code == 0
