"""``freeda learn --unlabelled``: what is taken, what is said, and that no list of nouns has it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from freeda_store import Bank, parse_filter

pytestmark = pytest.mark.usefixtures("learning")


def regions(bank: Path) -> list[Any]:
    with Bank.read(bank) as opened:
        return list(opened.infos(parse_filter(["origin=unlabelled"])))


@pytest.fixture
def photos(picture: Path) -> Path:
    """A folder of two pictures and a broken one."""
    folder = picture.with_name("photos")
    folder.mkdir()
    (folder / "one.png").write_bytes(picture.read_bytes())
    Image.fromarray(np.asarray(Image.open(picture))[:, ::-1].copy()).save(folder / "two.png")
    (folder / "broken.png").write_bytes(b"no picture")
    return folder


def test_a_folder_is_divided_and_the_broken_ones_are_named(freeda: Any, bank: Path, photos: Path) -> None:
    nouns = freeda("bank", "list", "--bank", bank, "--json").stdout
    done = freeda("learn", photos, "--unlabelled", "--bank", bank, "--source", "yard")
    assert done.exit_code == 0, done.output
    said = " ".join(done.output.split())
    for expected in ("pictures 3", "divided 2", "not usable 1 ", "broken.png", "--retrieval both"):
        assert expected in said
    assert "regions of photos" in freeda("bank", "log", "--bank", bank).output
    assert {(info.source, info.noun) for info in regions(bank)} == {("yard", "")}
    count = len(regions(bank))
    listed = freeda("bank", "list", "--bank", bank, "--json")
    assert json.loads(listed.stdout) == json.loads(nouns)
    assert f"{count} prototypes more of regions that nobody named" in listed.output
    stats = freeda("bank", "stats", "--bank", bank)
    assert f"{count} prototypes of regions that nobody named" in stats.output
    assert json.loads(freeda("bank", "stats", "--bank", bank, "--json").stdout)["unlabelled"] == count
    again = freeda("learn", photos, "--unlabelled", "--bank", bank, "--json")
    told = json.loads(again.stdout)
    assert (told["pictures"], told["divided"], told["done_before"]) == (3, 0, 2)
    assert (told["rejected"], told["prototypes"], told["revision"]) == (1, 0, None)


def test_they_are_pruned_by_their_origin(freeda: Any, bank: Path, picture: Path) -> None:
    done = freeda("learn", picture, "--unlabelled", "--bank", bank, "--no-thumbnails")
    assert done.exit_code == 0, done.output
    assert {(info.picture_key, info.attribution_key) for info in regions(bank)} == {("", "")}
    count = len(regions(bank))
    shown = freeda("bank", "prune", "--where", "origin=unlabelled", "--bank", bank, "--dry-run")
    assert "without a noun" in shown.output
    pruned = freeda("bank", "prune", "--where", "origin=unlabelled", "--bank", bank, "--json")
    told = json.loads(pruned.stdout)
    assert (told["prototypes"], told["nouns"], told["unlabelled"]) == (count, {}, count)
    assert regions(bank) == []


def test_a_contact_sheet_shows_them(freeda: Any, bank: Path, picture: Path, tmp_path: Path) -> None:
    freeda("learn", picture, "--unlabelled", "--bank", bank)
    done = freeda("bank", "show", "", "--bank", bank, "--out", tmp_path / "sheet.png", "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert {each["id"] for each in told["shown"]} == {str(info.id) for info in regions(bank)}
    assert Image.open(tmp_path / "sheet.png").width > 100


def test_limits_are_given(freeda: Any, bank: Path, picture: Path) -> None:
    done = freeda("learn", picture, "--unlabelled", "--bank", bank, "--most-regions", "1", "--json")
    assert json.loads(done.stdout)["prototypes"] == 1
    assert len(regions(bank)) == 1


@pytest.mark.parametrize(
    ("arguments", "message", "code"),
    [
        (("--unlabelled", "--as", "car"), "leave out --as", 2),
        (("--unlabelled", "--whole"), "leave out --whole", 2),
        (("--unlabelled", "--labels", "."), "leave out --labels", 2),
        (("--unlabelled", "--check", "."), "leave out --check", 2),
        (("--unlabelled", "--min-share", "2"), "min share is 2.0; expected", 2),
        (("--unlabelled", "--most-regions", "0"), "most regions is 0; expected", 2),
        (("--as", "car", "--whole", "--most-regions", "3"), "are of --unlabelled", 2),
        (("--unlabelled", "--min-share", "1"), "no region that the networks see covers 100.00%", 1),
    ],
)
def test_misuse_is_one_sentence(
    freeda: Any, bank: Path, picture: Path, arguments: tuple[str, ...], message: str, code: int
) -> None:
    done = freeda("learn", picture, *arguments, "--bank", bank)
    assert done.exit_code == code, done.output
    assert message in " ".join(done.output.split())
    assert "Traceback" not in done.output
    assert not regions(bank)
