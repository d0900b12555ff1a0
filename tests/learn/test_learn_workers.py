"""Examples that workers learn, some of which die: the bank is that of one process."""

from __future__ import annotations

import os
import pickle
import signal
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
import warm_processes
from bank_contents import Contents, assert_same_bank, contents
from learn_fakes import make_learner, thing_mask
from ray_cluster import ray_cluster, ray_variables
from waiting import wait_until
from worker_fakes import DEADLY, FakeRecipe, learn

from freeda_ingest.errors import WorkerError
from freeda_ingest.executors.devices import DevicesExecutor, devices_executor
from freeda_ingest.executors.ray import RayExecutor
from freeda_learn import Example, Marks, open_learner
from freeda_learn.errors import OptionError
from freeda_learn.learner import new_bank
from freeda_learn.pictures import load_picture
from freeda_learn.prompting import finder_of

SCRIPT = Path(__file__).with_name("workers_run.py")
TWO = ["cpu", "cpu"]


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Contents:
    folder = tmp_path_factory.mktemp("alone") / "bank"
    report = learn(folder)
    assert (report.rejected, sum(report.learned.values())) == (1, 10)
    return contents(folder)


@pytest.fixture
def traces(tmp_path: Path) -> Path:
    folder = tmp_path / "traces"
    folder.mkdir()
    return folder


@pytest.mark.slow
@pytest.mark.usefixtures("warm_spawn")
def test_killed_worker_leaves_the_bank_of_one_process(tmp_path: Path, traces: Path, alone: Contents) -> None:
    recipe = FakeRecipe(traces, deaths=1, company=2)
    report = learn(tmp_path / "bank", DevicesExecutor(recipe, TWO))
    assert len(recipe.traces("died")) == 1
    assert len(recipe.traces("computed")) >= 2
    assert (report.rejected, sum(report.learned.values())) == (1, 10)
    found = contents(tmp_path / "bank")
    assert_same_bank(found, alone)
    assert len(found.revisions) == 1


@pytest.mark.slow
@pytest.mark.usefixtures("warm_spawn")
def test_poisoned_batch_is_named_and_the_others_are_kept(
    tmp_path: Path, traces: Path, alone: Contents
) -> None:
    recipe = FakeRecipe(traces, deaths=99)
    with pytest.raises(WorkerError, match=r"the batch that begins with the picture.*ended by SIGKILL"):
        learn(tmp_path / "bank", DevicesExecutor(recipe, TWO))
    rest = learn(tmp_path / "bank")
    assert rest.done_before > 0
    assert DEADLY in rest.learned
    assert_same_bank(contents(tmp_path / "bank"), alone)


@pytest.mark.slow
@pytest.mark.parametrize("ended_by", [signal.SIGKILL, signal.SIGINT])
def test_a_run_that_ends_early_goes_on_in_one_process(
    ended_by: signal.Signals, tmp_path: Path, traces: Path, alone: Contents
) -> None:
    recipe = FakeRecipe(traces)
    root = SCRIPT.parents[2]
    environment = {"PYTHONPATH": os.pathsep.join([str(root), str(SCRIPT.parent)])}
    parent = warm_processes.start(
        SCRIPT, tmp_path / "bank", traces, warm=warm_processes.FAKES, environment=environment, folder=root
    )
    assert wait_until(lambda: len(recipe.traces("computed")) == 2), parent.wait()
    if ended_by is signal.SIGKILL:
        parent.send_signal(ended_by)
        assert parent.wait().returncode == -ended_by
    else:
        os.killpg(parent.pid, ended_by)  # as a terminal does
        ended = parent.wait()
        assert (ended.returncode, ended.stderr) == (0, "")
        assert ended.stdout.startswith("True ")
    learn(tmp_path / "bank")
    assert_same_bank(contents(tmp_path / "bank"), alone)


@pytest.fixture(scope="module")
def _ray() -> Iterator[None]:
    with ray_cluster(ray_variables(Path(__file__).parent)):
        yield


@pytest.mark.skipif(find_spec("ray") is None, reason="the extra ray is not installed")
@pytest.mark.slow
@pytest.mark.usefixtures("_ray")
def test_ray_leaves_the_bank_of_one_process(tmp_path: Path, traces: Path, alone: Contents) -> None:
    recipe = FakeRecipe(traces, deaths=1, company=2)
    learn(tmp_path / "bank", RayExecutor(recipe, workers=2))
    assert len(recipe.traces("died")) == 1
    assert_same_bank(contents(tmp_path / "bank"), alone)


@pytest.mark.slow
def test_networks_of_a_preset_give_the_bank_of_this_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # for the worker
    image = np.random.default_rng(3).integers(0, 256, (96, 128, 3), dtype=np.uint8)
    marked = Example(image, "box", Marks(boxes=((20, 20, 70, 70),)))
    banks, threads = [], torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for name, executor in (("here", None), ("worker", devices_executor(["cpu"]))):
            new_bank(tmp_path / name, "tiny")
            with open_learner(tmp_path / name, device="cpu", executor=executor) as learner:
                assert learner.learn([marked]).learned == {"box": 1}
            banks.append(contents(tmp_path / name))
    finally:
        torch.set_num_threads(threads)
    assert_same_bank(banks[1], banks[0])


def test_a_finder_of_ones_own_and_workers_exclude_each_other(tmp_path: Path) -> None:
    with make_learner(tmp_path / "bank") as learner:
        finder = finder_of(learner._settings, None)
    with pytest.raises(OptionError, match="give a finder or an executor"):
        open_learner(tmp_path / "bank", finder=finder, executor=devices_executor(["cpu"]))


def test_a_picture_travels_as_its_file(photo: Path) -> None:
    picture = load_picture(photo)
    before = len(pickle.dumps(picture))
    np.testing.assert_array_equal(picture.upright_mask(thing_mask()), thing_mask())
    sent = pickle.dumps(picture)
    assert len(sent) == before
    arrived = pickle.loads(sent)
    assert arrived.digest == picture.digest
    np.testing.assert_array_equal(arrived.pixels, picture.pixels)
