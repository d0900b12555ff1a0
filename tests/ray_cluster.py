"""A Ray cluster of two CPUs on this machine, for tests."""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[1]
_TOKEN = secrets.token_hex(32)
"""Ray keeps the first that it sees for as long as the process lives."""


def ray_variables(fakes: Path) -> dict[str, str]:
    """No report to anybody, no token in the home folder, and workers that find the fakes, and are not as nice
    to other processes as Ray makes them.

    Args:
        fakes: the folder that workers import from.
    """
    folders = (_ROOT, _ROOT / "ingest", _ROOT / "cli", _ROOT / "tests", fakes)
    return {
        "PYTHONPATH": os.pathsep.join(map(str, folders)),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_worker_niceness": "0",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": _TOKEN,
    }


@contextmanager
def ray_folder() -> Iterator[dict[str, str]]:
    """The variable that names a folder whose name leaves room for Ray's sockets."""
    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as folder:
        yield {"RAY_TMPDIR": folder}


@contextmanager
def ray_cluster(variables: Mapping[str, str]) -> Iterator[None]:
    """Ray that was started by somebody else than the executor."""
    with ray_folder() as folder, pytest.MonkeyPatch.context() as patch:
        patch.delenv("RAY_ADDRESS", raising=False)
        for name, value in {**variables, **folder}.items():
            patch.setenv(name, value)
        import ray

        ray.init(
            address="local",
            include_dashboard=False,
            num_cpus=2,
            object_store_memory=80_000_000,
            log_to_driver=False,
            configure_logging=False,
        )
        try:
            yield
        finally:
            ray.shutdown()
