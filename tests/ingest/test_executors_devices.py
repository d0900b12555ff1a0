"""Two worker processes on this machine, one of which dies; and what becomes of them with the parent."""

from __future__ import annotations

import os
import pickle
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import NoReturn

import pytest
import torch
import warm_processes
from bank_contents import Contents, assert_same_bank, contents
from executor_fakes import FakeRecipe, check, ingest, local_bank, truck_captions
from ingest_fakes import fake_models
from waiting import wait_until
from warm_processes import WarmProcess

from freeda_ingest.batches import BatchResult, SeededCaption
from freeda_ingest.errors import OptionError, WorkerError
from freeda_ingest.executors.devices import DevicesExecutor, devices_executor
from freeda_ingest.executors.local import LocalExecutor
from freeda_ingest.executors.worker import Failed, StageWorker
from freeda_ingest.ingestor import open_ingestor
from freeda_models.errors import ModelMissingError
from freeda_models.presets import load_preset
from freeda_store import Caption

SCRIPT = Path(__file__).with_name("devices_run.py")
TWO = ["cpu", "cpu"]


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


def alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.slow
def test_killed_worker_leaves_the_bank_of_the_local_executor(
    tmp_path: Path, traces: Path, captions: Path, local: Contents
) -> None:
    recipe = FakeRecipe(traces, deadly="an old truck", company=2)
    report = ingest(tmp_path / "bank", captions, DevicesExecutor(recipe, TWO))
    assert len(recipe.traces("died")) == 1
    assert recipe.traces("died") < recipe.traces("drew")
    assert len(recipe.traces("drew")) >= 2
    assert report.revision is not None
    check(tmp_path / "bank", local)
    assert not any(alive(process) for process in recipe.traces("built"))


@pytest.mark.slow
@pytest.mark.usefixtures("warm_spawn")
def test_poisoned_batch_is_named_and_the_others_are_kept(
    tmp_path: Path, traces: Path, captions: Path, local: Contents
) -> None:
    recipe = FakeRecipe(traces, deadly="an old truck", deaths=99)
    with pytest.raises(WorkerError, match=r"caption 16 \('an old truck'\).*ended by SIGKILL"):
        ingest(tmp_path / "bank", captions, DevicesExecutor(recipe, TWO))
    assert len(recipe.traces("died")) == 3
    rest = ingest(tmp_path / "bank", captions, LocalExecutor(fake_models()))
    assert rest.done_before > 0
    check(tmp_path / "bank", local)


@pytest.mark.slow
@pytest.mark.usefixtures("warm_spawn")
def test_errors_of_a_worker_are_raised_as_they_are(tmp_path: Path, traces: Path, captions: Path) -> None:
    recipe = FakeRecipe(traces, broken="an old truck")
    with pytest.raises(ValueError, match="cannot draw an old truck") as raised:
        ingest(tmp_path / "bank", captions, DevicesExecutor(recipe, ["cpu"]))
    assert "in a worker on" in raised.value.__notes__[0]
    assert "executor_fakes.py" in raised.value.__notes__[0]
    with pytest.raises(ModelMissingError, match="weights of cpu are not here; fetch them"):
        ingest(tmp_path / "other", captions, DevicesExecutor(FakeRecipe(traces, missing=True), ["cpu"]))


@pytest.mark.slow
@pytest.mark.usefixtures("warm_spawn")
def test_worker_that_dies_while_it_loads_ends_the_run(tmp_path: Path, traces: Path, captions: Path) -> None:
    recipe = FakeRecipe(traces, stillborn=True)
    with pytest.raises(WorkerError, match=r"worker 1 \(cpu\) was lost 3 times .* ended by SIGKILL"):
        ingest(tmp_path / "bank", captions, DevicesExecutor(recipe, ["cpu"]))
    assert len(recipe.traces("built")) == 3


def start(folder: Path, captions: Path, traces: Path) -> WarmProcess:
    root = SCRIPT.parents[2]
    environment = {"PYTHONPATH": os.pathsep.join([str(root), str(SCRIPT.parents[1])])}
    return warm_processes.start(
        SCRIPT, folder, captions, traces, warm=warm_processes.FAKES, environment=environment, folder=root
    )


@pytest.mark.slow
def test_killed_parent_leaves_no_orphans(
    tmp_path: Path, traces: Path, captions: Path, local: Contents
) -> None:
    recipe = FakeRecipe(traces)
    parent = start(tmp_path / "bank", captions, traces)
    assert wait_until(lambda: len(recipe.traces("drew")) == 2), parent.wait()
    parent.send_signal(signal.SIGKILL)
    assert parent.wait().returncode == -signal.SIGKILL
    assert wait_until(lambda: not any(alive(process) for process in recipe.traces("built")))
    ingest(tmp_path / "bank", captions, LocalExecutor(fake_models()))
    check(tmp_path / "bank", local)


