"""Fixtures of the command line's tests: a runner, a small real bank, and networks that see colours."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parents[1]))

import numpy as np
import pytest
from bank_copies import copy_folder
from PIL import Image
from typer.testing import CliRunner

from freeda_cli.main import app
from freeda_learn import Learner, LearnModels
from freeda_models.check import PresetCheck
from freeda_models.presets import Preset, load_preset
from freeda_models.protocols import ModelIdentity
from freeda_segment import Segmenter, SegmentSettings
from freeda_store import Bank, Caption, Manifest, ModelRecord, NewGeneration, NewPrototype, Scores

TEXT_DIM, VISUAL_DIM = 4, 6


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


def make_manifest(preset: str = "tiny") -> Manifest:
    def model(name: str, dim: int = 0) -> ModelRecord:
        return ModelRecord(id=name, revision="r1", sha256="", dim=dim)

    return Manifest(
        preset=preset,
        clip=model("clip", TEXT_DIM),
        backbone=model("backbone", VISUAL_DIM),
        generator=model("generator"),
        nouns=model("nouns"),
        keys=model("clip", TEXT_DIM),
        key_strategy="template_mean",
        templates="openai_subset",
    )


def make_generation(caption: str, nouns: dict[str, float], *, source: str = "coco") -> NewGeneration:
    """A drawn caption with one prototype a noun, of the attribution contrast given."""
    rng = np.random.default_rng(len(caption))
    prototypes = []
    for index, (noun, contrast) in enumerate(nouns.items()):
        key = np.zeros(TEXT_DIM, dtype=np.float32)
        key[index % TEXT_DIM] = 1
        start = caption.index(noun)
        prototypes.append(
            NewPrototype(
                noun=noun,
                kind="noun",
                span=(start, start + len(noun)),
                text_key=key,
                visual=rng.normal(size=VISUAL_DIM).astype(np.float32),
                scores=Scores(contrast=contrast, area=0.25, clip_agreement=0.3, outlier_distance=0.1),
                attribution_hw=np.eye(8, dtype=np.uint8) * 255,
            )
        )
    image = rng.integers(0, 255, size=(32, 32, 3), dtype=np.uint8)
    return NewGeneration(Caption(caption, source=source, license="CC0"), 7, image, tuple(prototypes))


def add_revision(folder: Path, message: str, *generations: NewGeneration) -> None:
    with Bank.open(folder, create=make_manifest()) as bank, bank.write(message, message) as writer:
        writer.add(generations)
        writer.commit()


@pytest.fixture(scope="session")
def _bank_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("template") / "bank"
    add_revision(
        folder,
        "first",
        make_generation("a car and a tree", {"car": 2.5, "tree": 1.1}),
        make_generation("one more car", {"car": 3.5}),
    )
    add_revision(folder, "second", make_generation("a dog runs", {"dog": 1.9}, source="examples"))
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


class Clip:
    """``car`` lies on the first axis of the key space, everything else on the second."""

    identity = ModelIdentity("clip", "r1", "", 4, "")

    def encode_texts(self, texts: list[str]) -> Any:
        return np.eye(4, dtype=np.float32)[[0 if "car" in text else 1 for text in texts]]

    encode_texts_raw = encode_texts

    def encode_spans(self, texts: list[str], spans: list[tuple[int, int]]) -> Any:
        return self.encode_texts(texts)

    def encode_images(self, images_bhwc: Any) -> Any:
        return np.tile(np.full(4, 0.5, dtype=np.float32), (len(images_bhwc), 1))


class Backbone:
    """The mean colour of each of 8 x 8 patches, padded with ones."""

    identity = ModelIdentity("backbone", "r1", "", 6, "")
    grid_hw = (8, 8)

    def encode(self, images_bhwc: Any) -> Any:
        batch, height, width, _ = images_bhwc.shape
        rows, columns = np.arange(8) * height // 8, np.arange(8) * width // 8
        colours = images_bhwc[:, rows][:, :, columns].astype(np.float32) / 255 - 0.5
        return np.concatenate([colours, np.full((batch, 8, 8, 3), 0.1, dtype=np.float32)], axis=-1)


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
            settings = replace(settings, shorter_side=32, longest_side=64, window=32, stride=32)
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
    settings = replace(
        SegmentSettings.of(load_preset("tiny").segment),
        **{"shorter_side": 32, "longest_side": 64, "window": 32, "stride": 32},
    )

    def open_learner(address: Any, preset: Any, *, device: str = "auto") -> Learner:
        return Learner(Bank.open(address), LearnModels(Backbone(), Clip(), Clip()), settings)

    monkeypatch.setattr("freeda_learn.learner.open_learner", open_learner)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    pixels = np.zeros((40, 48, 3), dtype=np.uint8)
    pixels[:, 24:] = (250, 30, 30)
    path = tmp_path / "photo.png"
    Image.fromarray(pixels).save(path)
    return path
