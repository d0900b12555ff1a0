"""SIGKILL at any step, then the same again: the bank of an undisturbed run."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest
import warm_processes
from bank_contents import Contents, contents, differences
from killed_learning import RUNS

from freeda_store import Bank

SCRIPT = Path(__file__).with_name("killed_learning.py")
pytestmark = pytest.mark.slow


def run(folder: Path, what: str, *step: str) -> subprocess.CompletedProcess[str]:
    return warm_processes.run(SCRIPT, folder, what, *step, warm=warm_processes.FAKES)


@pytest.fixture(scope="module", params=RUNS)
def what(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def undisturbed(what: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Contents, int]:
    folder = tmp_path_factory.mktemp("undisturbed") / "bank"
    done = run(folder, what)
    assert done.returncode == 0, done.stderr
    return contents(folder), int(done.stdout.split()[-1])


@pytest.mark.parametrize("part", [0.1, 0.35, 0.6, 0.8, 0.97])
def test_killed_at_a_step(part: float, what: str, tmp_path: Path, undisturbed: tuple[Contents, int]) -> None:
    whole, steps = undisturbed
    assert run(tmp_path / "bank", what, str(int(part * steps))).returncode == -signal.SIGKILL
    report = RUNS[what](tmp_path / "bank")
    assert report.rejected == 1
    assert differences(contents(tmp_path / "bank"), whole) == []
    assert len(whole.revisions) == 1
    with Bank.open(tmp_path / "bank") as bank:
        assert bank.verify().ok
        shown = bank.stats()
    assert shown.prototypes > 9
    assert shown.unlabelled == (shown.prototypes if what == "regions" else 0)
