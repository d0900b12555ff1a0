"""Modules of a person's own, in the current folder and on the path, break nothing in the checkout.

``test_wheel.py`` does the same with an installed wheel.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from own_modules import ROOT, write_own_modules

SEGMENTING_AND_EVERY_NAME = """
import runpy, sys
for command in (["segment", sys.argv[1], "-c", "car,tree", "--bank", "bank", "--out", "out"], ["--version"]):
    sys.argv = ["freeda", *command]
    try:
        runpy.run_module("freeda_cli", run_name="__main__")
    except SystemExit as end:
        assert not end.code, end.code
import freeda, freeda_ingest, freeda_segment, freeda_store
for room in (freeda, freeda_ingest, freeda_segment, freeda_store):
    for name in room.__all__:
        getattr(room, name)
import freeda_cli.main
with freeda.open_bank("bank") as bank:
    print(bank.stats().generations)
"""
"""In one process, for importing networks takes seconds."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_own_modules(tmp_path_factory.mktemp("mine"))


def _python(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH", ""))))
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("module", ["cli.main", "ingest", "migrations.env", "segment", "settings", "utils"])
def test_the_modules_would_be_imported_by_their_names(folder: Path, module: str) -> None:
    done = _python(folder, "-c", f"import {module}")
    assert done.returncode != 0
    assert "a person's own" in done.stderr


def test_ingesting_with_workers_segmenting_and_the_bank_import_none_of_them(folder: Path) -> None:
    captions, picture = ROOT / "examples" / "captions.jsonl", ROOT / "examples" / "car-and-tree.png"
    ingest = ("ingest", captions, "--bank", "bank", "--preset", "tiny", "--limit", 2, "--devices", "cpu")
    done = _python(folder, "-m", "freeda_cli", *ingest)
    assert done.returncode == 0, done.stderr
    done = _python(folder, "-c", SEGMENTING_AND_EVERY_NAME, picture)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("\n2\n")
