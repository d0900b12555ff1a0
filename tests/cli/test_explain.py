"""``freeda explain``, and the options of ``freeda segment`` that came with it, on a real bank."""

from __future__ import annotations

import html
import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from freeda_segment import Segmenter
from freeda_store import Bank


def explained(freeda: Any, *arguments: object) -> Any:
    result = freeda("explain", *arguments, "--json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def test_writes_a_page_and_json(freeda: Any, opened: Any, bank: Path, picture: Path) -> None:
    result = freeda("explain", picture, "-c", "car,tree", "--bank", bank, "--at", "40,10")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0].startswith("region 1, ")
    assert "margin" in lines[0]
    assert lines[-2:] == ["freeda-out/photo.explain.html", "freeda-out/photo.explain.json"]
    assert "data:image/webp;base64," in Path(lines[-2]).read_text()
    (region,) = json.loads(Path(lines[-1]).read_text())["regions"]
    left, top, right, bottom = region["box_xyxy"]
    assert left <= 40 < right
    assert top <= 10 < bottom
    assert region["best"]["prototypes"][0]["likeness"] is not None


def test_without_a_place_each_class_found_is_explained(
    freeda: Any,
    opened: Any,
    bank: Path,
    picture: Path,
) -> None:
    told = explained(freeda, picture, "-c", "car,tree", "--bank", bank, "--out", "deep/why.html")
    shown = {region["label_name"] for region in told["regions"]}
    assert shown
    assert shown <= {"car", "tree"}
    assert told["written"] == {"page": "deep/why.html", "json": "deep/why.explain.json"}
    assert all(Path(file).is_file() for file in told["written"].values())


def test_retiring_makes_a_revision_and_shows_the_difference(
    freeda: Any,
    opened: Any,
    bank: Path,
    picture: Path,
) -> None:
    arguments = (picture, "-c", "car,tree", "--bank", bank, "--at", "40,10")
    first = explained(freeda, *arguments)["regions"][0]["best"]["prototypes"][0]["id"]
    result = freeda("explain", *arguments, "--retire", first, "-m", "bad map")
    assert result.exit_code == 0, result.stderr
    assert (
        f"revision 3: 1 prototype hidden; undo with `freeda bank rollback 2 --bank {bank}`" in result.stdout
    )
    assert "of the picture has another label" in result.stdout
    assert "region 1 now: " in result.stdout
    with Bank.open(bank) as changed:
        assert changed.revisions()[-1].message == "bad map"
        assert first not in {str(info.id) for info in changed.infos()}
    again = freeda("explain", *arguments, "--retire", first)
    assert again.exit_code == 2
    assert "shows no prototype" in again.stderr


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--at", "5"], "write column and row"),
        (["--at", "a,b"], "write column and row"),
        (["--at", "4000,2"], "lies outside the picture of 48 x 40"),
        (["--retire", "first"], "is no prototype's id"),
        (["--aggregation", "median"], "unknown aggregation 'median'"),
        (["--templates", "mine"], "unknown set of prompt templates"),
        (["--similarity-threshold", "3"], "similarity threshold is 3"),
    ],
)
def test_misuse_is_told(
    freeda: Any,
    opened: Any,
    bank: Path,
    picture: Path,
    options: list[str],
    told: str,
) -> None:
    result = freeda("explain", picture, "-c", "car", "--bank", bank, *options)
    assert result.exit_code == 2
    assert told in result.stderr
    assert not Path("freeda-out").exists()


