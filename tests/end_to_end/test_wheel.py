"""A built wheel does what the checkout does, under names that are ours alone, whatever lies beside it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
from dataclasses import dataclass
from pathlib import Path

import pytest
from own_modules import ROOT, write_own_modules


@dataclass(frozen=True)
class Installed:
    """An environment that holds the wheel.

    Attributes:
        programs: folder of its programs.
        packages: its ``site-packages``.
        added: what the wheel put there, names at the top.
    """

    programs: Path
    packages: Path
    added: frozenset[str]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The wheel in an environment of its own, with this one's dependencies.

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
    where = subprocess.run(
        [programs / "python", "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])"],
        check=True,
        capture_output=True,
        text=True,
    )
    packages = Path(where.stdout.strip())
    before = {path.name for path in packages.iterdir()}
    subprocess.run([programs / "pip", "install", "--quiet", "--no-deps", wheel], check=True)
    added = frozenset(path.name for path in packages.iterdir()) - before
    (packages / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    return Installed(programs, packages, added)


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """The folder of a person who has modules of their own: what they run runs there."""
    return write_own_modules(tmp_path / "mine")


CODE = """
import contextlib, io, json, runpy, sys
import freeda, freeda_cli, freeda_store.sql.schema as schema
printed = ["\\n".join([*freeda.__path__, *freeda_cli.__path__, str(schema.migrations_folder())])]
program, *commands = map(json.loads, sys.argv[1:])
for command in commands:
    sys.argv = [program, *command]
    with contextlib.redirect_stdout(io.StringIO()) as output:
        try:
            runpy.run_path(program, run_name="__main__")
        except SystemExit as end:
            if end.code:
                sys.exit(f"{command} ended with {end.code}")
    printed.append(output.getvalue())
print(json.dumps(printed))
"""
"""Runs a program of the environment several times in one process, for importing networks takes seconds."""


def _run(installed: Installed, *commands: list[object], cwd: Path) -> list[str]:
    """Where the packages lie, and what each command of ``freeda`` prints."""
    told = [str(installed.programs / "freeda"), *([str(word) for word in words] for words in commands)]
    finished = subprocess.run(
        [installed.programs / "python", "-c", CODE, *map(json.dumps, told)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(cwd)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    printed: list[str] = json.loads(finished.stdout.splitlines()[-1])
    return printed


def test_a_wheel_installs_names_that_nobody_else_has(installed: Installed) -> None:
    assert {name.partition("-")[0] for name in installed.added} == {
        *("freeda", "freeda_cli", "freeda_errors", "freeda_ingest"),
        *("freeda_learn", "freeda_models", "freeda_segment", "freeda_store", "freeda_studio"),
    }
    versions = installed.packages / "freeda_store" / "migrations" / "versions"
    assert {path.name for path in versions.glob("v*.py")} == {
        path.name for path in (ROOT / "migrations" / "versions").glob("v*.py")
    }


def test_a_wheel_beside_a_persons_own_modules_ingests_and_segments(installed: Installed, mine: Path) -> None:
    captions, picture = ROOT / "examples" / "captions.jsonl", ROOT / "examples" / "car-and-tree.png"
    places, _, _, shown, stats, presets = _run(
        installed,
        ["ingest", captions, "--bank", "bank", "--preset", "tiny", "--limit", 8],
        ["segment", picture, "-c", "car,tree,grass", "--bank", "bank", "--out", "out"],
        ["demo", "--small"],
        ["bank", "stats", "--bank", "bank", "--json"],
        ["models", "list"],
        cwd=mine,
    )
    assert places.splitlines() == [
        str(installed.packages / name) for name in ("freeda", "freeda_cli", "freeda_store/migrations")
    ]
    assert {path.suffix for path in (mine / "out").iterdir()} == {".png", ".json"}
    assert shown.startswith("car-and-tree.png: sky ")
    assert (mine / shown.split()[-1]).stat().st_size > 0
    assert json.loads(stats)["generations"] == 8
    assert all(name in presets for name in ("tiny", "sd15", "sd21", "sdxl"))
