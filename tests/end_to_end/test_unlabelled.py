"""Pictures without words in the tiny world: names find the same as before, regions find them too."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bank_copies import copy_folder
from PIL import Image
from typer.testing import CliRunner

from freeda_cli.main import app
from freeda_segment.evaluation.datasets import load_scenes

PICTURE = Path(__file__).parents[2] / "examples" / "car-and-tree.png"
CLASSES = "car,tree,road,sky,grass"


def run(*arguments: Any) -> Any:
    result = CliRunner().invoke(app, [str(each) for each in arguments])
    assert result.exit_code == 0, result.output
    return result


@pytest.fixture(scope="module")
def bank(example_bank: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example bank with the regions of some scenes, one of which is the picture that is segmented."""
    folder = tmp_path_factory.mktemp("unlabelled")
    photos = folder / "photos"
    photos.mkdir()
    for number, image in enumerate(load_scenes().images[-8:]):
        Image.fromarray(image).save(photos / f"{number}.png")
    (photos / "itself.png").write_bytes(PICTURE.read_bytes())
    (photos / "broken.png").write_bytes(b"no picture")
    copied = copy_folder(example_bank, folder / "bank")
    told = json.loads(run("learn", photos, "--unlabelled", "--bank", copied, "--json").stdout)
    assert (told["divided"], told["rejected"]) == (9, 1)
    assert told["prototypes"] >= 18
    return copied


def labels(bank: Any, out: Path, *options: Any) -> Any:
    run("segment", PICTURE, "-c", CLASSES, "--bank", bank, "--out", out, "--format", "png", *options)
    (path,) = out.rglob("*.labels.png")
    return np.asarray(Image.open(path))


def test_what_is_found_by_names_stays(bank: Path, tmp_path: Path) -> None:
    before, after = labels(f"{bank}@1", tmp_path / "before"), labels(bank, tmp_path / "after")
    np.testing.assert_array_equal(before, after)
    for command in (("bank", "list"), ("bank", "search", "car", "-k", "50")):
        told = [json.loads(run(*command, "--bank", each, "--json").stdout) for each in (f"{bank}@1", bank)]
        assert told[0] == told[1]


@pytest.mark.parametrize("retrieval", ["both", "regions"])
def test_they_take_part_and_explain_shows_them(bank: Path, tmp_path: Path, retrieval: str) -> None:
    done = run(
        *("explain", PICTURE, "-c", CLASSES, "--bank", bank, "--retrieval", retrieval),
        *("--out", tmp_path / "why.html", "--json"),
    )
    regions = json.loads(done.stdout)["regions"]
    found = [each for region in regions for each in region["retrieval"]["neighbours"]]
    nameless = [each for each in found if not each["noun"]]
    assert {each["origin"] for each in nameless} == {"unlabelled"}
    assert any(each["caption"] == "regions of itself.png" and each["likeness"] > 0.9 for each in nameless)
    page = (tmp_path / "why.html").read_text(encoding="utf-8")
    assert "<i>without a noun</i>" in page


@pytest.mark.parametrize("retrieval", ["both", "regions"])
def test_a_filter_leaves_them_out(bank: Path, tmp_path: Path, retrieval: str) -> None:
    before = labels(f"{bank}@1", tmp_path / "before", "--retrieval", retrieval)
    where = "clip_agreement>=0.2,origin!=unlabelled"
    named = labels(bank, tmp_path / "named", "--retrieval", retrieval, "--where", where)
    np.testing.assert_array_equal(before, named)
    mixed = labels(bank, tmp_path / "mixed", "--retrieval", retrieval)
    assert (mixed != before).any()
