"""Regions by proposed masks in the tiny world: exact ones, and those of random networks, through commands."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
from region_networks import save_region_network
from typer.testing import CliRunner

from benchmarks.borders import exact_metrics
from freeda_cli.main import app
from freeda_models.check import ComponentState, check_preset
from freeda_segment import open_segmenter
from freeda_segment.evaluation.datasets import load_scenes
from freeda_segment.evaluation.labelled import open_dataset
from freeda_segment.evaluation.plan import plan_freeda

PICTURE = Path(__file__).parents[2] / "examples" / "car-and-tree.png"


@pytest.fixture(scope="module")
def preset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny preset with a random SAM 2 and a random EoMT."""
    folder = tmp_path_factory.mktemp("networks")
    lines = ['extends = "tiny"', 'name = "proposing"', ""]
    for table, kind in (("sam2", "sam2_video"), ("eomt", "eomt")):
        save_region_network(kind, folder / kind)
        lines += [f"[{table}]", f'model = "{folder / kind}"', ""]
    lines += ["[segment]", 'regions = "eomt"', "region_options = { threshold = 0.0 }"]
    path = folder / "proposing.toml"
    path.write_text("\n".join(lines))
    return path


def run(*arguments: Any) -> Any:
    result = CliRunner().invoke(app, [str(each) for each in arguments])
    assert result.exit_code == 0, result.stderr
    return result


def test_exact_regions_leave_hardly_a_fault(example_bank: Path) -> None:
    with open_segmenter(example_bank, device="cpu") as segmenter:
        metrics = exact_metrics(segmenter, load_scenes())
    assert metrics.mean_iou >= 0.98
    assert metrics.mean_boundary_iou >= 0.95


def test_a_picture_is_segmented_with_proposed_masks(example_bank: Path, preset: Path, tmp_path: Path) -> None:
    sam2 = (
        "--regions",
        "sam2",
        "--region-option",
        "points_per_side=4",
        "--region-option",
        "pred_iou_thresh=0",
    )
    common = (
        PICTURE,
        "-c",
        "car,tree,grass,sky",
        "--bank",
        example_bank,
        "--preset",
        preset,
        "--device",
        "cpu",
    )
    for name, options in (("eomt", ()), ("sam2", sam2)):
        told = json.loads(run("segment", *common, "--out", tmp_path / name, "--json", *options).stdout)[0]
        assert told["settings"]["regions"] == name
        assert told["models"]["regions"] == {"eomt": "eomt", "sam2": "sam2_video"}[name]
        assert not told["skipped"]
        again = json.loads(run("segment", *common, "--out", tmp_path / name, "--json", *options).stdout)[0]
        assert again["skipped"]
    assert told["settings"]["regions.points_per_side"] == 4


def test_an_evaluation_in_other_processes_loads_the_network_there(example_bank: Path, preset: Path) -> None:
    plan = plan_freeda(open_dataset("tiny"), example_bank, preset=str(preset), device="cpu", processes=2)
    assert plan.models["regions"]["id"] == "eomt"
    assert plan.settings["regions"] == "eomt"
    assert "trained on COCO's panoptic masks" in plan.notes[-1]
    labeller = pickle.loads(pickle.dumps(plan.recipe)).make()
    assert labeller.segmenter.proposer.id == "eomt"
    picture = plan.pictures.load(0)
    assert labeller(picture.image).shape == picture.truth.shape


def test_models_check_looks_for_the_network_of_regions(preset: Path) -> None:
    checked = {part.role: part for part in check_preset(str(preset)).components}
    assert checked["regions"].state is ComponentState.PRESENT
    assert checked["regions"].model.endswith("eomt")
    asked = {part.role: part for part in check_preset("sd21", "sam2").components}
    assert asked["regions"].state is ComponentState.DOWNLOAD
    assert asked["regions"].remedy.startswith("hf download facebook/sam2.1-hiera-small")
    assert "regions" not in {part.role for part in check_preset("sd21").components}
    assert "regions" not in {part.role for part in check_preset(str(preset), "superpixels").components}
    assert "sam2.1-hiera-small" in run("models", "list").stdout
