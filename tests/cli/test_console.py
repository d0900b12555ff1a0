"""How things are said."""

from __future__ import annotations

import io
import json
import logging
import os
import re
import sys
import warnings
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freeda_cli import console
from freeda_cli.progress import IngestBar, LearnBar, Speed
from freeda_cli.quiet import set_up_logging
from freeda_ingest.report import IngestProgress
from freeda_learn.labels.common import Labels, PictureLabels
from freeda_learn.report import LearnProgress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@given(st.text())
def test_printable_text_is_one_line_without_control_characters(text: str) -> None:
    shown = console.printable(text)
    assert shown.isprintable()
    shown.encode("utf-8")


def test_printable_leaves_ordinary_text_alone() -> None:
    assert console.printable("Bäume, 木 [red]🌲[/red]") == "Bäume, 木 [red]🌲[/red]"
    assert console.printable("a\x1b[2Jb\n\udcff") == "a\\x1b[2Jb\\n\\udcff"


def test_markup_and_long_lines_come_out_as_they_went_in(capsys: pytest.CaptureFixture[str]) -> None:
    text = "[bold]x[/bold] :smile: " + "word " * 100
    console.say(text)
    assert capsys.readouterr().out == f"{text}\n"


def test_messages_go_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    console.note("note")
    console.warn("careful")
    console.fail("broken")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "note\nwarning: careful\nerror: broken\n"


def test_tables_line_up_and_end_without_blanks(capsys: pytest.CaptureFixture[str]) -> None:
    console.show_table(("n#", "what"), [(1, "x"), (100, "[red]" + "y" * 300)])
    assert capsys.readouterr().out.splitlines() == ["  n  what", "  1  x", "100  [red]" + "y" * 300]


def test_facts_keep_further_lines_in_their_column(capsys: pytest.CaptureFixture[str]) -> None:
    console.show_facts([("a", "1\n2"), ("long", "3")])
    assert capsys.readouterr().out.splitlines() == ["a     1", "      2", "long  3"]


def test_json_is_readable_by_programs_and_people(capsys: pytest.CaptureFixture[str]) -> None:
    console.emit_json({"caption": "ein Bäumchen"})
    out = capsys.readouterr().out
    assert json.loads(out) == {"caption": "ein Bäumchen"}
    assert "Bäumchen" in out


def test_colours_on_a_terminal_unless_no_color_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    coloured, plain = Terminal(), Terminal()
    monkeypatch.setattr(sys, "stderr", coloured)
    console.fail("x")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr(sys, "stderr", plain)
    console.fail("x")
    assert "\x1b[1;31m" in coloured.getvalue()
    assert "31m" not in plain.getvalue()


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0, "0.00 s"),
        (9.994, "9.99 s"),
        (12.34, "12.3 s"),
        (185, "3 min 05 s"),
        (3599.6, "1 h 00 min"),
        (7620, "2 h 07 min"),
    ],
)
def test_durations(seconds: float, told: str) -> None:
    assert console.duration(seconds) == told


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1 kB"),
        (1_250_000, "1.2 MB"),
        (999_960_000, "1.0 GB"),
        (5e15, "5000.0 TB"),
    ],
)
def test_sizes(number: int, told: str) -> None:
    assert console.size(number) == told


def test_speed_leaves_out_what_came_before_the_first_report() -> None:
    times = iter([100.0, 102.0, 104.0])
    speed = Speed(clock=lambda: next(times))
    speed.update(8)
    assert speed.per_second is None
    speed.update(8)
    assert speed.per_second is None
    speed.update(20)
    assert speed.per_second == 3.0


def test_learning_from_labels_is_told_in_pictures() -> None:
    entries = [PictureLabels(Path(f"{number}.png"), whole="box") for number in range(4)]
    speed = Speed()
    bar = LearnBar("pictures", speed=speed)
    read = iter(bar.following(Labels("a folder a class", lambda: iter(entries), 4)).entries())
    shown: list[tuple[int, int | None]] = []
    bar.show = lambda doing, done, total: shown.append((done, total))  # type: ignore[method-assign]
    for _ in range(3):
        next(read)
    bar(LearnProgress(done=2, learned=2))
    assert list(read)
    bar(LearnProgress(done=4, learned=4))
    assert shown == [(2, 4), (4, 4)]


def test_the_bar_tells_rate_and_time_left() -> None:
    speed = Speed()
    bar = IngestBar("in/captions.jsonl", speed=speed)
    assert bar.status_of(IngestProgress(captions_done=10)) == "10"
    speed.per_second = 2.0
    progress = IngestProgress(captions_done=1_010, captions_drawn=10, captions_total=1_100)
    assert bar.status_of(progress) == "1,010 of 1,100, 2.0 a second, 45.0 s left"
    speed.per_second = 0.1
    assert bar.status_of(progress) == "1,010 of 1,100, 10.0 s each, 15 min 00 s left"


def test_without_a_terminal_the_bar_writes_lines_only(capsys: pytest.CaptureFixture[str]) -> None:
    with IngestBar("captions.jsonl") as bar:
        bar(IngestProgress(captions_done=4, captions_drawn=4, captions_total=10))
        bar(IngestProgress(captions_done=8, captions_drawn=8, captions_total=10, stopping=True))
        bar(IngestProgress(captions_done=8, captions_drawn=8, captions_total=10, stopping=True))
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "finishing the batch in hand; press Ctrl-C again to stop at once.\n"


def test_libraries_are_silent_unless_verbose(capsys: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings():
        set_up_logging(verbose=False)
        logging.getLogger("some_library.stranger").warning("noise")
        logging.getLogger("freeda_ingest.pipeline").info("stage")
        warnings.warn("noise", UserWarning, stacklevel=1)
        assert os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] == "1"
        assert os.environ["HF_HUB_VERBOSITY"] == "error"
    assert capsys.readouterr().err == ""


def test_verbose_shows_our_log_and_theirs(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging(verbose=True)
    set_up_logging(verbose=True)
    logging.getLogger("some_library.stranger").warning("noise")
    logging.getLogger("freeda_ingest.pipeline").info("generate 2.00 s")
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(" ", 1)[1] for line in lines] == [
        "some_library.stranger: noise",
        "freeda_ingest.pipeline: generate 2.00 s",
    ]


def on_terminal(monkeypatch: pytest.MonkeyPatch, columns: int, *rows: tuple[object, ...]) -> list[str]:
    screen = Terminal()
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    console.show_table(("n#", "id", "caption"), rows)
    return [re.sub("\x1b\\[[0-9;]*m", "", line) for line in screen.getvalue().splitlines()]


def test_tables_break_sentences_and_not_words(monkeypatch: pytest.MonkeyPatch) -> None:
    id_ = "04725c94-d60b-5ca0-93f6-db07a6b87fac"
    caption = "a red car on the sand under a sunset sky"
    lines = on_terminal(monkeypatch, 60, (1.25, id_, caption))
    assert len(lines) > 2
    assert max(map(len, lines)) <= 60
    assert sum(id_ in line for line in lines) == 1
    assert {word for line in lines for word in line.split()} >= set(caption.split())
    assert on_terminal(monkeypatch, 40, (1.25, id_, caption))[1] == f"1.25  {id_}  {caption}"


def test_a_word_longer_than_an_id_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    assert max(map(len, on_terminal(monkeypatch, 60, (1, "x", "y" * 100)))) <= 60
