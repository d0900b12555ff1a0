"""What every test shares: no model hub, no bank of the person who runs the tests.

Tests run beside each other in worker processes (``make test``). Each has one thread to compute with,
for the processes share the cores; folders and ports are of a test's own. Where there is room their
folders lie in memory: banks are made by the thousand, and each waits for the disk to be sure of it.
The collector of garbage is told to leave alone what stays: to look through all modules and tests again
and again took a third of the time in which tests are found.
"""

from __future__ import annotations

import gc
import os
import shutil
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from uuid import uuid4

import pytest

sys.path.append(str(Path(__file__).parent))
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # before anything loads torch

MEMORY, ROOM = Path("/dev/shm"), 6 * 2**30
"""A file system in memory, and what it must have free to be used."""

if "TMPDIR" not in os.environ and MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= ROOM:
    os.environ["TMPDIR"] = tempfile.tempdir = str(MEMORY)

_GARBAGE = (20_000, 20, 20)
"""After how many new objects the collector looks through those of each generation."""
gc.set_threshold(*_GARBAGE)

_LONG = ("torture", "end_to_end")
_OF_DAMAGE = ("test_fault", "test_kill", "test_opening", "test_repair")
"""How tests begin in which whole and damaged vectors are opened as they are for everybody."""
_SHOWN = ("torch", "diffusers", "transformers", "open_clip_torch", "qdrant-edge-py", "sqlalchemy")


def pytest_report_header() -> str:
    """The versions that matter."""
    return "freeda with " + ", ".join(f"{name} {version(name)}" for name in _SHOWN)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes minutes, so that no worker is left with it while the others have ended."""
    here = Path(__file__).parent
    items.sort(key=lambda item: item.path.relative_to(here).parts[0] not in _LONG)


def pytest_collection_finish() -> None:
    """What was imported and found stays until the end."""
    gc.collect()
    gc.freeze()


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name bytes and long texts by their argument: some hold the time, and workers must agree on names."""
    return argname if isinstance(val, bytes) or (isinstance(val, str) and len(val) > 80) else None


@pytest.fixture(autouse=True)
def _isolated(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No test reads a setting of the machine it runs on, or reaches a hub."""
    settings = tmp_path_factory.getbasetemp() / "no-settings.toml"
    settings.touch()
    monkeypatch.setenv("FREEDA_SETTINGS", str(settings))
    monkeypatch.setenv("FREEDA_CACHE_DIR", str(tmp_path_factory.getbasetemp() / f"cache-{uuid4().hex}"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.delenv("FREEDA_BANK", raising=False)


@pytest.fixture(autouse=True)
def _opened_at_once(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Most tests open vectors that are whole: a process that does it first would double what that takes."""
    if request.path.parent.name not in _LONG and not request.path.name.startswith(_OF_DAMAGE):
        monkeypatch.setattr("freeda_store.vectors.edge.require_openable", lambda _: None)


@pytest.fixture
def warm_spawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes that ``multiprocessing`` spawns have imported what they need."""
    from warm_spawning import spawn_warm

    spawn_warm(monkeypatch)
