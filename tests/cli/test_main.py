"""What holds for every command: help, version, errors, exit codes, streams."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.main import get_command

from freeda_cli.errors import report
from freeda_cli.main import app
from freeda_ingest.errors import CaptionsError, RejectedCaptionError
from freeda_models.errors import ModelMissingError, PresetError
from freeda_segment.errors import ClassesError, NoPrototypesError
from freeda_store.errors import BankInUseError, BankMissingError, FilterError


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    yield path, command
    for name, child in getattr(command, "commands", {}).items():
        yield from commands(child, (*path, name))


ALL = dict(commands(get_command(app)))


def test_the_commands_are_those_of_the_documentation() -> None:
    assert {path[0] for path in ALL if path} == {
        *("demo", "evaluate", "explain", "ingest", "learn", "segment", "serve"),
        *("bank", "models"),
    }
    assert ("bank", "stats") in ALL
    assert ("models", "check") in ALL


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_every_command_has_a_sentence_and_an_example(path: tuple[str, ...]) -> None:
    command = ALL[path]
    first = (command.help or "").split("\n\n")[0]
    assert first.endswith(".")
    assert first[0].isupper()
    assert command.epilog.startswith("Example: freeda ")


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_every_parameter_has_help(path: tuple[str, ...]) -> None:
    for parameter in ALL[path].params:
        assert parameter.help, f"{' '.join(path)}: {parameter.name}"
        assert parameter.help.rstrip()[-1] in ".;'", parameter.help


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_help_is_shown_without_colours_when_not_on_a_terminal(freeda: Any, path: tuple[str, ...]) -> None:
    result = freeda(*path, "--help")
    assert result.exit_code == 0
    assert "Usage: " in result.stdout
    assert "\x1b" not in result.output


@pytest.mark.parametrize("path", [(), ("bank",), ("models",)], ids=str)
def test_a_bare_group_shows_its_help_and_no_error(freeda: Any, path: tuple[str, ...]) -> None:
    result = freeda(*path)
    assert "Usage: " in result.stdout
    assert result.stderr == ""


def test_version(freeda: Any) -> None:
    result = freeda("--version")
    assert result.exit_code == 0
    assert result.stdout.startswith("freeda ")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["frobnicate"], "See `freeda --help`."),
        (["--frobnicate"], "See `freeda --help`."),
        (["bank", "stats", "--frobnicate"], "See `freeda bank stats --help`."),
        (["bank", "show"], "NOUN"),
        (["ingest", "x", "--limit", "many"], "--limit"),
        (["ingest", "x", "--limit", "0"], "--limit"),
        (["models", "check", "huge"], "unknown preset 'huge'"),
    ],
)
def test_misuse_is_one_line_and_code_2(freeda: Any, arguments: list[str], told: str) -> None:
    result = freeda(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    assert told in result.stderr


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (PresetError("no such preset."), 2),
        (FilterError("no such field."), 2),
        (BankMissingError("no bank."), 2),
        (ClassesError("no class."), 2),
        (CaptionsError("no file."), 2),
        (BankInUseError("in use."), 1),
        (ModelMissingError("no weights."), 1),
        (NoPrototypesError("nothing."), 1),
        (RejectedCaptionError("line 3."), 1),
    ],
)
def test_known_errors_are_their_own_line(
    error: Exception, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report(error) == code
    assert capsys.readouterr().err == f"error: {error}\n"


def test_system_errors_name_the_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert report(PermissionError(13, "Permission denied", "/root/bank")) == 1
    assert capsys.readouterr().err == "error: /root/bank: Permission denied.\n"


def test_unknown_errors_are_one_line_that_tells_how_to_see_more(capsys: pytest.CaptureFixture[str]) -> None:
    assert report(ZeroDivisionError("first\nsecond \x1b[31m line")) == 1
    shown = capsys.readouterr().err
    assert shown.startswith("error: unexpected ZeroDivisionError: first second \\x1b[31m line (run again")
    assert shown.count("\n") == 1


def explode(message: str) -> Any:
    def stats(*_: Any) -> None:
        raise RuntimeError(message)

    return stats


def test_debug_shows_the_traceback_and_nothing_else_does(
    freeda: Any, bank: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("freeda_store.bank.Bank.stats", explode("boom"))
    plain = freeda("bank", "stats", "--bank", bank)
    assert plain.exit_code == 1
    assert "error: unexpected RuntimeError: boom (run again with `freeda --debug ...`" in plain.stderr
    assert "Traceback" not in plain.output
    debugged = freeda("--debug", "bank", "stats", "--bank", bank)
    assert debugged.exit_code == 1
    assert "Traceback" in debugged.stderr
    assert "stats" in debugged.stderr


def test_ctrl_c_is_130_without_a_traceback(freeda: Any, bank: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("freeda_store.bank.Bank.stats", interrupt)
    result = freeda("bank", "stats", "--bank", bank)
    assert result.exit_code == 130
    assert result.stderr == "interrupted.\n"


def test_a_bank_in_use_is_said_to_be_so(freeda: Any, bank: Path) -> None:
    from freeda_store import Bank

    with Bank.open(bank):
        assert freeda("bank", "stats", "--bank", bank).exit_code == 0, "readers do not mind a writer"
        result = freeda("bank", "tag", "v1", "--bank", bank)
    assert result.exit_code == 1
    assert "in use" in result.stderr
    assert result.stderr.count("\n") == 1


def test_models_check_tells_what_is_missing(freeda: Any, tmp_path: Path) -> None:
    preset = tmp_path / "mine.toml"
    preset.write_text(
        'name = "mine"\ndescription = "folders that are not there"\n'
        '[clip]\nmodel = "local-dir:/nowhere/clip"\n'
        '[backbone]\nmodel = "/nowhere/backbone"\nimage_size = 64\n'
        '[generator]\nmodel = "/nowhere/generator"\nimage_size = 64\n'
    )
    result = freeda("models", "check", preset)
    assert result.exit_code == 1
    rows = [line.split() for line in result.stdout.splitlines()]
    assert rows[0] == ["role", "model", "state", "size"]
    assert ["backbone", "/nowhere/backbone", "missing"] in rows


def test_a_region_network_is_checked_when_it_is_asked_for(freeda: Any) -> None:
    rows = [
        line.split() for line in freeda("models", "check", "tiny", "--regions", "sam2").stdout.splitlines()
    ]
    assert ["regions", "facebook/sam2.1-hiera-small", "would", "be", "downloaded", "184.0", "MB"] in rows
    result = freeda("models", "check", "tiny", "--regions", "sam3")
    assert result.exit_code == 2
    assert "unknown region network 'sam3'" in result.stderr
    assert "regions" not in freeda("models", "check", "tiny").stdout


def test_models_list_names_the_presets(freeda: Any) -> None:
    presets, networks = freeda("models", "list").stdout.split("\n\n")
    names = [row.split()[0] for row in presets.splitlines()]
    assert names == ["preset", "photos", "sd15", "sd21", "sdxl", "tiny", "tiny-sentences"]
    rows = [row.split() for row in networks.splitlines()]
    assert [row[0] for row in rows] == ["--regions", "sam2", "edgetam", "eomt"]
    assert rows[3][1:3] == ["tue-mps/coco_panoptic_eomt_large_640", "MIT"]
    assert freeda("models", "list", "--json").stdout.startswith("[")


def test_a_reader_that_leaves_is_no_error(bank: Path) -> None:
    closed = subprocess.run(
        ["/bin/sh", "-c", f'"{sys.executable}" -m freeda_cli bank log --bank "{bank}" | true'],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert closed.stderr == ""


def test_usage_errors_of_our_own_need_no_context(capsys: pytest.CaptureFixture[str]) -> None:
    assert report(typer.BadParameter("must be even")) == 2
    assert "must be even" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["bnak"], "error: No such command 'bnak'. Did you mean 'bank'? See `freeda --help`.\n"),
        (
            ["ingest", "x", "--executor", "foo"],
            "error: Invalid value for '--executor': 'foo' is not one of 'local', 'ray'. "
            "See `freeda ingest --help`.\n",
        ),
    ],
)
def test_misuse_reads_well(freeda: Any, arguments: list[str], line: str) -> None:
    assert freeda(*arguments).stderr == line


def test_a_fault_without_a_file_is_told_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert report(OSError(28, "No space left on device")) == 1
    assert capsys.readouterr().err == "error: No space left on device.\n"


@pytest.mark.parametrize("name", ["tiny", "sd21", "sdxl"])
def test_models_show_gives_a_file_that_is_the_same_preset(freeda: Any, tmp_path: Path, name: str) -> None:
    from freeda_models.presets import load_preset

    shown = freeda("models", "show", name)
    assert shown.exit_code == 0
    path = tmp_path / "mine.toml"
    path.write_text(shown.stdout)
    assert load_preset(str(path)) == load_preset(name)
    assert json.loads(freeda("models", "show", name, "--json").stdout)["name"] == name


def test_the_first_example_names_models_for_photographs(freeda: Any) -> None:
    assert "--preset sd21" in " ".join(freeda("--help").stdout.split())
