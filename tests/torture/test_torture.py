"""A short, seeded share of the torture; ``make torture`` runs the whole."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.torture.disks import can_mount

ROOT = Path(__file__).parents[2]
SHARE = {"kills": 6, "damages": 8, "disks": 3, "inputs": 40}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_share_of_the_torture_is_held() -> None:
    kinds = [kind for kind in SHARE if kind != "disks" or can_mount()]
    share = [word for kind in kinds for word in (f"--{kind}", str(SHARE[kind]))]
    held = subprocess.run(
        [sys.executable, "-m", "tests.torture", *share, "--seed", "7", "--show"],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert held.returncode == 0, held.stdout[-4000:] + held.stderr[-2000:]
    for kind in kinds:
        assert f"\n{kind}: " in held.stdout
