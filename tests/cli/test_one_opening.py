"""A command that segments opens its bank once and reads its manifest once, in a folder and hosted."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parents[1] / "store"))

from hosted_makers import make_team
from postgres_server import find_binaries, running_postgres

from freeda_models import presets
from freeda_store import Bank, copy_bank
from freeda_store.manifest import Manifest


class Counted:
    """How often banks were opened and manifests read."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.opened = self.read = 0
        read = Manifest.from_json.__func__  # type: ignore[attr-defined]
        ways = {name: getattr(Bank, name).__func__ for name in ("open", "read")}

        def reading(cls: Any, document: str) -> Any:
            self.read += 1
            return read(cls, document)

        for name, way in ways.items():
            monkeypatch.setattr(Bank, name, classmethod(self._counting(way)))
        monkeypatch.setattr(Manifest, "from_json", classmethod(reading))

    def _counting(self, way: Any) -> Any:
        def opening(cls: Any, *arguments: Any, **named: Any) -> Any:
            self.opened += 1
            return way(cls, *arguments, **named)

        return opening


@pytest.mark.parametrize("preset", [(), ("--preset", "tiny")])
@pytest.mark.parametrize("command", ["segment", "explain", "evaluate"])
def test_a_bank_is_opened_once_and_its_manifest_read_once(
    freeda: Any,
    opened: Any,
    bank: Path,
    picture: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    preset: tuple[str, ...],
) -> None:
    line = (command, picture, "-c", "car") if command != "evaluate" else (command, "tiny", "--limit", "1")
    counted = Counted(monkeypatch)
    result = freeda(*line, "--bank", bank, *preset)
    assert result.exit_code == 0, result.stderr
    assert (counted.opened, counted.read) == (1, 1)
    assert len(opened.calls) == 1
    Bank.open(bank).close()  # the command let go of it


@pytest.mark.parametrize("command", ["segment", "explain", "evaluate"])
def test_the_file_of_a_preset_is_read_once(
    freeda: Any,
    opened: Any,
    bank: Path,
    picture: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
) -> None:
    preset = tmp_path / "mine.toml"
    preset.write_text('extends = "tiny"\nname = "mine"\n')
    read: list[Path] = []
    as_before = presets._read

    def reading(path: Path) -> str:
        read.append(path)
        return as_before(path)

    monkeypatch.setattr(presets, "_read", reading)
    line = (command, picture, "-c", "car") if command != "evaluate" else (command, "tiny", "--limit", "1")
    result = freeda(*line, "--bank", bank, "--preset", preset)
    assert result.exit_code == 0, result.stderr
    assert read == [preset]


def test_results_that_are_up_to_date_take_one_opening_too(
    freeda: Any, opened: Any, bank: Path, picture: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened.small = False
    line = ("segment", picture, "-c", "car", "--bank", bank)
    assert freeda(*line).exit_code == 0
    counted = Counted(monkeypatch)
    assert "up to date" in freeda(*line).stdout
    assert (counted.opened, counted.read, len(opened.calls)) == (1, 1, 1)
    assert freeda(*line, "-k", "3").exit_code == 0  # made in another way: networks are loaded now
    assert (counted.opened, counted.read, len(opened.calls)) == (2, 2, 2)


def test_the_baseline_opens_no_bank(
    freeda: Any, opened: Any, bank: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = Counted(monkeypatch)
    monkeypatch.setattr("freeda_segment.evaluation.plan.plan_maskclip", lambda *_, **__: 1 / 0)
    with Bank.open(bank):  # by somebody else
        result = freeda("evaluate", "tiny", "--method", "maskclip", "--bank", bank)
    assert "division by zero" in result.stderr
    assert (counted.opened, len(opened.calls)) == (1, 0)


def test_a_hosted_bank_is_opened_once_too(
    freeda: Any, opened: Any, bank: Path, picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    binaries = find_binaries()
    if binaries is None:
        pytest.skip("PostgreSQL is not installed")
    with running_postgres(binaries) as postgres, make_team(tmp_path, postgres, monkeypatch) as team:
        team.add("colours", sql_url=postgres.new_database(), thumbnails=str(tmp_path / "pictures"))
        copy_bank(bank, "colours")
        counted = Counted(monkeypatch)
        for command in ("segment", "explain"):
            result = freeda(command, picture, "-c", "car", "--bank", "colours")
            assert result.exit_code == 0, result.stderr
        assert (counted.opened, counted.read, len(opened.calls)) == (2, 2, 2)
