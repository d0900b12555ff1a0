"""Two Ray workers on this machine, one of which dies; and Ray's manners at the terminal."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from bank_contents import Contents
from executor_fakes import FakeRecipe, check, ingest, local_bank, truck_captions
from ray_cluster import ray_cluster, ray_folder, ray_variables

from freeda_ingest.errors import ClusterError, OptionError, WorkerError
from freeda_ingest.executors.ray import RayExecutor, ray_executor
from freeda_ingest.executors.recipe import WorkerIdentity
from freeda_models.errors import DeviceError
from freeda_models.identity import identify
from freeda_models.presets import load_preset

SCRIPT = Path(__file__).with_name("ray_run.py")
needs_ray = pytest.mark.skipif(find_spec("ray") is None, reason="the extra ray is not installed")


@pytest.fixture(scope="module")
def captions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return truck_captions(tmp_path_factory.mktemp("captions"))


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory, captions: Path) -> Contents:
    return local_bank(tmp_path_factory.mktemp("local") / "bank", captions)


@pytest.fixture
def traces(tmp_path: Path) -> Path:
    folder = tmp_path / "traces"
    folder.mkdir()
    return folder


@pytest.fixture(scope="module")
def _ray() -> Iterator[None]:
    """Ray with two CPUs, shared by the tests that do not ask how it is started."""
    with ray_cluster(ray_variables(SCRIPT.parent)):
        yield


@needs_ray
@pytest.mark.slow
@pytest.mark.usefixtures("_ray")
def test_killed_worker_leaves_the_bank_of_the_local_executor(
    tmp_path: Path, traces: Path, captions: Path, local: Contents
) -> None:
    recipe = FakeRecipe(traces, deadly="an old truck", company=2)
    report = ingest(tmp_path / "bank", captions, RayExecutor(recipe, workers=2))
    assert len(recipe.traces("died")) == 1
    assert len(recipe.traces("drew")) >= 2
    assert report.revision is not None
    check(tmp_path / "bank", local)


@needs_ray
@pytest.mark.slow
@pytest.mark.usefixtures("_ray")
def test_poisoned_batch_is_named(
    tmp_path: Path, traces: Path, captions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("freeda_ingest.executors.worker_pool.ATTEMPTS", 2)
    recipe = FakeRecipe(traces, deadly="an old truck", deaths=99)
    with pytest.raises(
        WorkerError, match=r"caption 16 \('an old truck'\), the last, worker 1 \(cpu\), ended"
    ):
        ingest(tmp_path / "bank", captions, RayExecutor(recipe, workers=1))
    assert len(recipe.traces("died")) == 2


@needs_ray
@pytest.mark.slow
@pytest.mark.usefixtures("_ray")
def test_errors_name_the_machine(tmp_path: Path, traces: Path, captions: Path) -> None:
    for mishap, message in (
        (FakeRecipe(traces, missing=True), "weights of cpu are not here; fetch them"),
        (FakeRecipe(traces, broken="an old truck"), "cannot draw an old truck"),
    ):
        with pytest.raises(WorkerError, match=rf"^worker on \S+: {message}"):
            ingest(tmp_path / "bank", captions, RayExecutor(mishap, workers=1))


@needs_ray
@pytest.mark.slow
@pytest.mark.usefixtures("_ray")
def test_cluster_without_gpus_cannot_give_any(tmp_path: Path, traces: Path, captions: Path) -> None:
    with pytest.raises(DeviceError, match="the Ray cluster has no GPU"):
        ingest(tmp_path / "bank", captions, RayExecutor(FakeRecipe(traces), device="cuda"))


@needs_ray
@pytest.mark.slow
def test_ray_started_here_is_silent_and_ends_with_the_executor(
    tmp_path: Path,
    traces: Path,
    captions: Path,
    local: Contents,
) -> None:
    told = {**os.environ, **ray_variables(SCRIPT.parent), "RAY_USAGE_STATS_ENABLED": "1"}
    with ray_folder() as folder:
        done = subprocess.run(
            [sys.executable, str(SCRIPT), str(tmp_path / "bank"), str(captions), str(traces)],
            env=told | folder,
            capture_output=True,
            text=True,
            check=True,
        )
    assert (done.stdout, done.stderr) == ("usage statistics: 0, Ray up: False\n", "")
    assert len(FakeRecipe(traces).traces("died")) == 1
    check(tmp_path / "bank", local)


def test_nothing_of_ray_is_started_while_there_is_nothing_to_draw(
    traces: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("freeda_ingest.executors.ray.find_spec", lambda name: object())
    monkeypatch.setattr("freeda_ingest.executors.ray._connect", lambda: pytest.fail("Ray was asked for"))
    executor = RayExecutor(FakeRecipe(traces))
    assert list(executor.run([])) == []
    executor.close()
    executor.close()


@needs_ray
def test_cluster_that_nobody_runs_is_told_at_once(
    tmp_path: Path, traces: Path, captions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setattr("ray.is_initialized", lambda: False)
    with pytest.raises(ClusterError, match=r"the Ray cluster at 127\.0\.0\.1:1 cannot be used .*refused"):
        ingest(tmp_path / "bank", captions, RayExecutor(FakeRecipe(traces)))


def test_missing_ray_is_told_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("freeda_ingest.executors.ray.find_spec", lambda name: None)
    with pytest.raises(ClusterError, match=r"pip install 'freeda\[ray\]'"):
        ray_executor()


@pytest.mark.parametrize(
    ("options", "message"),
    [({"device": "cuda:1"}, "chooses GPUs itself"), ({"workers": 0}, "give a number from 1 on")],
)
def test_options_that_cannot_be_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        ray_executor(**options)


def test_worker_with_other_models_or_code_is_refused() -> None:
    preset = load_preset("tiny")
    here = WorkerIdentity.here(preset)
    here.check(preset)
    with pytest.raises(WorkerError, match=r"freeda here is .*, and 0\.0\.0 where the run was started"):
        WorkerIdentity(here.models, "0.0.0").check(preset)
    models = identify(preset)
    other = type(models)(models.clip, models.clip, models.generator, models.nouns, models.keys)
    with pytest.raises(WorkerError, match=r"the backbone model here is .*; install the same weights"):
        WorkerIdentity(other, here.code).check(preset)
