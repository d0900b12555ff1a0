"""A copy killed at any moment and run again leaves the same bank as one left in peace."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
import warm_processes
from bank_copies import copy_folder
from sharing_makers import assert_copied, assert_same, at, shown, two_banks

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).parent / "killed_copy.py"


def run(source: Path, target: Path, moment: str = "never", passes: int = 1) -> int:
    return warm_processes.run(SCRIPT, source, target, moment, passes).returncode


@pytest.mark.parametrize(
    ("moment", "passes"),
    [
        ("after_begun", 1),
        ("after_thumbnail", 5),
        ("half_of_the_points", 2),
        ("after_part", 2),
        ("after_retired_points", 1),
        ("before_counting", 2),
        ("after_counting", 5),
        ("after_optimize", 1),
    ],
)
def test_killed_and_run_again(
    folder: Path, full_bank: Path, tmp_path: Path, moment: str, passes: int
) -> None:
    source = copy_folder(full_bank, tmp_path / "source")
    assert run(source, folder, moment, passes) == -signal.SIGKILL
    with two_banks(source, folder) as (mine, half):
        for revision in half.revisions():
            assert_same(
                shown(at(mine, revision.number)) | {"revision": None},
                shown(at(half, revision.number)) | {"revision": None},
            )
        assert half.verify().ok
    assert run(source, folder) == 0
    with two_banks(source, folder) as (mine, whole):
        assert_copied(mine, whole)
        assert whole.stats().unfinished_runs == 0