def test_formats_index_and_skipping(
    freeda: Any,
    opened: Any,
    bank: Path,
    picture: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    second = tmp_path / "other.png"
    second.write_bytes(picture.read_bytes())
    line = ["segment", picture, second, "-c", "car|automobile,tree", "--bank", bank, "--format"]
    first = freeda(*line, "overlay,rle,geojson,npz", "--json")
    assert first.exit_code == 0, first.stderr
    assert set(json.loads(first.stdout)[0]["written"]) == {
        *("overlay", "rle", "geojson", "npz", "preview", "report")
    }
    assert "side by side: freeda-out/index.html" in first.stderr
    assert "photo.picture.jpg" in Path("freeda-out/index.html").read_text()

    def never(*_: Any) -> None:
        raise AssertionError("made again")

    with monkeypatch.context() as patch:
        patch.setattr(Segmenter, "start", never)
        again = freeda(*line, "overlay,npz")
        assert again.exit_code == 0, again.stderr
        assert "2 pictures: 2 up to date" in again.stdout
        assert freeda(*line, "overlay,npz", "--force").exit_code == 1
        assert freeda(*line, "overlay,png").exit_code == 1
        assert freeda(*line, "overlay", "-k", "1").exit_code == 1
    assert "photo.picture.jpg" in Path("freeda-out/index.html").read_text()
    assert freeda(*line, "svg").exit_code == 2


def test_aggregation_options_reach_the_segmenter(
    freeda: Any,
    opened: Any,
    bank: Path,
    picture: Path,
) -> None:
    options = ["--aggregation", "kmeans_mean", "--prototypes", "2", "--similarity-threshold", "0.5"]
    more = ["--templates", "single", "--neighbours", "3"]
    result = freeda("segment", picture, "-c", "car", "--bank", bank, *options, *more, "--json")
    settings = json.loads(result.stdout)[0]["settings"]
    assert (settings["aggregation"], settings["prototypes"], settings["neighbours"]) == ("kmeans_mean", 2, 3)
    assert (settings["templates"], settings["similarity_threshold"]) == ("single", 0.5)


def test_pictures_of_one_stem_have_pages_of_their_own(
    freeda: Any, opened: Any, bank: Path, picture: Path, tmp_path: Path
) -> None:
    other = tmp_path / "photo.bmp"
    Image.new("RGB", (20, 20), "green").save(other)
    pages = [
        explained(freeda, each, "-c", "car", "--bank", bank)["written"]["page"]
        for each in (picture, other, picture)
    ]
    assert pages == [f"freeda-out/{name}.explain.html" for name in ("photo", "photo-bmp", "photo")]


def test_paths_that_cannot_be_are_misuse_before_anything_is_retired(
    freeda: Any, opened: Any, bank: Path, picture: Path, tmp_path: Path
) -> None:
    some = explained(freeda, picture, "-c", "car", "--bank", bank)["regions"][0]["best"]["prototypes"][0][
        "id"
    ]
    for arguments, told in (
        (["nowhere.png"], "picture nowhere.png does not exist; give the file of one picture."),
        (["."], "is a folder; give the file of one picture."),
        ([picture, "--out", "."], "--out . is a folder; give the page's file, for example why.html."),
    ):
        result = freeda("explain", *arguments, "-c", "car", "--bank", bank, "--retire", some)
        assert result.exit_code == 2
        assert told in result.stderr
    with Bank.open(bank) as opened_bank:
        assert some in {str(info.id) for info in opened_bank.infos()}


def test_the_preset_s_filter_is_told(freeda: Any, opened: Any, bank: Path, picture: Path) -> None:
    told = freeda("explain", picture, "-c", "car", "--bank", bank, "--where", "none,contrast>=0.1").stderr
    assert told.startswith(f"bank {bank}, preset tiny, prototypes with contrast>=0.1\n")


def test_index_and_explanation_link_each_other_and_offer_commands(
    freeda: Any, opened: Any, bank: Path, picture: Path, tmp_path: Path
) -> None:
    second, broken = tmp_path / "it's.png", tmp_path / "broken.png"
    second.write_bytes(picture.read_bytes())
    broken.write_bytes(b"no picture")
    (tmp_path / "notes.txt").write_text("text")
    options = ["-c", "car|automobile,tree", "--bank", bank, "-k", "7"]
    result = freeda("segment", tmp_path, *options)
    assert result.exit_code == 1
    index = Path("freeda-out/index.html")
    shown = html.unescape(index.read_text())
    assert "1 failed" in shown
    assert "left out: " in shown
    assert f"{broken} is not a picture of a known format" in shown
    line = f"freeda explain {shlex.quote(str(second))} --bank {bank} -c 'car|automobile,tree' -k 7"
    assert line in commands_of(index)
    assert '<a href="./it%27s.explain.html" hidden>' in shown
    assert freeda(*shlex.split(line)[1:]).exit_code == 0
    assert '<a href="./it%27s.explain.html">' in index.read_text()
    explained_page = Path("freeda-out/it's.explain.html").read_text()
    assert '<a href="./index.html#of-it%27s">' in explained_page
    assert 'id="of-it%27s"' in index.read_text()


def commands_of(page: str | Path) -> list[str]:
    found = re.findall(r'<code class="command">(.*?)</code>', Path(page).read_text())
    return [html.unescape(re.sub("</?span>", "", line)) for line in found]


def test_a_page_offers_what_may_come_next(freeda: Any, opened: Any, bank: Path, picture: Path) -> None:
    written = explained(freeda, picture, "-c", "car,tree", "--bank", bank, "--at", "40,10")["written"]
    lines = commands_of(written["page"])
    again, learn = lines[:2]
    assert again == f"freeda explain {picture} --bank {bank} -c car,tree --at 40,10"
    assert learn == f"freeda learn {picture} --bank {bank} --at 40,10 --as NAME"
    retire = lines[2]
    assert retire.startswith(f"{again} --retire ")
    assert freeda(*shlex.split(retire)[1:], "-m", "by the page").exit_code == 0
    roll_back = commands_of(written["page"])[0]
    assert roll_back == f"freeda bank rollback --bank {bank} 2"
    assert freeda(*shlex.split(roll_back)[1:]).exit_code == 0


def test_of_a_bank_at_a_version_nothing_that_changes_it_is_offered(
    freeda: Any, opened: Any, bank: Path, picture: Path
) -> None:
    told = explained(
        freeda, picture, "-c", "car", "--bank", f"{bank}@1", "--at", "40,10", "--out", "why.html"
    )
    assert commands_of(told["written"]["page"]) == [
        f"freeda explain {picture} --bank {bank}@1 -c car --out why.html --at 40,10"
    ]
