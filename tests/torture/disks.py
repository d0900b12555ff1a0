"""Fills the disk under every command that writes, before it starts or while it runs.

Each trial has a file system of its own in memory. On the full disk a command must end by itself, with a
message and no signal, and a reader must still see what was committed; with room again, the same command
must end as it does on an empty disk.
"""

from __future__ import annotations

import errno
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from tests.torture import commands
from tests.torture.banks import compare, copy_folder
from tests.torture.kills import SCENARIOS, Scenario, read_if_any
from tests.torture.trials import Trial, rng_of

_ROOM = 64 * 2**20
"""What freeda wants to be free before it writes vectors."""
_SIZE = 768 * 2**20
_SPREAD = 4 * 2**20
_NAMES = [name for name, scenario in SCENARIOS.items() if scenario.prepare is None]


def torture(world: Path, times: int, seed: int, first: int = 0) -> Iterator[Trial]:
    """So many full disks, spread over the scenarios."""
    known: dict[str, Any] = {}
    for number in range(first, first + times):
        name = _NAMES[number % len(_NAMES)]
        scenario, rng = SCENARIOS[name], rng_of("disks", seed, number)
        trial = Trial("disks", number, name)
        with _disk() as disk:
            place = disk / "work"
            copy_folder(world, place)
            if name not in known:
                known[name] = _undisturbed(world, scenario)
            _fill_and_judge(disk, place, scenario, known[name], rng, trial)
        yield trial


def _undisturbed(world: Path, scenario: Scenario) -> tuple[Any, Any, float]:
    with tempfile.TemporaryDirectory() as folder:
        place = copy_folder(world, Path(folder) / "work")
        before = read_if_any(place / scenario.bank)
        outcome = commands.run(scenario.arguments, place)
        return before, read_if_any(place / scenario.bank), outcome.seconds


def _fill_and_judge(
    disk: Path,
    place: Path,
    scenario: Scenario,
    expected: tuple[Any, Any, float],
    rng: np.random.Generator,
    trial: Trial,
) -> None:
    before, after, seconds = expected
    left = int(rng.integers(0, _SPREAD)) + (_ROOM if rng.random() < 0.5 else 0)
    ballast = disk / "ballast"
    if rng.random() < 0.5:
        _fill(ballast, disk, left)
        trial.story += f", {left / 1e6:.1f} MB free"
        outcome = commands.run(scenario.arguments, place)
    else:
        moment = rng.uniform(0, seconds)
        trial.story += f", {left / 1e6:.1f} MB free after {moment:.3f} s"
        outcome = commands.run(scenario.arguments, place, meanwhile=_later(ballast, disk, left, moment))
    trial.seconds, trial.memory = outcome.seconds, outcome.memory
    trial.faults += outcome.faults((0, 1))
    trial.result = "finished" if outcome.code == 0 else "refused"
    if outcome.code == 1 and not _is_about_room(outcome.errors):
        trial.faults.append(f"does not speak of the disk: {outcome.errors.strip()[-300:]}")
    ballast.unlink(missing_ok=True)
    seen = read_if_any(place / scenario.bank)
    if outcome.code and before is not None:
        trial.faults += [f"on the full disk: {fault}" for fault in _lost(seen, before)]
    again = commands.run(scenario.arguments, place)
    finished_before = outcome.code == 0 and again.is_made
    trial.faults += [f"with room again: {fault}" for fault in again.faults((2,) if finished_before else (0,))]
    if after is not None:
        found = read_if_any(place / scenario.bank)
        trial.faults += ["the bank is gone"] if found is None else compare(found, after)


def _lost(seen: dict[str, Any] | None, before: dict[str, Any]) -> list[str]:
    """What of the bank as it was is not there any more; later revisions may be."""
    if seen is None:
        return ["the bank is gone"]
    revisions = [one for one in seen["revisions"] if one[0] <= len(before["revisions"])]
    held = {"revisions": [[*one[:5]] for one in revisions], "views": seen["views"]}
    wanted = {"revisions": [[*one[:5]] for one in before["revisions"]], "views": before["views"]}
    return compare(held, wanted)


def _is_about_room(errors: str) -> bool:
    return any(word in errors for word in ("No space left", "free disk space", "MB are free", "is full"))


def _fill(ballast: Path, disk: Path, left: int) -> None:
    """Take all but ``left`` bytes of the disk, or all that there is while a command takes some too."""
    status = os.statvfs(disk)
    size = max(0, status.f_bavail * status.f_frsize - left)
    with ballast.open("wb") as file:
        while size:
            try:
                os.posix_fallocate(file.fileno(), 0, size)
                return
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
                size = size * 9 // 10


def _later(ballast: Path, disk: Path, left: int, moment: float) -> Callable[[int], None]:
    """Fills the disk once, ``moment`` seconds after the first call."""
    began = time.monotonic()

    def meanwhile(_: int) -> None:
        if not ballast.exists() and time.monotonic() - began > moment:
            _fill(ballast, disk, left)
            ballast.touch()

    return meanwhile


@contextmanager
def _disk() -> Iterator[Path]:
    """A file system in memory, of a size of its own.

    Raises:
        PermissionError: this user may mount nothing.
    """
    with tempfile.TemporaryDirectory() as name:
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={_SIZE}", "tmpfs", name], capture_output=True, text=True
        )
        if mounted.returncode:
            raise PermissionError(f"full disks need the right to mount: {mounted.stderr.strip()}")
        try:
            yield Path(name)
        finally:
            subprocess.run(["umount", "-l", name], check=True)


def can_mount() -> bool:
    """Whether this user may mount file systems, which full disks need."""
    try:
        with _disk():
            return True
    except (PermissionError, FileNotFoundError):
        return False
