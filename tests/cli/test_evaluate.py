"""``freeda evaluate`` with a real segmenter and bank, and networks that look at colours only."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from PIL import Image

from freeda_cli import evaluate
from freeda_cli.progress import EvaluationBar, Speed
from freeda_segment.evaluation.run import EvaluationProgress
from freeda_segment.evaluation.specs import dataset_names


@pytest.fixture
def voc(tmp_path: Path) -> Path:
    """Two pictures of Pascal VOC: the left half black, the right half red, the truth likewise."""
    root = tmp_path / "VOC2012"
    for folder in ("JPEGImages", "SegmentationClass", "ImageSets/Segmentation"):
        (root / folder).mkdir(parents=True)
    pixels = np.zeros((40, 48, 3), dtype=np.uint8)
    pixels[:, 24:] = (250, 30, 30)
    truth = np.zeros((40, 48), dtype=np.uint8)
    truth[:, 24:] = 7
    for name in ("one", "two"):
        Image.fromarray(pixels).save(root / f"JPEGImages/{name}.jpg")
        Image.fromarray(truth).save(root / f"SegmentationClass/{name}.png")
    (root / "ImageSets/Segmentation/val.txt").write_text("one\ntwo\n")
    return root


def test_prints_a_table_and_writes_report_matrix_and_journal(
    freeda: Any, opened: Any, bank: Path, voc: Path
) -> None:
    result = freeda("evaluate", "voc21", "--root", voc, "--bank", bank)
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert re.split(r"\s{2,}", lines[0].strip()) == ["class", "freeda"]
    assert lines[1].startswith("background")
    figures = {line.rsplit(None, 1)[0]: line.rsplit(None, 1)[1] for line in lines if line[:1].strip()}
    report = json.loads(Path("freeda-eval/voc21/report.json").read_text())
    (told,) = report["results"]
    assert float(figures["mIoU"]) == pytest.approx(told["mean_iou"] * 100, abs=0.06)
    assert float(figures["boundary mIoU"]) == pytest.approx(told["mean_boundary_iou"] * 100, abs=0.06)
    assert float(figures["pixel accuracy"]) == pytest.approx(told["pixel_accuracy"] * 100, abs=0.06)
    assert told["bank"]["address"] == str(bank)
    assert told["bank"]["revision"]["number"] == 2
    assert told["pictures"] == report["dataset"]["pictures"] == 2
    assert Path("freeda-eval/voc21/freeda.confusion.png").is_file()
    (journal,) = Path("freeda-eval/voc21").glob("freeda.*.journal.jsonl")
    assert len(journal.read_text().splitlines()) == 2
    assert [line.strip() for line in lines[-2:]] == [
        "freeda-eval/voc21/report.json",
        "freeda-eval/voc21/freeda.confusion.png",
    ]


def test_settings_are_the_data_sets_unless_an_option_says_otherwise(
    freeda: Any, opened: Any, bank: Path, voc: Path
) -> None:
    def settings(*options: str) -> dict[str, Any]:
        result = freeda("evaluate", "voc21", "--root", voc, "--bank", bank, "--json", *options)
        assert result.exit_code == 0
        told: dict[str, Any] = json.loads(result.stdout)["results"][0]["settings"]
        return told

    plain = settings()
    assert (plain["superpixels.scale"], plain["superpixels.sigma"], plain["superpixels.min_size"]) == (
        100,
        0.7,
        20,
    )
    assert plain["background"] == "strategy=constant threshold=0.5"
    assert settings("--background-threshold", "0.4")["background"] == "strategy=constant threshold=0.4"
    assert settings("--background", "local")["background"] == "strategy=local threshold=0.5"
    changed = settings("--superpixel-option", "scale=20", "-k", "1", "--alpha", "0.5")
    assert (changed["superpixels.scale"], changed["superpixels.sigma"]) == (20, 0.7)
    assert (changed["k"], changed["alpha"]) == (1, 0.5)
    assert settings("--superpixels", "slic")["superpixels"] == "slic"


def test_goes_on_from_the_journal_and_says_when_it_is_not_the_whole(
    freeda: Any, opened: Any, bank: Path, voc: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = freeda("evaluate", "voc20", "--root", voc, "--bank", bank, "--limit", "1")
    assert few.exit_code == 0
    assert "only 1 of 2 pictures" in few.stderr
    assert "only" not in freeda("evaluate", "voc20", "--root", voc, "--bank", bank).stderr

    def never(*_: Any) -> None:
        raise AssertionError("a picture was read again")

    monkeypatch.setattr("freeda_segment.evaluation.labelled.FolderPictures.load", never)
    again = freeda("evaluate", "voc20", "--root", voc, "--bank", bank)
    assert again.exit_code == 0


def test_a_broken_picture_is_skipped_named_and_told_by_the_exit_code(
    freeda: Any, opened: Any, bank: Path, voc: Path
) -> None:
    broken = sorted((voc / "JPEGImages").iterdir())[0]
    broken.write_bytes(b"\xff\xd8\xff")
    result = freeda("evaluate", "voc20", "--root", voc, "--bank", bank, "--json")
    assert result.exit_code == 1
    assert f"error: {broken} " in result.stderr
    [told] = json.loads(result.stdout)["results"]
    assert (told["pictures"], told["complete"]) == (1, False)
    assert [each["picture"] for each in told["skipped"]] == [broken.stem]
    plain = freeda("evaluate", "voc20", "--root", voc, "--bank", bank)
    assert plain.exit_code == 1
    assert "only 1 of 2 pictures were counted (1 could not be read)" in plain.stderr


def test_the_baseline_stands_beside_the_method(
    freeda: Any, opened: Any, bank: Path, voc: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from freeda_models.protocols import ModelIdentity

    class Clip:
        identity = ModelIdentity("clip", "r1", "", 4, "")

        def encode_texts(self, texts: list[str]) -> Any:
            return np.eye(4, dtype=np.float32)[[0 if " car" in text else 1 for text in texts]]

        encode_spans = encode_texts_raw = encode_texts

        def encode_dense(self, images_bhwc: Any) -> Any:
            red = images_bhwc[:, ::4, ::4, 0] > 100
            return np.eye(4, dtype=np.float32)[np.where(red, 0, 1)]

    monkeypatch.setattr("freeda_models.loading.load_text_image_encoder", lambda *_: Clip())
    options = ("--root", voc, "--bank", bank, "--method", "freeda,maskclip")
    result = freeda("evaluate", "voc20", *options)
    assert result.exit_code == 0, result.stderr
    assert re.split(r"\s{2,}", result.stdout.splitlines()[0].strip()) == ["class", "freeda", "maskclip"]
    (car,) = [line.split() for line in result.stdout.splitlines() if line.startswith("car ")]
    assert float(car[2]) > 80
    results = json.loads(Path("freeda-eval/voc20/report.json").read_text())["results"]
    assert [each["method"] for each in results] == ["freeda", "maskclip"]
    warned = freeda("evaluate", "voc21", *options)
    assert "maskclip has no background rule" in warned.stderr


def test_the_bundled_scenes_need_no_root(freeda: Any, opened: Any, bank: Path) -> None:
    result = freeda("evaluate", "tiny", "--bank", bank, "--limit", "2", "--out", "out", "--json")
    assert result.exit_code == 0
    report = json.loads(result.stdout)
    assert report["dataset"]["root"] == ""
    assert report["results"][0]["complete"] is False
    assert json.loads(Path("out/report.json").read_text()) == report


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["imagenet"], 2, "unknown data set 'imagenet'"),
        (["voc20"], 2, "--root DIR"),
        (["voc20", "--root", "."], 1, "no folder JPEGImages"),
        (["tiny", "--method", "sam"], 2, "unknown method 'sam'"),
        (["tiny", "--limit", "0"], 2, "--limit"),
        (["tiny", "--processes", "0"], 2, "--processes"),
        (["tiny", "--alpha", "2"], 2, "alpha"),
        (["tiny", "--names", "none.txt"], 2, "none.txt cannot be read"),
        (["tiny", "--bank", "elsewhere"], 2, "no bank in"),
    ],
)
def test_misuse_is_one_line_and_loads_nothing(
    freeda: Any, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int, told: str
) -> None:
    def never(*_: Any, **__: Any) -> None:
        raise AssertionError("models were loaded for a command that cannot run")

    monkeypatch.setattr("freeda_models.loading.load_text_image_encoder", never)
    result = freeda("evaluate", *arguments)
    assert result.exit_code == code
    assert told in result.stderr
    assert "Traceback" not in result.stderr


def test_the_help_names_every_data_set() -> None:
    (_, argument) = get_args(evaluate.DatasetArgument)
    told = str(argument.help)
    assert sorted(re.findall(r"[a-z]+[a-z0-9-]*\d*", told.replace(" or ", " "))) == dataset_names()


def test_progress_tells_rate_and_time_left() -> None:
    times = iter([0.0, 10.0])
    with EvaluationBar("voc20, freeda", speed=Speed(clock=lambda: next(times))) as bar:
        bar(EvaluationProgress(done=9, total=100))
        bar(EvaluationProgress(done=10, total=100))
        bar(EvaluationProgress(done=30, total=100))
        assert bar.status(30, 100) == "30 of 100, 2.0 a second, 35.0 s left"


def test_a_bundled_data_set_has_no_folder(freeda: Any, tmp_path: Path) -> None:
    result = freeda("evaluate", "tiny", "--root", tmp_path)
    assert result.exit_code == 2
    assert result.stderr == "error: data set 'tiny' is bundled and has no folder; leave --root out.\n"
