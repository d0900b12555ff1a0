"""What a command may import, found out in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NETWORKS = (
    "torch",
    "transformers",
    "diffusers",
    "open_clip",
    "spacy",
    "sentence_transformers",
    "huggingface_hub",
)
DATABASES = ("sqlalchemy", "alembic", "qdrant_edge", "qdrant_client")
PICTURES = ("skimage", "scipy", "PIL")

SCRIPT = """
import json, sys
sys.argv = ["freeda", *json.loads(sys.argv[1])]
from freeda_cli.main import main
try:
    main()
except SystemExit as end:
    code = end.code
sys.stderr.write("\\n" + json.dumps([code, sorted(sys.modules)]))
"""


def run(*arguments: str) -> tuple[int, set[str]]:
    """Exit code, and the modules that were imported by the end."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, json.dumps(arguments)],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    code, modules = json.loads(done.stderr.splitlines()[-1])
    return code, {module.partition(".")[0] for module in modules}


@pytest.mark.parametrize(
    "arguments",
    [
        ("--help",),
        ("--version",),
        ("segment", "--help"),
        ("evaluate", "--help"),
        ("bank", "--help"),
        ("models", "list"),
    ],
)
def test_help_and_lists_import_nothing_heavy(arguments: tuple[str, ...]) -> None:
    code, modules = run(*arguments)
    assert code == 0
    assert modules.isdisjoint((*NETWORKS, *DATABASES, *PICTURES))


def test_bank_stats_imports_no_network_library(bank: Path) -> None:
    code, modules = run("bank", "stats", "--bank", str(bank))
    assert code == 0
    assert "sqlalchemy" in modules
    assert modules.isdisjoint((*NETWORKS, "alembic"))


def test_misuse_of_segment_imports_no_network_library() -> None:
    code, modules = run("segment", "no-such-picture.png", "-c", "car")
    assert code == 2
    assert modules.isdisjoint(NETWORKS)
