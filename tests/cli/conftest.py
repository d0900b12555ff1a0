"""Fixtures of the command line's tests: a runner, a small real bank, and networks that see colours."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parents[1]))

import numpy as np
import pytest
from bank_copies import copy_folder
from PIL import Image
from small_bank import Backbone, Clip, make_manifest, make_small_bank, small_settings
from typer.testing import CliRunner

from freeda_cli.main import app
from freeda_learn import Learner, LearnModels
from freeda_models.check import PresetCheck
from freeda_models.presets import Preset, load_preset
from freeda_segment import Segmenter, SegmentSettings
from freeda_store import Bank


class Freeda:
    """Runs ``freeda`` in this process."""

    def __call__(self, *arguments: object, stdin: str | None = None) -> Any:
        return CliRunner().invoke(app, [str(argument) for argument in arguments], input=stdin)


@pytest.fixture(autouse=True)
def _clean_surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A folder of its own, no bank in the environment, and no trace of what commands set up."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FREEDA_BANK", raising=False)
    before = dict(os.environ)
    handlers = logging.getLogger().handlers[:]
    yield
    logging.getLogger().handlers[:] = handlers
    for name in os.environ.keys() - before.keys():
        del os.environ[name]


@pytest.fixture
def freeda() -> Freeda:
    return Freeda()


@pytest.fixture(scope="session")
def _bank_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("template") / "bank"
    make_small_bank(folder)
    return folder


@pytest.fixture
def bank(tmp_path: Path, _bank_template: Path) -> Path:
    """Two revisions: a car (twice) and a tree; then a dog of another source. Its own copy."""
    return copy_folder(_bank_template, tmp_path / "bank")


@pytest.fixture
def make_bank(tmp_path: Path) -> Callable[[str], Path]:
    """Makes an empty bank of a preset's name."""

    def make(preset: str) -> Path:
        folder = tmp_path / f"bank-of-{preset}"
        Bank.open(folder, create=make_manifest(preset)).close()
        return folder

    return make


class Opened:
    """Remembers how the segmenter was opened; works with small pictures unless ``small`` is unset."""

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []
        self.small = True

    def __call__(
        self, bank: Bank, *, preset: str | Preset, device: str, settings: SegmentSettings
    ) -> Segmenter:
        self.calls.append({"address": str(bank.address), "preset": preset, "device": device})
        if self.small:
            settings = small_settings(settings)
        chosen = preset if isinstance(preset, Preset) else load_preset(preset)
        return Segmenter(bank, Clip(), Backbone(), None, settings, chosen)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Opened:
    fake = Opened()
    monkeypatch.setattr("freeda_segment.segmenter.open_segmenter", fake)
    monkeypatch.setattr("freeda_models.check.check_preset", lambda name, *_: PresetCheck(name, ()))
    return fake


@pytest.fixture
def learning(monkeypatch: pytest.MonkeyPatch) -> None:
    """Learning with networks that see colours, in small pictures."""
    settings = small_settings()

    def open_learner(address: Any, preset: Any, *, device: str = "auto", executor: Any = None) -> Learner:
        return Learner(Bank.open(address), LearnModels(Backbone(), Clip(), Clip()), settings)

    monkeypatch.setattr("freeda_learn.learner.open_learner", open_learner)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    pixels = np.zeros((40, 48, 3), dtype=np.uint8)
    pixels[:, 24:] = (250, 30, 30)
    path = tmp_path / "photo.png"
    Image.fromarray(pixels).save(path)
    return path
