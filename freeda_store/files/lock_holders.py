"""Who holds a file or folder locked, as far as the system knows."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

_LOCKS = Path("/proc/locks")
_SHOWN = 120


@dataclass(frozen=True)
class Holder:
    """A process of this machine that holds a lock.

    Attributes:
        pid: its number.
        command: how it was called, cut short; empty where it may not be seen.
        since: when it started, UTC; None where that may not be seen.
    """

    pid: int
    command: str
    since: datetime | None

    def __str__(self) -> str:
        told = f"process {self.pid} of {os.uname().nodename}"
        if self.since is not None:
            told += f", started {self.since:%Y-%m-%d %H:%M:%S} UTC"
        return told + (f" ({self.command})" if self.command else "")


def lock_holder(*paths: Path) -> Holder | None:
    """The process that holds a lock on one of these files or folders, or on what lies in those folders.

    None where nobody does, or where it cannot be known: on another machine that shares the disk, in
    another container, or on a system without ``/proc/locks``.
    """
    wanted = {status for path in paths for status in _identities(path)}
    try:
        lines = _LOCKS.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return None
    for line in lines:
        fields = line.split()
        if len(fields) < 6 or "->" in fields[:2]:  # the latter waits for a lock and holds none
            continue
        pid, file = int(fields[4]), fields[5]
        if pid > 0 and file in wanted:
            return Holder(pid, _command(pid), _started(pid))
    return None


def told_holder(*paths: Path) -> str:
    """Who holds a lock, as the object of "in use by"."""
    holder = lock_holder(*paths)
    if holder is None:
        return "another process, perhaps of another machine or container that shares the disk"
    return "this very process" if holder.pid == os.getpid() else str(holder)


def _identities(path: Path) -> list[str]:
    """Files and folders as ``/proc/locks`` writes them: major:minor:inode."""
    found = []
    for each in (path, *(path.iterdir() if path.is_dir() else ())):
        try:
            status = each.stat()
        except OSError:
            continue
        device = status.st_dev
        found.append(f"{os.major(device):02x}:{os.minor(device):02x}:{status.st_ino}")
    return found


def _command(pid: int) -> str:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return ""
    text = b" ".join(words).decode(errors="replace").strip()
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."


def _started(pid: int) -> datetime | None:
    """When a process started: ticks after the machine's start, which is told in seconds."""
    try:
        ticks = int(Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19])
        machine = Path("/proc/stat").read_text(encoding="ascii")
    except (OSError, ValueError, IndexError):
        return None
    start = next(int(line.split()[1]) for line in machine.splitlines() if line.startswith("btime "))
    return datetime.fromtimestamp(start + ticks / os.sysconf("SC_CLK_TCK"), UTC)
