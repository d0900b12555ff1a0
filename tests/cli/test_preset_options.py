"""Which preset a command takes, and what is said of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from freeda_cli.errors import UsageError
from freeda_cli.presets import SEGMENT_ROLES, announce_download, preset_for, unknown_words
from freeda_models.check import ComponentCheck, ComponentState, PresetCheck
from freeda_models.errors import PresetError
from freeda_models.presets import load_preset
from freeda_store.errors import ManifestMismatchError


def test_the_preset_asked_for_wins(make_bank: Callable[[str], Path]) -> None:
    assert preset_for(str(make_bank("sd15")), "sd21").name == "sd21"


def test_else_the_one_of_the_bank_else_tiny(make_bank: Callable[[str], Path]) -> None:
    assert preset_for(str(make_bank("sd15")), None).name == "sd15"
    assert preset_for("no-bank-here", None).name == "tiny"


def test_an_own_preset_must_be_given_again(make_bank: Callable[[str], Path], tmp_path: Path) -> None:
    bank = str(make_bank("mine"))
    with pytest.raises(UsageError, match="'mine', which is not bundled"):
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
    monkeypatch.setattr("freeda_models.check.check_preset", lambda name, *_: PresetCheck(name, parts))
    announce_download("sd21", SEGMENT_ROLES)
    assert capsys.readouterr().err.startswith("downloading 1.7 GB first: some/clip (")
    announce_download("sd21")
    assert capsys.readouterr().err.startswith("downloading 4.3 GB first: some/clip, some/generator (")
    announce_download("sd21", ("backbone",))
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

    def check(name: str, regions: str | None = None) -> PresetCheck:
        return PresetCheck(name, (part("clip", ComponentState.DOWNLOAD, models[name], 1711),))

    monkeypatch.setattr("freeda_models.check.check_preset", check)
    with pytest.raises(ManifestMismatchError, match="made with preset tiny, and the clip of sd21 is another"):
        announce_download("sd21", bank=str(make_bank("tiny")))
    assert capsys.readouterr().err == ""
    for bank in (make_bank("sd21"), make_bank("sdxl"), "no-bank-here"):
        announce_download("sd21", bank=str(bank))
        assert capsys.readouterr().err.startswith("downloading 1.7 GB first: ViT-L-14")
