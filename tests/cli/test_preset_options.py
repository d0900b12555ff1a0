"""Which preset a command takes, and what is said of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from freeda_cli.presets import SEGMENT_ROLES, announce_download, preset_for, unknown_words
from freeda_models.check import ComponentCheck, ComponentState, PresetCheck
from freeda_models.errors import PresetError
from freeda_models.presets import Preset, load_preset, preset_document, preset_for_bank
from freeda_store import Bank
from freeda_store.errors import ManifestMismatchError


def test_the_preset_asked_for_wins(make_bank: Callable[[str], Path]) -> None:
    assert preset_for(str(make_bank("sd15")), "sd21").name == "sd21"


def test_else_the_one_of_the_bank_else_tiny(make_bank: Callable[[str], Path]) -> None:
    assert preset_for(str(make_bank("sd15")), None).name == "sd15"
    assert preset_for("no-bank-here", None).name == "tiny"


def own_preset(tmp_path: Path) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text('extends = "tiny"\nname = "mine"\n[segment]\nk = 7\nwhere = []\n')
    return path


def test_a_preset_of_ones_own_is_kept_in_the_bank(
    freeda: Any, opened: Any, bank: Path, picture: Path, tmp_path: Path
) -> None:
    own = load_preset(str(own_preset(tmp_path)))
    with Bank.read(bank) as held:
        kept_with = {"preset": "mine", "preset_document": preset_document(own)}
        manifest = held.manifest.model_copy(update=kept_with)
    kept = tmp_path / "kept"
    Bank.open(kept, create=manifest).close()
    assert preset_for(str(kept), None) == own
    assert freeda("bank", "pull", bank, "--bank", kept).exit_code == 0
    archive = tmp_path / "kept.zip"
    assert freeda("bank", "export", archive, "--bank", kept).exit_code == 0
    assert freeda("bank", "import", archive, "--bank", tmp_path / "again").exit_code == 0
    assert preset_for(str(tmp_path / "again"), None) == own
    opened.small = False
    line = ("segment", picture, "-c", "car", "--bank", kept)
    result = freeda(*line, "--json")
    assert result.exit_code == 0, result.stderr
    assert f"bank {kept}, preset mine" in result.stderr
    assert json.loads(result.stdout)[0]["settings"]["k"] == 7
    assert "up to date" in freeda(*line).stdout


def test_banks_of_bundled_presets_keep_the_manifest_they_had(make_bank: Callable[[str], Path]) -> None:
    assert preset_document(load_preset("sd21")) == ""
    with Bank.read(str(make_bank("sd21"))) as held:
        assert "preset_document" not in held.manifest.model_dump_json()
        assert "preset_document" not in held.manifest.model_dump()


def test_a_kept_preset_that_is_damaged_is_told_of(make_bank: Callable[[str], Path], tmp_path: Path) -> None:
    own = load_preset(str(own_preset(tmp_path)))
    with Bank.read(str(make_bank("mine"))) as held:
        document = preset_document(own).replace('"steps"', '"stpes"')
        manifest = held.manifest.model_copy(update={"preset_document": document})
    with pytest.raises(PresetError, match=r"that the bank keeps cannot be read .*did you mean 'steps'"):
        preset_for_bank(None, manifest)


def test_a_bundled_name_with_other_content_is_kept_too(make_bank: Callable[[str], Path]) -> None:
    tiny = load_preset("tiny")
    other = tiny.model_copy(update={"description": "another"})
    with Bank.read(str(make_bank("tiny"))) as held:
        assert preset_for_bank(None, held.manifest) == tiny
        manifest = held.manifest.model_copy(update={"preset_document": preset_document(other)})
    assert preset_for_bank(None, manifest) == other


def test_an_own_preset_of_an_older_bank_must_be_given_again(
    make_bank: Callable[[str], Path], tmp_path: Path
) -> None:
    bank = str(make_bank("mine"))
    with pytest.raises(PresetError, match="'mine', which is not bundled, and does not keep it"):
        preset_for(bank, None)
    with pytest.raises(PresetError):
        preset_for(bank, str(tmp_path / "mine.toml"))


def part(role: str, state: ComponentState, model: str = "", size_mb: float = 0.0) -> ComponentCheck:
    return ComponentCheck(role, model or f"some/{role}", state, "", size_mb, "")


def test_only_what_the_command_needs_is_announced(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    download = ComponentState.DOWNLOAD
    parts = (
        part("clip", download, size_mb=1711),
        part("backbone", ComponentState.PRESENT, size_mb=1218),
        part("generator", download, size_mb=2590),
        part("keys", download, model="clip"),
    )
    monkeypatch.setattr(
        "freeda_models.check.check_preset", lambda preset, *_: PresetCheck(preset.name, parts)
    )
    announce_download(load_preset("sd21"), SEGMENT_ROLES)
    assert capsys.readouterr().err.startswith("downloading 1.7 GB first: some/clip (")
    announce_download(load_preset("sd21"))
    assert capsys.readouterr().err.startswith("downloading 4.3 GB first: some/clip, some/generator (")
    announce_download(load_preset("sd21"), ("backbone",))
    assert capsys.readouterr().err == ""


def test_unknown_words_are_counted_and_other_presets_named() -> None:
    told = unknown_words(load_preset("tiny"), ["'zebra' (2)"], 12)
    assert "preset tiny does not know 'zebra' (2) and 11 more" in told
    assert "sd21" in told
    assert "or tiny" not in told


def test_nothing_is_downloaded_that_does_not_fit_the_bank(
    make_bank: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    models = {"tiny": "tiny:clip", "sd21": "ViT-L-14", "sdxl": "ViT-L-14"}

    def check(preset: Preset | str, regions: str | None = None) -> PresetCheck:
        name = preset if isinstance(preset, str) else preset.name
        return PresetCheck(name, (part("clip", ComponentState.DOWNLOAD, models[name], 1711),))

    monkeypatch.setattr("freeda_models.check.check_preset", check)
    with pytest.raises(ManifestMismatchError, match="made with preset tiny, and the clip of sd21 is another"):
        announce_download(load_preset("sd21"), bank=str(make_bank("tiny")))
    assert capsys.readouterr().err == ""
    for bank in (make_bank("sd21"), make_bank("sdxl"), "no-bank-here"):
        announce_download(load_preset("sd21"), bank=str(bank))
        assert capsys.readouterr().err.startswith("downloading 1.7 GB first: ViT-L-14")
