"""Settings of segmentation stand once: presets, settings, options and provenance follow from one place."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import typer
import typer.testing
from typer.main import get_command

from freeda_cli import setting_options
from freeda_cli.main import app
from freeda_cli.segment_settings import SettingChanges
from freeda_errors import FreedaError
from freeda_models import segmentation
from freeda_models.presets import SegmentDefaults, load_preset
from freeda_models.regions.options import REGION_NETWORKS, EomtOptions, Sam2Options
from freeda_models.segmentation import CommandSettings, Option, PlainSettings, PresetSettings, settings_of
from freeda_models.text.keys import TEMPLATE_SETS
from freeda_segment import Background, BackgroundStrategy, SegmentSettings
from freeda_segment.errors import OptionError
from freeda_segment.pixels.refinement import NO_REFINEMENT, REFINEMENTS, Pamr, RandomWalk
from freeda_segment.provenance import describe_settings
from freeda_segment.regions.superpixels import ALGORITHMS
from freeda_segment.regions.windows import RESIZES
from freeda_segment.retrieval.aggregation import AGGREGATIONS
from freeda_segment.settings import NO_BACKGROUND

COMMANDS = ("segment", "explain", "evaluate")


def options_of(command: str) -> dict[str, Any]:
    return {each.name: each for each in get_command(app).commands[command].params}  # type: ignore[attr-defined]


@pytest.mark.parametrize("command", COMMANDS)
def test_three_commands_have_the_options_of_all_settings(command: str) -> None:
    declared = {name: about for name, about in settings_of(CommandSettings).items() if about.option}
    own, others = options_of(command), options_of("segment")
    assert declared.keys() <= own.keys()
    for name, about in declared.items():
        assert own[name].rich_help_panel == about.stage.value
        assert all(choice in own[name].help for choice in about.choices)
        for same in ("help", "metavar", "opts", "show_default"):
            assert getattr(own[name], same) == getattr(others[name], same)


def test_the_presets_table_has_the_fields_of_the_settings() -> None:
    fields = SegmentDefaults.model_fields  # type: ignore[attr-defined]
    assert list(fields) == [each.name for each in dataclasses.fields(PresetSettings)]
    assert {name: each.default for name, each in fields.items()} == dataclasses.asdict(PresetSettings())
    assert {name: each.description for name, each in fields.items()} == {
        name: about.description for name, about in settings_of(PresetSettings).items()
    }


@pytest.mark.parametrize(
    ("name", "registry"),
    [
        ("resize", RESIZES),
        ("aggregation", AGGREGATIONS),
        ("templates", TEMPLATE_SETS),
        ("superpixels", ALGORITHMS),
        ("background", [*BackgroundStrategy, NO_BACKGROUND]),
        ("regions", ["superpixels", *REGION_NETWORKS]),
        ("refinement", [*REFINEMENTS, NO_REFINEMENT]),
    ],
)
def test_the_names_of_a_setting_are_those_of_its_registry(name: str, registry: Any) -> None:
    assert set(settings_of(CommandSettings)[name].choices) == set(registry)


@pytest.mark.parametrize("name", list(settings_of(PlainSettings)))
def test_each_plain_setting_is_checked_by_what_is_said_of_it(name: str) -> None:
    about = settings_of(PlainSettings)[name]
    if about.choices:
        with pytest.raises(OptionError, match="choose one of"):
            SegmentSettings(**{name: "nonsense"})  # type: ignore[arg-type]
        return
    assert about.least is not None
    assert about.most is not None
    for wrong in (about.least - 1, about.most + 1, float("nan")):
        with pytest.raises(OptionError, match=f"{name.replace('_', ' ')} is .*; expected a "):
            SegmentSettings(**{name: wrong})  # type: ignore[arg-type]


def test_a_preset_may_say_each_plain_setting(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    lines = ('aggregation = "knn"', "neighbours = 7", 'templates = "single"', "batch_size = 3")
    own.write_text("\n".join(('extends = "tiny"', 'name = "own"', "[segment]", *lines)))
    settings = SegmentSettings.of(load_preset(str(own)).segment)
    assert (settings.aggregation, settings.neighbours, settings.batch_size) == ("knn", 7, 3)
    assert SettingChanges({"aggregation": "mean"}).change(settings).aggregation == "mean"


def test_the_provenance_has_every_setting_that_shapes_results() -> None:
    told = describe_settings(SegmentSettings(), "single")
    assert told["templates"] == "single"
    names = {each.name for each in dataclasses.fields(SegmentSettings)}
    assert names - told.keys() == {"batch_size"}


def test_a_new_setting_becomes_an_option_by_its_field_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    @dataclasses.dataclass(frozen=True)
    class More(CommandSettings):
        sharpness: float = segmentation._setting(
            0.3, "How sharp", segmentation.Stage.LABELS, least=0, most=1, option=Option()
        )

    monkeypatch.setattr(setting_options, "CommandSettings", More)
    seen: list[SettingChanges] = []

    @setting_options.with_segment_options
    def command(*, changes: SettingChanges, name: str = "x") -> None:
        seen.append(changes)

    own = typer.Typer()
    own.command()(command)
    ran = typer.testing.CliRunner()
    help_text = ran.invoke(own, ["--help"]).output
    assert "--sharpness" in help_text
    assert "How sharp, 0 to 1." in help_text
    assert ran.invoke(own, ["--sharpness", "0", "--name", "y"]).exit_code == 0
    assert seen[0].given["sharpness"] == 0
    assert json.dumps(sorted(seen[0].given)) == '["as_published", "sharpness"]'


def test_networks_of_regions_are_chosen_with_their_options() -> None:
    settings = SegmentSettings()
    asked = SettingChanges({"regions": "sam2", "region_options": ["points_per_side=8"]}).change(settings)
    assert asked.regions == Sam2Options(points_per_side=8)
    more = SettingChanges({"region_options": ["box_nms_thresh = 0.5"]}).change(asked)
    assert more.regions == Sam2Options(points_per_side=8, box_nms_thresh=0.5)
    assert SettingChanges({"regions": "eomt"}).change(more).regions == EomtOptions()
    assert SettingChanges({"regions": "superpixels"}).change(more).regions is None
    assert SettingChanges({}).change(more).regions == more.regions
    for wrong, told in (
        ({"region_options": ["points_per_side=8"]}, "name a network"),
        ({"regions": "sam3"}, "unknown region network"),
        ({"regions": "sam2", "region_options": ["points"]}, "is no region option"),
    ):
        with pytest.raises(FreedaError, match=told):
            SettingChanges(wrong).change(settings)


def test_a_refinement_is_chosen_by_name() -> None:
    settings = SegmentSettings(refinement=RandomWalk(tie=1.0))
    assert SettingChanges({}).change(settings).refinement == RandomWalk(tie=1.0)
    assert SettingChanges({"refinement": "pamr"}).change(settings).refinement == Pamr()
    assert SettingChanges({"refinement": "none"}).change(settings).refinement is None
    with pytest.raises(OptionError, match="walk, pamr, none"):
        SettingChanges({"refinement": "brush"}).change(settings)


def test_as_published_is_where_other_options_start_from() -> None:
    tiny = SegmentSettings.of(load_preset("tiny").segment)
    assert tiny.refinement == RandomWalk()
    published = SettingChanges({"as_published": True}).change(tiny)
    assert published == tiny.as_published()
    assert (published.refinement, published.background, str(published.where)) == (None, None, "")
    assert (published.k, published.alpha, published.similarity_threshold) == (350, 0.8, None)
    assert (published.resize, published.templates) == ("plain", "openai_subset_raw")
    assert (published.window, published.superpixels) == (tiny.window, tiny.superpixels)
    own = SettingChanges({"as_published": True, "k": 7, "refinement": "pamr"}).change(tiny)
    assert (own.k, own.alpha, own.refinement) == (7, 0.8, Pamr())


def test_the_background_of_a_data_set_is_as_published() -> None:
    by_threshold = Background(BackgroundStrategy.WINNER, 0.4)
    assert SegmentSettings(background=by_threshold).as_published().background == by_threshold
    assert SegmentSettings(background=Background(BackgroundStrategy.BANK)).as_published().background is None
