"""``freeda segment`` with a real segmenter and bank, and networks that look at colours only."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any, get_args

import pytest
from PIL import Image

from freeda_cli.segment_options import FormatOption
from freeda_cli.segment_settings import (
    changed_background,
    chosen_superpixels,
    gather_classes,
    option_numbers,
)
from freeda_models.presets import load_preset
from freeda_segment import Background, BackgroundStrategy, Segmenter
from freeda_segment.errors import ClassesError, OptionError
from freeda_segment.outputs import DEFAULT_FORMATS, FORMATS, read_labels
from freeda_segment.outputs.runs import RUN_FORMATS
from freeda_segment.regions.superpixels import Felzenszwalb, Slic

TINY_FILTER = ",".join(load_preset("tiny").segment.where)


def test_the_help_names_every_format_and_the_default() -> None:
    _, option = get_args(FormatOption)
    for_segment_alone = {"preview", "report"}
    assert set(re.findall(r"\b[a-z]+\b(?= \(|,)", option.help)) >= set(FORMATS) - for_segment_alone
    assert set(re.findall(r"[a-z-]+(?=[ ,.])", option.help)) >= set(RUN_FORMATS)
    assert set(option.show_default.split(",")) == set(DEFAULT_FORMATS) - for_segment_alone


def test_writes_three_files_and_tells_of_them(freeda: Any, opened: Any, bank: Path, picture: Path) -> None:
    result = freeda("segment", picture, "-c", "car,tree", "--bank", bank, "--out", "out")
    assert result.exit_code == 0
    first, *paths = result.stdout.splitlines()
    assert first.startswith(f"{picture}: ")
    assert first.count("%") in (1, 2)
    assert [path.strip() for path in paths] == [
        "out/photo.overlay.png",
        "out/photo.labels.png",
        "out/photo.json",
    ]
    labels = read_labels("out/photo.labels.png")
    assert labels.class_names == ("car", "tree")
    assert labels.labels.shape == (40, 48)
    report = json.loads(Path("out/photo.json").read_text())
    assert report["picture"]["source"] == str(picture)
    assert (report["bank"]["address"], report["bank"]["revision"]) == (str(bank), 2)
    assert report["bank"]["committed_at"]


def test_says_bank_and_preset_and_writes_to_the_default_folder(
    freeda: Any, opened: Any, bank: Path, picture: Path
) -> None:
    result = freeda("segment", picture, "-c", "car", "--bank", bank, "--device", "cpu")
    assert f"bank {bank}, preset tiny" in result.stderr
    (call,) = opened.calls
    assert (call["address"], call["preset"].name, call["device"]) == (str(bank), "tiny", "cpu")
    assert Path("freeda-out/photo.overlay.png").is_file()


def test_a_broken_picture_gets_one_line_and_others_go_on(
    freeda: Any, opened: Any, bank: Path, picture: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(picture.read_bytes()[:60])
    result = freeda("segment", broken, picture, "-c", "car", "--bank", bank)
    assert result.exit_code == 1
    errors = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert "broken.png" in errors[0]
    assert "1 of 2 pictures failed." in result.stderr
    assert "2 pictures: 1 segmented, 1 failed in " in result.stdout
    assert not Path("freeda-out/broken.json").exists()


def test_an_error_that_nobody_foresaw_stops_only_its_picture(
    freeda: Any, opened: Any, bank: Path, picture: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def explode(*_: Any) -> None:
        raise RuntimeError("boom\nwith a second line")

    monkeypatch.setattr(Segmenter, "label", explode)
    result = freeda("segment", picture, "-c", "car", "--bank", bank)
    assert result.exit_code == 1
    assert f"error: {picture}: unexpected RuntimeError: boom with a second line" in result.stderr.splitlines()
    debugged = freeda("--debug", "segment", picture, "-c", "car", "--bank", bank)
    assert "Traceback" in debugged.stderr
    assert "Traceback" not in result.stderr


def test_json_has_a_record_for_each_picture(
    freeda: Any, opened: Any, bank: Path, picture: Path, tmp_path: Path
) -> None:
    (tmp_path / "no.png").write_text("no picture")
    result = freeda("segment", picture, tmp_path / "no.png", "-c", "car,tree", "--bank", bank, "--json")
    assert result.exit_code == 1
    good, bad = json.loads(result.stdout)
    assert [each["name"] for each in good["classes"]] == ["car", "tree"]
    assert sum(each["area"] for each in good["classes"]) == pytest.approx(1)
    assert Path(good["written"]["overlay"]).is_file()
    assert "no.png" in bad["error"]


def test_folders_and_patterns_and_twins(
    freeda: Any, opened: Any, bank: Path, picture: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "in" / "deep"
    folder.mkdir(parents=True)
    (folder / "photo.png").write_bytes(picture.read_bytes())
    (folder / "notes.txt").write_text("no picture")
    patterns = (picture, folder, tmp_path / "in/**/*.png")
    result = freeda("segment", "--verbose", *patterns, "-c", "car", "--bank", bank)
    assert result.exit_code == 0
    lines = [line for line in result.stdout.splitlines() if line.startswith("/")]
    assert [line.split(": ")[0] for line in lines] == [str(picture), str(folder / "photo.png")]
    assert len(list(Path("freeda-out").glob("*.overlay.png"))) == 2


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nowhere.png", "-c", "car"], "no picture nowhere.png"),
        (["nowhere-*.png", "-c", "car"], "no picture matches"),
        (["photo.png"], "no class"),
        (["photo.png", "-c", ""], "no class"),
        (["photo.png", "-c", " , ,"], "no class"),
        (["photo.png", "--classes-file", "none.txt"], "none.txt"),
        (["photo.png", "-c", "car", "--where", "colour=red"], "unknown filter field 'colour'"),
        (["photo.png", "-c", "car", "--where", "source"], "not a filter"),
        (["photo.png", "-c", "car", "--alpha", "1.5"], "alpha"),
        (["photo.png", "-c", "car", "--alpha", "much"], "--alpha"),
        (["photo.png", "-c", "car", "-k", "0"], "k is 0"),
        (["photo.png", "-c", "car", "--background", "black"], "unknown background strategy 'black'"),
        (["photo.png", "-c", "car", "--background-threshold", "7"], "background threshold"),
        (["photo.png", "-c", "car", "--superpixel-option", "scale"], "write for example scale=100"),
        (["photo.png", "-c", "car", "--superpixels", "voronoi"], "unknown superpixel algorithm 'voronoi'"),
        (["photo.png", "-c", "car", "--superpixel-option", "sides=3"], "felzenszwalb has no option 'sides'"),
        (["photo.png", "-c", "car", "--preset", "huge"], "unknown preset 'huge'"),
        (["photo.png", "-c", "car", "--bank", "elsewhere"], "no bank in"),
        (["photo.png", "-c", "car", "--bank", "@"], "not a bank's address"),
    ],
)
def test_misuse_is_one_line_and_loads_nothing(
    freeda: Any, monkeypatch: pytest.MonkeyPatch, picture: Path, arguments: list[str], told: str
) -> None:
    def never(*_: Any, **__: Any) -> None:
        raise AssertionError("models were loaded for a command that cannot run")

    monkeypatch.setattr("freeda_models.loading.load_text_image_encoder", never)
    result = freeda("segment", *arguments)
    assert result.exit_code == 2
    assert told in result.stderr
    assert [line.startswith("error: ") for line in result.stderr.splitlines() if "bank " not in line[:5]] == [
        True
    ]


def test_a_filter_that_leaves_nothing_fails(freeda: Any, opened: Any, bank: Path, picture: Path) -> None:
    result = freeda("segment", picture, "-c", "car", "--where", "source=nowhere", "--bank", bank)
    assert result.exit_code == 1
    assert f"no usable prototype for 'car' under the filter '{TINY_FILTER},source=nowhere'" in result.stderr


def test_classes_outside_the_preset_are_named(freeda: Any, opened: Any, bank: Path, picture: Path) -> None:
    result = freeda("segment", picture, "-c", "car,zebra", "--bank", bank)
    assert result.exit_code == 0
    warnings = [line for line in result.stderr.splitlines() if line.startswith("warning: ")]
    (warning,) = [line for line in warnings if "'zebra'" in line]
    assert "'zebra'" in warning
    assert "sd21" in warning


def test_a_flood_of_warnings_is_cut(freeda: Any, opened: Any, bank: Path, picture: Path) -> None:
    names = ",".join(f"thing{number}" for number in range(60))
    result = freeda("segment", picture, "-c", names, "--bank", bank)
    assert result.exit_code == 0
    warnings = [line for line in result.stderr.splitlines() if line.startswith("warning: ")]
    assert len(warnings) == 11
    assert "50 more" in warnings[-1]


def test_settings_reach_the_segmenter(freeda: Any, opened: Any, bank: Path, picture: Path) -> None:
    options = ["-k", "2", "--alpha", "0.5", "--superpixels", "slic", "--superpixel-option", "n_segments=9"]
    more = ["--background", "local", "--background-threshold", "0.4", "--where", "source=coco"]
    result = freeda("segment", picture, "-c", "car", "--bank", bank, *options, *more, "--json")
    settings = json.loads(result.stdout)[0]["settings"]
    assert (settings["k"], settings["alpha"], settings["superpixels"]) == (2, 0.5, "slic")
    assert settings["superpixels.n_segments"] == 9
    assert settings["background"] == "strategy=local threshold=0.4"
    assert settings["where"] == f"{TINY_FILTER},source=coco"


def test_what_is_not_said_comes_from_the_preset(
    freeda: Any, opened: Any, bank: Path, picture: Path, tmp_path: Path
) -> None:
    text = (resources.files("freeda_models") / "presets" / "tiny.toml").read_text()
    own = tmp_path / "own.toml"
    text = re.sub(r"(?m)^k = \d+", "k = 7", text)
    own.write_text(re.sub(r"(?m)^where = .*", 'where = ["contrast>=1.5"]', text))
    options = ["--preset", own, "--superpixel-option", "scale=55", "--where", "source=coco"]
    result = freeda("segment", picture, "-c", "car", "--bank", bank, *options, "--json")
    settings = json.loads(result.stdout)[0]["settings"]
    assert settings["k"] == 7
    sigma = load_preset("tiny").segment.superpixel_options["sigma"]
    assert (settings["superpixels.scale"], settings["superpixels.sigma"]) == (55.0, sigma)
    assert settings["where"] == "contrast>=1.5,source=coco"


def test_the_presets_filter_is_told_and_can_be_taken_away(
    freeda: Any, opened: Any, bank: Path, picture: Path
) -> None:
    line = ["segment", picture, "-c", "car", "--bank", bank, "--json"]
    usual = freeda(*line)
    assert f"preset tiny, prototypes with {TINY_FILTER}\n" in usual.stderr
    assert json.loads(usual.stdout)[0]["settings"]["where"] == TINY_FILTER
    without = freeda(*line, "--where", "none")
    assert "preset tiny\n" in without.stderr
    assert json.loads(without.stdout)[0]["settings"]["where"] == ""
    other = freeda(*line, "--where", "none,source=coco", "--where", "contrast>=1")
    assert json.loads(other.stdout)[0]["settings"]["where"] == "source=coco,contrast>=1.0"
    assert TINY_FILTER in freeda("segment", "--help").stdout


def test_results_that_are_there_are_found_without_loading_a_network(
    freeda: Any, opened: Any, bank: Path, picture: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = ["segment", picture, "-c", "car,tree", "--bank", bank]
    opened.small = False  # as the command itself takes settings
    assert freeda(*line).exit_code == 0
    assert len(opened.calls) == 1
    again = freeda(*line)
    assert (again.exit_code, again.stdout) == (0, f"{picture}: up to date (--force makes it anew)\n")
    assert len(opened.calls) == 1
    for number, other in enumerate((["--force"], ["-k", "3"], ["--where", "none"], ["--format", "npz"])):
        assert freeda(*line, *other).exit_code == 0
        assert len(opened.calls) == number + 2
    assert freeda(*line).exit_code == 0
    assert freeda("bank", "prune", "--where", "noun=dog", "--bank", bank).exit_code == 0
    before = len(opened.calls)
    assert "up to date" not in freeda(*line).stdout
    assert len(opened.calls) == before + 1


def test_pictures_of_one_stem_in_calls_of_their_own_share_no_file(
    freeda: Any, opened: Any, bank: Path, picture: Path, tmp_path: Path
) -> None:
    other, third = tmp_path / "photo.bmp", tmp_path / "photo.coco.png"
    with Image.open(picture) as image:
        image.save(other)
        image.crop((0, 0, 20, 20)).save(third)
    line = ["-c", "car", "--bank", bank, "--out", "out", "--format", "overlay,rle", "--json"]
    written = [json.loads(freeda("segment", each, *line).stdout)[0] for each in (picture, other, third)]
    files = [path for record in written for path in record["written"].values()]
    assert len(set(files)) == len(files) == 9
    assert written[0]["written"]["overlay"] == "out/photo.overlay.png"
    assert written[0]["picture"]["file"] == "../photo.png"
    together = json.loads(freeda("segment", third, other, picture, *line).stdout)
    assert [record["written"]["overlay"] for record in together] == [
        record["written"]["overlay"] for record in reversed(written)
    ]


def test_an_old_revision_can_be_asked(freeda: Any, opened: Any, bank: Path, picture: Path) -> None:
    result = freeda("segment", picture, "-c", "car", "--bank", f"{bank}@1", "--json")
    assert json.loads(result.stdout)[0]["bank"]["revision"] == 1


def test_classes_of_the_file_keep_their_labels(tmp_path: Path) -> None:
    file = tmp_path / "classes.txt"
    file.write_text("# streets\ncar|automobile\ntree\nsky\n")
    both = gather_classes(["Sky,sea"], file)
    assert both.names == ("car", "tree", "sky", "sea")
    assert both.classes[0].texts == ("car", "automobile")
    assert any("'Sky'" in note for note in both.notes)
    assert gather_classes([], file).names == ("car", "tree", "sky")
    with pytest.raises(ClassesError):
        gather_classes([], None)


def test_segment_and_evaluate_say_the_same_of_their_files() -> None:
    from freeda_cli.evaluate import NamesOption
    from freeda_cli.segment_options import CLASSES_FILE_HELP, ClassesFileOption

    for option in (NamesOption, ClassesFileOption):
        assert CLASSES_FILE_HELP in get_args(option)[1].help


def test_superpixel_options_change_the_presets_own() -> None:
    preset = Felzenszwalb(scale=100, sigma=0.7, min_size=20)
    assert chosen_superpixels(preset, None, {"scale": 50.0}) == Felzenszwalb(50, 0.7, 20)
    assert chosen_superpixels(preset, "slic", {}) == Slic()
    assert chosen_superpixels(preset, None, {}) == preset
    assert option_numbers(["scale = 1e2", "sigma=0"], "option", "scale=1") == {"scale": 100.0, "sigma": 0.0}
    with pytest.raises(OptionError):
        chosen_superpixels(preset, None, {"scale": float("nan")})


def test_a_threshold_alone_changes_the_background_that_is_there_or_the_constant_strategy() -> None:
    assert changed_background(None, None, None) is None
    chosen = changed_background(None, None, 0.45)
    assert chosen is not None
    assert (chosen.strategy, chosen.threshold) == (BackgroundStrategy.CONSTANT, 0.45)
    strategy = changed_background(None, "winner", None)
    assert strategy is not None
    assert (strategy.strategy, strategy.threshold) == (BackgroundStrategy.WINNER, 0.5)
    local = Background(BackgroundStrategy.LOCAL, 0.4)
    assert changed_background(local, None, None) == local
    assert changed_background(local, None, 0.45) == replace(local, threshold=0.45)
    assert changed_background(local, "winner", None) == strategy


def test_a_bank_that_is_not_there_is_the_first_thing_told(freeda: Any, picture: Path) -> None:
    for command in ("segment", "explain"):
        for preset in ([], ["--preset", "sd21"]):
            result = freeda(command, picture, "-c", "car", "--bank", "nowhere", *preset)
            assert result.exit_code == 2
            assert result.stderr.startswith("error: there is no bank in the folder nowhere")


def test_the_command_covers_as_much_as_the_library_does() -> None:
    from freeda_cli.segment_options import DEFAULT_MIN_AREA, DEFAULT_OPACITY
    from freeda_segment.outputs import instances, result

    assert DEFAULT_OPACITY == result.DEFAULT_OPACITY
    assert DEFAULT_MIN_AREA == instances.MIN_AREA
