"""``freeda learn`` and ``freeda bank new``: arguments, what is said, exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from freeda_store import Bank, parse_filter


def learned(bank: Path) -> list[Any]:
    with Bank.read(bank) as opened:
        return list(opened.infos(parse_filter(["origin=learned"])))


@pytest.mark.usefixtures("learning")
@pytest.mark.parametrize(
    "marks", [("--at", "36,20"), ("--box", "22,0,47,39"), ("--whole",), ("--at", "36,20", "--not-at", "3,3")]
)
def test_a_marked_thing_is_learned(freeda: Any, bank: Path, picture: Path, marks: tuple[str, ...]) -> None:
    done = freeda("learn", picture, *marks, "--as", "Red Car", "--bank", bank, "--by", "anna")
    assert done.exit_code == 0, done.output
    assert "red car 1" in done.output
    assert "learn red car" in done.output
    assert {info.noun for info in learned(bank)} - {"not red car"} == {"red car"}
    again = freeda("learn", picture, *marks, "--as", "red car", "--bank", bank, "--json")
    assert json.loads(again.stdout)["done_before"] == 1


@pytest.mark.usefixtures("learning")
def test_a_mask_and_its_provenance(freeda: Any, bank: Path, picture: Path, tmp_path: Path) -> None:
    mask = np.zeros((40, 48), dtype=np.uint8)
    mask[:, 24:] = 1
    Image.fromarray(mask).save(tmp_path / "mask.png")
    told = ("--source", "yard", "--license", "CC0", "--url", "https://x.org/1", "-m", "my own")
    done = freeda("learn", picture, "--mask", "mask.png", "--as", "car", "--bank", bank, "--json", *told)
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["learned"] == {"car": 1}
    (whole,) = [info for info in learned(bank) if info.kind == "example" and not info.part]
    assert (whole.source, whole.license, whole.url) == ("yard", "CC0", "https://x.org/1")
    assert "my own" in freeda("bank", "log", "--bank", bank).output


@pytest.mark.usefixtures("learning")
@pytest.mark.parametrize(
    ("arguments", "message", "code"),
    [
        (("--at", "1,2"), "say what it is, as in --as forklift", 2),
        (("--as", "car"), "say where it is", 2),
        (("--as", "car", "--whole", "--at", "1,2"), "leave out --at", 2),
        (("--as", "a,b", "--whole"), "cannot be the name of a class", 2),
        (("--as", "car", "--at", "1"), "--at is '1'; give pixels as X,Y", 2),
        (("--as", "car", "--box", "1,2,3"), "give pixels as LEFT,TOP,RIGHT,BOTTOM", 2),
        (("--as", "car", "--at", "99,2"), "photo.png: the point 99,2 is outside the picture", 2),
        (("--as", "car", "--at", "9,2", "--not-at", "9,40"), "which has 48 x 40 pixels", 2),
        (("--as", "car", "--box", "9,2,48,9"), "the box 9,2,48,9 is none in a picture of 48 x 40", 2),
        (("--as", "car", "--mask", "gone.png"), "gone.png", 1),
        (
            ("other.png", "--as", "car", "--at", "1,2"),
            "are of one picture, and 2 are given",
            2,
        ),
    ],
)
def test_misuse_is_one_sentence(
    freeda: Any, bank: Path, picture: Path, arguments: tuple[str, ...], message: str, code: int
) -> None:
    picture.with_name("other.png").write_bytes(picture.read_bytes())
    done = freeda("learn", picture, *arguments, "--bank", bank)
    assert done.exit_code == code, done.output
    assert message in " ".join(done.output.split())
    assert "Traceback" not in done.output
    assert not learned(bank)


def test_a_new_bank_is_empty_and_made_once(freeda: Any, tmp_path: Path) -> None:
    done = freeda("bank", "new", tmp_path / "mine", "--preset", "tiny")
    assert done.exit_code == 0, done.output
    assert "an empty bank for the preset tiny" in done.output
    again = freeda("bank", "new", tmp_path / "mine", "--preset", "sd21")
    assert again.exit_code == 2
    assert "was made with preset tiny" in again.output
    with Bank.read(tmp_path / "mine") as opened:
        assert opened.stats().prototypes == 0


def test_a_new_bank_that_is_there_is_left_as_it_is_while_it_is_empty(freeda: Any, tmp_path: Path) -> None:
    """Who was killed at the last moment runs the same command again."""
    command = ("bank", "new", tmp_path / "mine", "--preset", "tiny")
    assert freeda(*command).exit_code == 0
    with Bank.open(tmp_path / "mine"):  # another process may have it open
        again = freeda(*command)
        assert again.exit_code == 0, again.output
        assert "was there already: an empty bank for the preset tiny" in again.output


def test_a_bank_that_holds_something_is_not_made_anew(freeda: Any, bank: Path) -> None:
    done = freeda("bank", "new", bank, "--preset", "tiny")
    assert done.exit_code == 2
    assert "there is a bank in" in done.output


@pytest.mark.usefixtures("learning")
def test_labels_of_a_folder(freeda: Any, bank: Path, picture: Path, tmp_path: Path) -> None:
    for name in ("red thing", "other"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        (tmp_path / "photos" / name / "one.png").write_bytes(picture.read_bytes())
    (tmp_path / "photos" / "other" / "broken.png").write_bytes(b"no picture")
    done = freeda("learn", "photos", "--labels", "photos", "--bank", bank)
    assert done.exit_code == 0, done.output
    assert "other 1, red thing 1" in done.output
    assert "broken.png" in done.output
    assert "a folder a class, 3 pictures" in done.output
    again = freeda("learn", "photos", "--labels", "photos", "--bank", bank, "--json")
    assert json.loads(again.stdout)["done_before"] == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("photos", "--labels", "photos", "--as", "car"), "leave out --as and the marks"),
        (("photos", "photos", "--labels", "photos"), "of one folder of pictures, and 2 are given"),
        (("photo.png", "--whole", "--as", "car", "--classes", "x.txt"), "give both"),
        (("photos", "--labels", "gone.json"), "gone.json cannot be read"),
        (("photo.png", "--labels", "photos"), "photo.png is no folder"),
    ],
)
def test_labels_that_do_not_fit(
    freeda: Any, bank: Path, picture: Path, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    (tmp_path / "photos").mkdir()
    done = freeda("learn", *arguments, "--bank", bank)
    assert done.exit_code == 2, done.output
    assert message in " ".join(done.output.split())


@pytest.mark.usefixtures("learning")
def test_pictures_that_are_checked_are_told_of(
    freeda: Any, bank: Path, picture: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    Image.open(picture).save(folder / "one.png")
    (folder / "two.png").write_bytes(b"no picture")
    asked = ("--box", "22,0,47,39", "--as", "red car", "--bank", bank, "--check", folder)
    done = freeda("learn", picture, *asked, "--json")
    assert done.exit_code == 0, done.output
    one, two = json.loads(done.stdout)["checked"]
    assert one["picture"].endswith("one.png")
    assert 0 <= one["changed"] <= 1
    assert "two.png" in two["picture"]
    assert two["error"]
    again = freeda("learn", picture, *asked)
    assert again.exit_code == 0, again.output
    assert "other labels" not in again.output


@pytest.mark.usefixtures("learning")
def test_a_checked_folder_must_be_there(freeda: Any, bank: Path, picture: Path) -> None:
    done = freeda("learn", picture, "--whole", "--as", "red car", "--bank", bank, "--check", "gone")
    assert done.exit_code == 2
    assert "gone" in done.output
    assert learned(bank) == []
