"""Processes that ``multiprocessing`` spawns, begun as forks of one that has imported what they need.

For tests of what becomes of such processes and their work; those of the networks of presets, and those that
kill a parent or send it Ctrl-C, spawn theirs as everybody does.
"""

from __future__ import annotations

import multiprocessing
from multiprocessing.context import SpawnProcess
from multiprocessing.popen_forkserver import Popen

import pytest
from warm_processes import FAKES

_MODULES = (*FAKES, "freeda_segment.evaluation.run", "torch")


def spawn_warm(patch: pytest.MonkeyPatch) -> None:
    """Have spawned processes begin so; their environment is that of the first."""
    multiprocessing.set_forkserver_preload(list(_MODULES))
    patch.setattr(SpawnProcess, "_Popen", staticmethod(Popen))
