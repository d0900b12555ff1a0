"""The options of ``freeda ingest`` and ``freeda learn`` that say where to compute."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from freeda_cli.errors import UsageError
from freeda_cli.executors import ExecutorName, place_of
from freeda_ingest.executors.devices import DevicesExecutor
from freeda_ingest.executors.local import CaptionStage
from freeda_ingest.executors.ray import RayExecutor
from freeda_ingest.executors.recipe import PresetRecipe
from freeda_learn.errors import OptionError
from freeda_models.presets import load_preset

LOCAL, RAY = ExecutorName.LOCAL, ExecutorName.RAY


def test_one_device_is_computed_on_by_this_process() -> None:
    assert place_of(LOCAL, "cuda:1", None, None).device == "cuda:1"
    assert place_of(LOCAL, "cuda:1", None, None).executor is None


def test_devices_and_ray_make_their_executors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("freeda_ingest.executors.ray.find_spec", lambda name: object())
    for place, kind in (
        (place_of(LOCAL, "auto", "cuda:0, cuda:1", None), DevicesExecutor),
        (place_of(RAY, "auto", None, 3), RayExecutor),
    ):
        assert place.device == "cpu"
        assert place.executor is not None
        made = place.executor(PresetRecipe(load_preset("tiny"), CaptionStage()))
        assert isinstance(made, kind)
        made.close()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((LOCAL, "cpu", "cpu,cpu", None), "--device cpu and --devices cpu,cpu exclude each other"),
        ((LOCAL, "auto", None, 2), "--workers is for --executor ray"),
        ((RAY, "auto", "cuda:0,cuda:1", None), "--devices is for this machine"),
    ],
)
def test_options_that_exclude_each_other(arguments: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        place_of(*arguments)


@pytest.mark.parametrize(
    "options",
    [("--device", "cpu", "--devices", "cpu,cpu"), ("--devices", "cpu,cuda:0"), ("--devices", "cpu,")],
)
def test_misuse_exits_with_2_before_anything_is_made(
    options: tuple[str, ...], freeda: Any, tmp_path: Any
) -> None:
    captions = tmp_path / "captions.txt"
    captions.write_text("a car\n")
    result = freeda("ingest", captions, "--bank", tmp_path / "bank", *options)
    assert result.exit_code == 2
    assert not (tmp_path / "bank").exists()


@pytest.mark.parametrize("options", [("--devices", "cpu,cuda:0"), ("--workers", "2")])
def test_misuse_of_learn_exits_with_2(
    options: tuple[str, ...], freeda: Any, bank: Path, picture: Path
) -> None:
    result = freeda("learn", picture, "--whole", "--as", "car", "--bank", bank, *options)
    assert result.exit_code == 2, result.output


def test_learn_hands_its_workers_on(
    freeda: Any, bank: Path, picture: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Any] = []

    def open_learner(*_: Any, device: str, executor: Any) -> Any:
        told.extend((device, executor(PresetRecipe(load_preset("tiny"), CaptionStage()))))
        raise OptionError("that is enough.")

    monkeypatch.setattr("freeda_learn.learner.open_learner", open_learner)
    line = ("learn", picture, "--whole", "--as", "car", "--bank", bank)
    assert freeda(*line, "--devices", "cpu:0,cpu:1").exit_code == 2
    assert told[0] == "cpu:0"
    assert isinstance(told[1], DevicesExecutor)


def test_missing_ray_fails_with_the_command(
    freeda: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("freeda_ingest.executors.ray.find_spec", lambda name: None)
    captions = tmp_path / "captions.txt"
    captions.write_text("a car\n")
    result = freeda("ingest", captions, "--executor", "ray")
    assert result.exit_code == 1
    assert "pip install 'freeda[ray]'" in " ".join(result.stderr.split())
