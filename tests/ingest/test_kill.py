"""SIGKILL at any moment, then the same command again: the bank of an undisturbed run."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ingest_fakes import dump, write_captions

from freeda_store import Bank

SCRIPT = Path(__file__).with_name("killed_run.py")
LIMIT = 22
pytestmark = pytest.mark.slow


def start(folder: Path, captions: Path, *more: str) -> subprocess.Popen[str]:
    root = SCRIPT.parents[2]
    command = [sys.executable, str(SCRIPT), str(folder), str(captions), str(LIMIT), *more]
    return subprocess.Popen(
        command, cwd=root, env={"PYTHONPATH": str(root), "PATH": ""}, stdout=subprocess.PIPE, text=True
    )


def finish(folder: Path, captions: Path) -> tuple[int, int]:
    """Run to the end: captions written, steps taken."""
    process = start(folder, captions)
    output, _ = process.communicate()
    assert process.returncode == 0
    written, steps = output.split()[-2:]
    return int(written), int(steps)


@pytest.fixture(scope="module")
def captions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_captions(tmp_path_factory.mktemp("captions") / "captions.jsonl", 30)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, captions: Path) -> tuple[dict[str, object], int]:
    folder = tmp_path_factory.mktemp("undisturbed") / "bank"
    written, steps = finish(folder, captions)
    assert written == 20  # two of the captions hold no noun
    with Bank.open(folder) as bank:
        return dump(bank), steps


def check(folder: Path, expected: dict[str, object]) -> None:
    with Bank.open(folder) as bank:
        found = dump(bank)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name] == value, name


@pytest.mark.parametrize("part", [0.0, 0.15, 0.3, 0.45, 0.6, 0.75, 0.9, 0.97])
def test_killed_at_a_step(
    part: float, tmp_path: Path, captions: Path, undisturbed: tuple[dict[str, object], int]
) -> None:
    expected, steps = undisturbed
    process = start(tmp_path / "bank", captions, str(int(part * steps)))
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    finish(tmp_path / "bank", captions)
    check(tmp_path / "bank", expected)


def test_killed_again_and_again_at_random_moments(
    tmp_path: Path, captions: Path, undisturbed: tuple[dict[str, object], int]
) -> None:
    expected, _ = undisturbed
    rng = random.Random(20)
    for _ in range(6):
        process = start(tmp_path / "bank", captions)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(rng.uniform(0, 0.25))
        process.kill()
        process.communicate()
    finish(tmp_path / "bank", captions)
    check(tmp_path / "bank", expected)
    written, _ = finish(tmp_path / "bank", captions)
    assert written == 0
    check(tmp_path / "bank", expected)
