"""``freeda.toml`` and the user's settings: what need not be said each time."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def user_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "user" / "settings.toml"
    path.parent.mkdir()
    path.touch()
    monkeypatch.setenv("FREEDA_SETTINGS", str(path))
    return path


def write(path: Path, **values: object) -> None:
    path.write_text("".join(f"{name} = {json.dumps(value)}\n" for name, value in values.items()))


def test_the_folders_file_saves_words(freeda: Any, opened: Any, bank: Path, picture: Path) -> None:
    write(Path("freeda.toml"), bank=str(bank), device="cpu", classes=["car", "tree|bush"], format="png,npz")
    result = freeda("segment", picture, "--json")
    assert result.exit_code == 0, result.stderr
    assert "defaults: bank, device, classes, formats from freeda.toml" in result.stderr
    (told,) = json.loads(result.stdout)
    assert [each["texts"] for each in told["classes"]] == [["car"], ["tree", "bush"]]
    assert set(told["written"]) == {"png", "npz", "report"}
    assert opened.calls[0]["device"] == "cpu"
    assert freeda("bank", "stats").exit_code == 0
    explained = freeda("explain", picture, "--json")
    assert explained.exit_code == 0, explained.stderr


def test_what_is_said_wins(
    freeda: Any,
    opened: Any,
    bank: Path,
    picture: Path,
    user_file: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    user_file.write_text('[defaults]\nbank = "nowhere-user"\nclasses = "sky"\n')
    assert "no bank in the folder nowhere-user" in freeda("segment", picture).stderr
    write(Path("freeda.toml"), bank="nowhere-folder")
    assert "no bank in the folder nowhere-folder" in freeda("segment", picture).stderr
    monkeypatch.setenv("FREEDA_BANK", "nowhere-variable")
    assert "no bank in the folder nowhere-variable" in freeda("segment", picture).stderr
    told = json.loads(freeda("segment", picture, "--bank", bank, "--json").stdout)
    assert [each["name"] for each in told[0]["classes"]] == ["sky"]
    told = json.loads(freeda("segment", picture, "--bank", bank, "-c", "car", "--json").stdout)
    assert [each["name"] for each in told[0]["classes"]] == ["car"]


@pytest.mark.parametrize("before", [True, False])
def test_default_classes_do_not_join_those_of_a_file(
    freeda: Any, opened: Any, bank: Path, picture: Path, before: bool
) -> None:
    write(Path("freeda.toml"), classes=["sky"])
    Path("classes.txt").write_text("car\ntree\n")
    named = ["--classes-file", "classes.txt", "--bank", bank, "--json"]
    result = freeda("segment", *named, picture) if before else freeda("segment", picture, *named)
    told = json.loads(result.stdout)
    assert [each["name"] for each in told[0]["classes"]] == ["car", "tree"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('bnak = "x"', "'bnak' is not a known default; did you mean 'bank'"),
        ("bank = 3", "bank = 3 is not text"),
        ("classes = [1]", "classes = [1] is not text, or a list of texts"),
        ("bank = ", "freeda.toml cannot be read"),
        ("\xff", "freeda.toml cannot be read"),
        ("a=" + "[" * 10_000, "freeda.toml cannot be read"),
    ],
)
def test_a_wrong_file_is_one_line(freeda: Any, text: str, told: str) -> None:
    Path("freeda.toml").write_bytes(text.encode("latin-1"))
    result = freeda("bank", "stats")
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert told in line


def test_a_pipe_is_not_waited_for(freeda: Any) -> None:
    os.mkfifo("freeda.toml")
    assert "freeda.toml cannot be read" in freeda("bank", "stats").stderr


def test_settings_with_defaults_are_settings_still(user_file: Path) -> None:
    from freeda_store.profiles.settings import load_settings

    user_file.write_text('cache_mb = 5\n[defaults]\nbank = "x"\n')
    assert load_settings().cache_mb == 5
