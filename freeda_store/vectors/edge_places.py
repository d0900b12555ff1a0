"""The places of points in a segment, as the engine's log of ids tells them: none is far beyond their number.

The engine makes room in every file for the highest place, so that a flipped bit in one makes it write
gigabytes, file by file, which no limit of a process stops early. Places are given one after the other.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from freeda_store.errors import BankDamagedError

_LOGS = "segments/*/mutable_id_tracker.mappings"
_ADDED = np.dtype([("kind", "u1"), ("id", "V16"), ("place", "<u4")])
_ADDED_KIND = 2
_REMOVED_KIND, _REMOVED_BYTES = 4, 17
_AT_ONCE = 4096
_SPARE = 2**14
"""Places that may be left free, by batches that a kill cut short."""


def require_near_places(folder: Path) -> None:
    """Refuse vectors whose points claim places far beyond their number.

    Raises:
        BankDamagedError: names the file.
    """
    for log in sorted(folder.glob(_LOGS)):
        try:
            added, highest = _places(log)
        except OSError:  # the engine says why
            continue
        if highest >= added + _SPARE:
            raise BankDamagedError(
                f"{log} is damaged, for it gives one of {added:,} points the place {highest:,}; restore the "
                "bank from a copy, or run `freeda bank verify --repair` to keep what is whole."
            )


def _places(log: Path) -> tuple[int, int]:
    """How many points were added, and the highest place of one; up to the first entry that is of no kind."""
    data = np.fromfile(log, dtype=np.uint8)
    start, added, highest = 0, 0, 0
    while start < len(data):
        count = min(_AT_ONCE, (len(data) - start) // _ADDED.itemsize)
        entries = data[start : start + count * _ADDED.itemsize].view(_ADDED)
        others = np.flatnonzero(entries["kind"] != _ADDED_KIND)
        run = entries[: others[0]] if len(others) else entries
        added += len(run)
        highest = max(highest, int(run["place"].max(initial=0)))
        start += len(run) * _ADDED.itemsize
        if len(run) == 0 and data[start] != _REMOVED_KIND:
            break
        while start < len(data) and data[start] == _REMOVED_KIND:
            start += _REMOVED_BYTES
    return added, highest
