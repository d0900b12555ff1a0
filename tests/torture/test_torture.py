"""A short, seeded share of the torture; ``make torture`` runs the whole."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "share",
    [("--kills", "16"), ("--damages", "20"), ("--disks", "4"), ("--inputs", "80")],
    ids=lambda s: s[0][2:],
)
def test_a_share_of_the_torture_is_held(share: tuple[str, str]) -> None:
    held = subprocess.run(
        [sys.executable, "-m", "tests.torture", *share, "--seed", "7", "--show"],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    if held.returncode == 3:
        pytest.skip(held.stderr.strip())
    assert held.returncode == 0, held.stdout[-4000:] + held.stderr[-2000:]
    assert f"{share[0][2:]}: " in held.stdout.splitlines()[-1]
