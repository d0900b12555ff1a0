"""What commands say and do when thumbnails or vectors of a bank are broken."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from freeda_store import Bank


@pytest.fixture
def blind(bank: Path) -> Path:
    """The bank without one of its pictures, and with another truncated."""
    with Bank.open(bank) as opened:
        first, second = sorted({i.picture_key for i in opened.infos() if i.noun == "car"})
    (bank / "thumbnails" / first[:2] / f"{first}.webp").unlink()
    os.truncate(bank / "thumbnails" / second[:2] / f"{second}.webp", 20)
    return bank


def test_show_goes_on_and_says_so(freeda: Any, blind: Path) -> None:
    result = freeda("bank", "show", "car", "--bank", blind, "--out", "car.png")
    assert result.exit_code == 0
    assert Path("car.png").is_file()
    assert "warning: 1 thumbnail is missing" in result.stderr
    assert "warning: 1 thumbnail is damaged" in result.stderr
    assert freeda("bank", "show", "dog", "--bank", blind, "--out", "dog.png").stderr == ""


def test_explain_goes_on_and_says_so(freeda: Any, blind: Path, opened: Any, picture: Path) -> None:
    result = freeda("explain", picture, "-c", "car", "--bank", blind, "--out", "why.html", "--where", "none")
    assert result.exit_code == 0, result.stderr
    assert "warning: 1 thumbnail is missing" in result.stderr
    page = Path("why.html").read_text(encoding="utf-8")
    assert "picture missing" in page
    assert "picture damaged" in page


def test_segment_needs_no_thumbnails(freeda: Any, blind: Path, opened: Any, picture: Path) -> None:
    result = freeda("segment", picture, "-c", "car,tree", "--bank", blind, "--out", "out", "--where", "none")
    assert result.exit_code == 0, result.stderr
    assert "thumbnail" not in result.stderr


def test_verify_names_what_only_a_copy_restores(freeda: Any, blind: Path) -> None:
    result = freeda("bank", "verify", "--repair", "--bank", blind)
    assert result.exit_code == 1
    assert "restore them from a copy" in result.stdout


def test_broken_vectors_are_one_line_and_repaired(freeda: Any, bank: Path) -> None:
    (state,) = (bank / "vectors" / "segments").glob("*/segment.json")
    os.truncate(state, 50)
    for asking in ("stats", "list", "log"):
        result = freeda("bank", asking, "--bank", bank)
        assert result.exit_code == 0, "readers use the files of revisions"
    for command in (("verify",), ("tag", "v1"), ("prune", "--where", "noun=car")):
        result = freeda("bank", *command, "--bank", bank)
        assert (result.exit_code, result.stderr.count("\n")) == (1, 1), result.stderr
        assert f"{state} is damaged, truncated or missing" in result.stderr
        assert "`freeda bank verify --repair`" in result.stderr
    repaired = freeda("bank", "verify", "--repair", "--bank", bank, "--json")
    assert repaired.exit_code == 0, repaired.stderr
    assert json.loads(repaired.stdout)["lost"] == []
    assert "3 of them have their vectors from the files of revisions" in repaired.stderr
    assert f"the old are in {bank / 'damaged' / '1' / 'vectors'}" in repaired.stderr
    assert (bank / "damaged" / "1" / "vectors" / "segments" / state.parent.name).is_dir()
    assert freeda("bank", "verify", "--bank", bank).exit_code == 0
    assert freeda("bank", "stats", "--bank", bank).exit_code == 0
