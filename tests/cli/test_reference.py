"""The generated page of the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from docs import cli_reference


def test_the_page_is_up_to_date() -> None:
    page = cli_reference.PAGE.read_text(encoding="utf-8")
    assert page == cli_reference.reference(), "run `make docs`"


def test_the_page_does_not_depend_on_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    wide = cli_reference.reference()
    monkeypatch.setenv("COLUMNS", "20")
    monkeypatch.setenv("TERMINAL_WIDTH", "20")
    assert cli_reference.reference() == wide


def test_every_command_and_option_is_on_the_page() -> None:
    page = cli_reference.reference()
    for heading in (
        "## `freeda`",
        "### `freeda segment`",
        "#### `freeda bank prune`",
        "#### `freeda models check`",
    ):
        assert heading in page.splitlines()
    assert "| `--bank`, `-b` `ADDRESS` |" in page
    assert "`$FREEDA_BANK`, else `freeda-bank`" in page
    assert "| `--superpixel-option` `OPTION=NUMBER` (repeatable) |" in page
    assert "freeda ingest CAPTIONS... [OPTIONS]" in page


def test_check_fails_on_a_stale_page_and_writing_mends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "cli.md"
    monkeypatch.setattr(cli_reference, "PAGE", page)
    for content in (None, "old"):
        if content is not None:
            page.write_text(content)
        with pytest.raises(SystemExit) as end:
            cli_reference.main(["--check"])
        assert end.value.code == 1
        assert "stale" in capsys.readouterr().err
    cli_reference.main([])
    cli_reference.main(["--check"])
    assert page.read_text().startswith("# Command line")
