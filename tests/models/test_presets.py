"""Preset files: the bundled ones, and those of a user's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from freeda_ingest.ingestor import open_ingestor
from freeda_models.check import check_preset
from freeda_models.errors import PresetError
from freeda_models.loading import load_generator
from freeda_models.presets import load_preset, preset_names


def test_bundled_presets_are_whole() -> None:
    assert {"tiny", "sd15", "sd21", "sdxl"} <= set(preset_names())
    for name in preset_names():
        preset = load_preset(name)
        assert preset.name == name
        assert preset.segment.superpixel_options.keys() == {"scale", "sigma", "min_size"}
        if not preset.nouns_known:
            models = (preset.clip, preset.backbone, preset.generator)
            assert all(len(model.revision) == 40 for model in models if model is not None)
            assert preset.backbone.image_size == 518


def test_a_preset_file_may_hold_only_what_differs_from_a_bundled_one(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('extends = "tiny"\nname = "mine"\n[ingest]\nmin_contrast = 1.5\n[segment]\nk = 7\n')
    mine, tiny = load_preset(str(path)), load_preset("tiny")
    assert mine.name == "mine"
    assert (mine.ingest.min_contrast, mine.segment.k) == (1.5, 7)
    assert mine.ingest.threshold_value == tiny.ingest.threshold_value
    assert mine.model_copy(update={"name": "tiny", "ingest": tiny.ingest, "segment": tiny.segment}) == tiny


def test_another_model_inherits_nothing_that_says_which_of_the_first_models_files_to_take(
    tmp_path: Path,
) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(
        'extends = "sd21"\nname = "mine"\n[generator]\nmodel = "a/b"\n[backbone]\nmodel = "c/d"\n'
        'revision = "v2"\n[clip]\ndownload_mb = 1\n'
    )
    mine, base = load_preset(str(path)), load_preset("sd21")
    assert (mine.drawing.model, mine.drawing.steps) == ("a/b", base.drawing.steps)
    assert (mine.drawing.revision, mine.drawing.variant, mine.drawing.download_mb) == ("", "", 0)
    assert (mine.backbone.revision, mine.backbone.image_size) == ("v2", base.backbone.image_size)
    assert mine.clip == base.clip.model_copy(update={"download_mb": 1})
    path.write_text('extends = "sd21"\nname = "mine"\n[clip]\npretrained = "laion2b_s32b_b82k"\n')
    assert load_preset(str(path)).clip.revision == ""
    path.write_text('extends = "sd21"\nname = "mine"\n[generator]\nmodel = "' + base.drawing.model + '"\n')
    assert load_preset(str(path)).generator == base.generator


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('extends = "sd99"\nname = "x"', "'extends' names a bundled preset"),
        ('extends = "tiny"\nname = "tiny"', "under another name"),
        ('extends = ["tiny"]\nname = "x"', "'extends' names a bundled preset"),
        ('extends = "tiny"', "needs a name of its own"),
        ('extends = "tiny"\nname = "x"\nsegment = 3', "field 'segment'"),
        ('extends = "tiny"\nname = "x"\n[ingest]\nmin_agreement = 2', "ingest.min_agreement"),
        ("name = ", "not valid TOML"),
        ('name = "x"\ndescription = ""', "the field 'clip' is missing"),
        ('name = "x"\ndescription = ""\nclip.surprise = 1', "'clip.surprise' is not a known"),
        (b'name = "\xff"', "cannot be read as UTF-8 text"),
        ("a = " + "[" * 5000 + "]" * 5000, "nested too deeply"),
        ("a = " + "9" * 5000, "too many digits"),
        ('extends = "tiny"\nname = "x"\nsurprise = 1', "'surprise' is not a known field"),
        (
            'extends = "tiny"\nname = "x"\n[segment]\nshortest_side = 1',
            "known field; did you mean 'shorter_side'",
        ),
        (
            'extends = "tiny"\nname = "x"\n[segmnet]\nk = 1',
            "'segmnet' is not a known field; did you mean 'segment'",
        ),
        ('extends = "tiny"\nname = "x"\nmin_contrast = 1', r"field; it belongs into the table \[ingest\]"),
        (
            'extends = "tiny"\nname = "x"\n[ingest]\nalpha = 1',
            r"field; it belongs into the table \[segment\]",
        ),
        (
            'name = "x"\ndescription = ""\n[clipp]\nmodel = "x"',
            "'clipp' is not a known field; did you mean 'clip'",
        ),
    ],
)
def test_preset_files_that_are_wrong(tmp_path: Path, text: str | bytes, message: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(PresetError, match=message):
        load_preset(str(path))
    with pytest.raises(PresetError, match="unknown preset"):
        load_preset("sd99")
    with pytest.raises(PresetError, match="does not exist"):
        load_preset(str(tmp_path / "none.toml"))


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("[segment]\nshortest_side = 1", "'segment.shortest_side' is not .*; did you mean 'shorter_side'"),
        ("[segmnet]\nk = 1", "'segmnet' is not a known field; did you mean 'segment'"),
        ("min_contrast = 1", r"is not a known field; it belongs into the table \[ingest\]"),
        ("[ingest]\nalpha = 1", r"is not a known field; it belongs into the table \[segment\]"),
        ("zzzz = 1", "'zzzz' is not a known field; correct"),
    ],
)
def test_a_typo_in_a_preset_says_what_was_meant(tmp_path: Path, lines: str, message: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(f'extends = "tiny"\nname = "x"\n{lines}\n')
    with pytest.raises(PresetError, match=message):
        load_preset(str(path))


def test_a_typo_is_told_of_before_what_is_missing_through_it(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('name = "x"\ndescription = ""\n[clipp]\nmodel = "x"\n')
    with pytest.raises(PresetError, match="'clipp' is not a known field; did you mean 'clip'"):
        load_preset(str(path))
    with pytest.raises(PresetError, match="unknown preset 'sd2'; did you mean 'sd21'"):
        load_preset("sd2")


@pytest.mark.parametrize(
    ("table", "line", "message"),
    [
        ("generator", "batch_size = 0", "'generator.batch_size': expected greater than or equal to 1, got 0"),
        ("generator", "batch_size = true", "'generator.batch_size': expected a valid integer, got True"),
        ("generator", 'batch_size = "8"', "'generator.batch_size': expected a valid integer, got '8'"),
        ("generator", "batch_size = 99999999999999999999", "'generator.batch_size': expected less than"),
        ("generator", "image_size = 60", "'generator.image_size': expected a multiple of 8, got 60"),
        ("generator", "steps = -1", "'generator.steps'"),
        ("generator", "guidance = nan", "'generator.guidance': expected a finite number, got nan"),
        ("generator", "guidance = inf", "'generator.guidance': expected a finite number, got inf"),
        ("generator", 'family = "sd3"', "'generator.family': expected 'sd' or 'sdxl', got 'sd3'"),
        ("backbone", "image_size = 0", "'backbone.image_size'"),
        ("ingest", "threshold_value = -inf", "'ingest.threshold_value'"),
        ("segment", "k = 0", "'segment.k'"),
        ("segment", "stride = 1000", "stride 1000 is larger than window 128"),
        ("segment", "superpixel_options = { scale = nan }", "'segment.superpixel_options.scale'"),
        ("segment", "where = [1]", "'segment.where.0': expected a valid string, got 1"),
        ("nouns", 'stop_add = "a"', "'nouns.stop_add': expected a valid tuple"),
    ],
)
def test_values_that_no_preset_may_have(tmp_path: Path, table: str, line: str, message: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(f'extends = "tiny"\nname = "x"\n[{table}]\n{line}\n')
    with pytest.raises(PresetError) as caught:
        load_preset(str(path))
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)


def test_what_is_known_of_a_region_network_is_not_claimed_of_another(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text(
        'extends = "tiny"\nname = "own"\n[sam2]\nmodel = "facebook/sam2.1-hiera-large"\n'
        '[eomt]\nrevision = "abc"\n'
    )
    preset = load_preset(str(own))
    assert (preset.sam2.license, preset.sam2.download_mb) == ("", 0)
    assert preset.eomt.download_mb > 0
    assert preset.eomt.revision == "abc"
    assert preset.region_network("edgetam") == load_preset("tiny").edgetam


def test_a_preset_without_a_generator_draws_nothing_and_says_so(tmp_path: Path) -> None:
    photos, drawing = load_preset("photos"), load_preset("sd21")
    assert photos.generator is None
    assert (photos.clip, photos.backbone, photos.segment) == (drawing.clip, drawing.backbone, drawing.segment)
    assert [part.role for part in check_preset(photos).components] == ["clip", "backbone", "nouns", "keys"]
    for attempt in (lambda: load_generator(photos, "cpu"), lambda: open_ingestor(tmp_path / "bank", photos)):
        with pytest.raises(PresetError, match=r"preset photos has no generator.*freeda learn"):
            attempt()
    assert not (tmp_path / "bank").exists()


def test_only_none_stands_for_no_generator(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    for generator in ('""', '"sd"', "false"):
        path.write_text(f'extends = "tiny"\nname = "mine"\ngenerator = {generator}\n')
        with pytest.raises(PresetError, match="generator"):
            load_preset(str(path))
    path.write_text(
        'name = "mine"\ndescription = ""\n[clip]\nmodel = "a"\n[backbone]\nmodel = "b"\nimage_size = 14\n'
    )
    with pytest.raises(PresetError, match="'generator' is missing"):
        load_preset(str(path))
