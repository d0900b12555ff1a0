"""Real conditions of the system for tests: mounts, users, immutable files, limits, injected errors.

Each gives the beginning of a command line, or skips where the machine cannot.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

NOBODY = 65534


def _works(*command: str) -> bool:
    if shutil.which(command[0]) is None:
        return False
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _in_namespace(script: str) -> list[str]:
    if not _works("unshare", "-m", "true"):
        pytest.skip("a mount namespace needs root and `unshare`")
    return ["unshare", "-m", "bash", "-ec", script + '\nexec "$@"', "bash"]


def read_only_mount(folder: Path) -> list[str]:
    """What follows sees a folder mounted read-only."""
    place = shlex.quote(str(folder))
    return _in_namespace(f"mount --bind {place} {place}; mount -o remount,ro,bind {place}")


def small_disk(place: Path, kilobytes: int, source: Path) -> list[str]:
    """What follows sees, in ``place``, a disk in memory of some size with a copy of ``source`` on it."""
    place.mkdir(exist_ok=True)
    mount = f"mount -t tmpfs -o size={kilobytes}k tmpfs {shlex.quote(str(place))}"
    copy = f"cp -a --sparse=always {shlex.quote(str(source))} {shlex.quote(str(place))}/"
    return _in_namespace(f"{mount}; {copy}")


def as_nobody(folder: Path, *, owned: bool = False) -> list[str]:
    """What follows runs as a user without rights, to whom the folder's files belong or are readable."""
    if os.geteuid() != 0 or not _works("setpriv", "--reuid", str(NOBODY), "true"):
        pytest.skip("becoming another user needs root and `setpriv`")
    for path in [folder, *folder.rglob("*")]:
        path.chmod(path.stat().st_mode | (0o555 if path.is_dir() else 0o444))
        if owned:
            os.chown(path, NOBODY, NOBODY)
    return ["setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups"]


@contextmanager
def immutable(path: Path) -> Iterator[None]:
    """A file or folder that nobody may change."""
    if not _works("chattr", "+i", str(path)):
        pytest.skip("`chattr +i` needs root and a file system that knows it")
    try:
        yield
    finally:
        subprocess.run(["chattr", "-i", str(path)], check=True)


def limited(*options: str) -> list[str]:
    """What follows runs under limits, for example ``--nofile=20``."""
    if shutil.which("prlimit") is None:
        pytest.skip("limits need `prlimit`")
    return ["prlimit", *options]


def failing(call: str, error: str, paths: Sequence[Path], when: str = "1+") -> list[str]:
    """What follows meets an error at each use of a system call on one of the files."""
    if not _works("strace", "-o", os.devnull, "true"):
        pytest.skip("injected errors need `strace`")
    named = [word for path in paths for word in ("-P", str(path))]
    only = ["--seccomp-bpf", "-e", f"trace={call}"]  # what is not traced does not stop at every call
    inject = f"inject={call}:error={error}:when={when}"
    return ["strace", "-f", *only, "-o", os.devnull, *named, "-e", inject]
