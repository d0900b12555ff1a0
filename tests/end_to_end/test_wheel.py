"""A built wheel does what the checkout does: migrations, presets and the tiny pack lie in it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the programs of an environment that holds the wheel, and this one's dependencies.

    A ``.pth`` line adds the dependencies' folder without reading the ``.pth`` files in it, so the
    editable install of this checkout is not seen.
    """
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder / "dist", ROOT],
        check=True,
        capture_output=True,
    )
    (wheel,) = (folder / "dist").glob("*.whl")
    venv.create(folder / "env", with_pip=True)
    programs = folder / "env" / "bin"
    subprocess.run([programs / "pip", "install", "--quiet", "--no-deps", wheel], check=True)
    where = subprocess.run(
        [programs / "python", "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])"],
        check=True,
        capture_output=True,
        text=True,
    )
    Path(where.stdout.strip(), "dependencies.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    return programs


def _run(program: Path, *arguments: object, cwd: Path) -> str:
    elsewhere = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    finished = subprocess.run(
        [program, *map(str, arguments)], cwd=cwd, env=elsewhere, capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


def test_a_wheel_in_an_environment_elsewhere_ingests_and_segments(installed: Path, tmp_path: Path) -> None:
    where = _run(installed / "python", "-c", "import cli, freeda_models; print(cli.__file__)", cwd=tmp_path)
    assert str(installed.parent) in where
    freeda = installed / "freeda"
    captions = ROOT / "examples" / "captions.jsonl"
    _run(freeda, "ingest", captions, "--bank", "bank", "--preset", "tiny", "--limit", 8, cwd=tmp_path)
    picture = ROOT / "examples" / "car-and-tree.png"
    _run(freeda, "segment", picture, "-c", "car,tree,grass", "--bank", "bank", "--out", "out", cwd=tmp_path)
    assert {path.suffix for path in (tmp_path / "out").iterdir()} == {".png", ".json"}
    stats = json.loads(_run(freeda, "bank", "stats", "--bank", "bank", "--json", cwd=tmp_path))
    assert stats["generations"] == 8
    presets = _run(freeda, "models", "list", cwd=tmp_path)
    assert all(name in presets for name in ("tiny", "sd15", "sd21", "sdxl"))
