"""No command writes over what freeda did not write, over its inputs, or over what is no file."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from freeda_store.files.own_files import is_ours

FORMATS = "overlay,png,rle,geojson,npz,preview"
RESULTS = (
    "photo.overlay.png",
    "photo.labels.png",
    "photo.coco.json",
    "photo.geojson",
    "photo.npz",
    "photo.picture.jpg",
)
MINE = b"years of work"


@pytest.mark.parametrize(
    ("command", "name"),
    [
        (("bank", "show", "car"), "car.png"),
        (("bank", "show", "car", "--out", "a.png"), "a.png"),
        (("bank", "export-table", "t.csv"), "t.csv"),
        (("bank", "export-table", "t.parquet"), "t.parquet"),
        (("explain", "photo.png", "-c", "car", "--where", "none", "--out", "why.html"), "why.html"),
        (("explain", "photo.png", "-c", "car", "--where", "none", "--out", "why.html"), "why.explain.json"),
        (("explain", "photo.png", "-c", "car", "--where", "none"), "freeda-out/photo.explain.html"),
    ],
)
def test_a_file_of_a_person_needs_force(
    freeda: Any, bank: Path, opened: Any, picture: Path, command: tuple[str, ...], name: str
) -> None:
    path = Path(name)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(MINE)
    refused = freeda(*command, "--bank", bank)
    assert refused.exit_code == 2
    assert f"{path} exists and was not written by freeda" in refused.stderr
    assert "--force" in refused.stderr
    assert path.read_bytes() == MINE
    assert freeda(*command, "--bank", bank, "--force").exit_code == 0
    assert path.read_bytes() != MINE
    again = freeda(*command, "--bank", bank)
    assert again.exit_code == 0, again.stderr


def test_explain_keeps_its_picture(freeda: Any, bank: Path, opened: Any, picture: Path) -> None:
    before = picture.read_bytes()
    Path("other.html").symlink_to(picture)
    for out in (picture, "./photo.png", "other.html"):
        for force in ((), ("--force",)):
            result = freeda("explain", picture, "-c", "car", "--bank", bank, "--out", out, *force)
            assert result.exit_code == 2, result.stderr
            assert "is an input of this command" in result.stderr
    assert picture.read_bytes() == before


@pytest.mark.parametrize("name", RESULTS)
def test_results_replace_results_only(freeda: Any, bank: Path, opened: Any, picture: Path, name: str) -> None:
    def run(*options: str) -> Any:
        arguments = ("-c", "car,tree", "--bank", bank, "--where", "none", "--format", FORMATS)
        return freeda("segment", picture, *arguments, "--out", "out", *options)

    path = Path("out") / name
    path.parent.mkdir()
    path.write_bytes(MINE)
    refused = run()
    assert refused.exit_code == 1
    assert f"{path} exists and was not written by freeda" in refused.stderr
    assert list(Path("out").iterdir()) == [path]
    assert path.read_bytes() == MINE
    assert run("--force").exit_code == 0
    assert all(is_ours(each) for each in Path("out").iterdir())
    assert len(list(Path("out").iterdir())) == len(RESULTS) + 1
    skipped = run()
    assert skipped.exit_code == 0
    assert "up to date" in skipped.stdout
    other = freeda("segment", picture, "-c", "dog", "--bank", bank, "--where", "none", "--out", "out")
    assert other.exit_code == 0, "results of other classes replace those of before"


def test_results_keep_the_pictures(freeda: Any, bank: Path, opened: Any, picture: Path) -> None:
    """A picture that has the name of another's result."""
    Path("out").mkdir()
    os.link(picture, "out/photo.overlay.png")
    before = picture.read_bytes()
    result = freeda(
        "segment", picture, "-c", "car", "--bank", bank, "--where", "none", "--out", "out", "--force"
    )
    assert result.exit_code == 1
    assert "is an input of this command" in result.stderr
    assert picture.read_bytes() == before


def test_an_index_of_a_person_stays(freeda: Any, bank: Path, opened: Any, picture: Path) -> None:
    Path("two.png").write_bytes(picture.read_bytes())
    Path("out").mkdir()
    Path("out/index.html").write_bytes(MINE)
    command = ("segment", picture, "two.png", "-c", "car", "--bank", bank, "--where", "none", "--out", "out")
    refused = freeda(*command)
    assert refused.exit_code == 2
    assert "index.html exists" in refused.stderr
    assert Path("out/index.html").read_bytes() == MINE
    assert freeda(*command, "--force").exit_code == 0
    assert freeda(*command).exit_code == 0


def test_devices_and_pipes_stay(freeda: Any, bank: Path, opened: Any, picture: Path) -> None:
    os.mkfifo("pipe")
    os.mkfifo("pipe.csv")
    for force in ((), ("--force",)):
        for command in (
            ("bank", "show", "car", "--out", "pipe"),
            ("bank", "show", "car", "--out", "/dev/null"),
            ("bank", "export", "pipe"),
            ("bank", "export", "/dev/null"),
            ("bank", "export-table", "pipe.csv"),
            ("explain", "photo.png", "-c", "car", "--out", "/dev/null"),
        ):
            result = freeda(*command, "--bank", bank, *force)
            assert result.exit_code == 2, command
            assert "is a pipe" in result.stderr or "is a device" in result.stderr
    assert Path("pipe").is_fifo()
    assert Path("/dev/null").is_char_device()


def test_the_bank_is_no_place_for_a_sheet(freeda: Any, bank: Path) -> None:
    before = (bank / "bank.sqlite").read_bytes()
    result = freeda("bank", "show", "car", "--bank", bank, "--out", bank / "bank.sqlite", "--force")
    assert result.exit_code == 2
    assert "belongs to a bank" in result.stderr
    assert (bank / "bank.sqlite").read_bytes() == before


def test_what_cannot_be_written_is_said_before_anything(
    freeda: Any, bank: Path, opened: Any, picture: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("freeda_store.opening.hindrances.free_bytes", lambda _: 1000)
    Path("captions.jsonl").write_text(json.dumps({"caption": "a car"}) + "\n")
    for command in (
        ("ingest", "captions.jsonl"),
        ("bank", "add", "boat"),
        ("bank", "tag", "v2"),
        ("bank", "rollback", "1"),
        ("bank", "prune", "--where", "noun=car"),
    ):
        result = freeda(*command, "--bank", bank)
        assert result.exit_code == 1, (command, result.stderr)
        assert result.stdout == ""
        assert "can only be read" in result.stderr
        assert "free disk space, then run the same command again" in result.stderr
    for asking in (("stats",), ("list",), ("log",), ("diff", "1", "2"), ("show", "car"), ("verify",)):
        assert freeda("bank", *asking, "--bank", bank).exit_code == 0, asking
    assert freeda("bank", "export", "copy.zip", "--bank", bank).exit_code == 0