@pytest.mark.slow
def test_ctrl_c_reaches_the_parent_only(
    tmp_path: Path, traces: Path, captions: Path, local: Contents
) -> None:
    recipe = FakeRecipe(traces)
    parent = start(tmp_path / "bank", captions, traces)
    assert wait_until(lambda: len(recipe.traces("drew")) == 2), parent.wait()
    os.killpg(parent.pid, signal.SIGINT)  # as a terminal does
    ended = parent.wait()
    assert (ended.returncode, ended.stderr) == (0, "")
    interrupted, written = ended.stdout.split()
    assert interrupted == "True"
    assert len(recipe.traces("built")) == 2
    rest = ingest(tmp_path / "bank", captions, LocalExecutor(fake_models()))
    assert rest.done_before == int(written) > 0
    check(tmp_path / "bank", local)


@pytest.mark.slow
def test_networks_of_a_preset_give_the_bank_of_this_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # for the workers
    captions = [Caption("a red car beside a tree"), Caption("a boat on the water")]
    tiny = load_preset("tiny")
    preset = tiny.model_copy(update={"generator": tiny.drawing.model_copy(update={"steps": 2})})
    banks = []
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for name, executor in (("local", None), ("worker", devices_executor(["cpu"]))):
            folder = tmp_path / name
            with open_ingestor(folder, preset, device="cpu", executor=executor) as ingestor:
                report = ingestor.run(captions)
            assert report.written == 2
            assert report.prototypes > 0
            banks.append(contents(folder))
    finally:
        torch.set_num_threads(threads)
    assert_same_bank(banks[1], banks[0])


def test_errors_that_cannot_be_pickled_are_described(tmp_path: Path) -> None:
    class LocalError(Exception):
        """Of a class that nobody can import."""

    class NarrowError(Exception):
        def __init__(self, one: str, two: str) -> None:
            super().__init__(f"{one} and {two}")

    def fail(error: Exception) -> Failed | None:
        class Recipe:
            def build(self, device: str) -> NoReturn:
                raise error

        return StageWorker(Recipe(), "cpu").load()

    for error, described in (
        (LocalError("no such thing"), "LocalError: no such thing"),
        (NarrowError("this", "that"), "NarrowError: this and that"),
    ):
        failed = fail(error)
        assert failed is not None
        assert type(failed.error) is WorkerError
        assert str(failed.error) == described
        assert "in build" in failed.trace


def test_first_result_counts_the_loading(traces: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(perf_counter=iter([10.0, 5010.0]).__next__)
    monkeypatch.setattr("freeda_ingest.executors.worker.time", clock)
    worker = StageWorker(FakeRecipe(traces), "cpu")
    assert worker.load() is None
    results = [worker.compute([SeededCaption(Caption("a red car"), 0)]) for _ in range(2)]
    loads = [result.seconds["load"] for result in results if isinstance(result, BatchResult)]
    assert [seconds >= 5000 for seconds in loads] == [True, False]


def test_a_process_that_cannot_be_started_is_told_and_leaves_nothing_to_stop() -> None:
    class LocalRecipe:
        """Of a class that no other process can import."""

        def build(self, device: str) -> NoReturn:
            raise AssertionError("not reached")

    executor: DevicesExecutor[SeededCaption, BatchResult] = DevicesExecutor(LocalRecipe(), TWO)
    with pytest.raises((AttributeError, pickle.PicklingError), match="LocalRecipe"):
        list(executor.run([[SeededCaption(Caption("a red car"), 0)]]))
    executor.close()


def test_nothing_starts_while_there_is_nothing_to_draw(traces: Path) -> None:
    recipe = FakeRecipe(traces)
    executor = DevicesExecutor(recipe, TWO)
    assert list(executor.run([])) == []
    executor.close()
    executor.close()
    assert recipe.traces("built") == set()


@pytest.mark.parametrize("devices", [[], ["cuda:0", ""], ["cpu", "cuda:0"]])
def test_devices_that_cannot_be_are_refused(devices: list[str], tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="cuda:0,cuda:1"):
        devices_executor(devices)
    with pytest.raises(OptionError, match="cuda:0,cuda:1"):
        DevicesExecutor(FakeRecipe(tmp_path), devices)
