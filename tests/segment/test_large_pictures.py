"""Memory of large pictures stays in proportion to them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

SIZE_WH = (6000, 5000)
AT_ONCE = {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": "131072", "MALLOC_TRIM_THRESHOLD_": "131072"}
"""Lets the allocator give memory back at once: what it keeps otherwise differs from run to run."""


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    coarse = np.random.default_rng(0).integers(0, 256, (10, 12, 3), dtype=np.uint8)
    path = tmp_path_factory.mktemp("large") / "large.png"
    Image.fromarray(coarse).resize(SIZE_WH, Image.Resampling.NEAREST).save(path, compress_level=1)
    return path


@pytest.mark.slow
@pytest.mark.parametrize("formats", ["overlay,png,report", "geojson,rle,preview"])
def test_a_large_picture_takes_seven_bytes_a_pixel(large: Path, tmp_path: Path, formats: str) -> None:
    script = Path(__file__).with_name("large_picture.py")
    done = subprocess.run(
        [sys.executable, script, large, tmp_path, formats],
        cwd=Path(__file__).parents[2],
        check=False,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1", "PATH": "", **AT_ONCE},
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 7
    assert any(tmp_path.glob("large.*"))
