"""Run by test_repair.py: repairs a bank, and kills itself with SIGKILL at a named moment.

Arguments: folder, and the moment (or ``never``).
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

from freeda_store import salvage
from freeda_store.repair import rebuild, repair, swap
from freeda_store.vectors.edge import EdgeVectors


def die(*_: Any, **__: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def after(function: Any) -> Any:
    def deadly(*arguments: Any, **options: Any) -> None:
        function(*arguments, **options)
        die()

    return deadly


def arm(moment: str) -> None:
    """Replace what runs at this moment by what kills."""
    if moment == "after_copy":
        repair.new_place = salvage.new_place = after(swap.new_place)
    elif moment == "half_built":
        EdgeVectors.upsert = after(EdgeVectors.upsert)  # type: ignore[method-assign]
    elif moment == "after_build":
        rebuild.swap = salvage.swap = die
    elif moment in ("after_ready", "between"):
        rename, target = Path.rename, "vectors.ready" if moment == "after_ready" else "vectors"

        def deadly(self: Path, to: Path) -> Path:
            done = rename(self, to)
            if to.name == target and (moment == "after_ready" or "damaged" in to.parts):
                die()
            return done

        Path.rename = deadly  # type: ignore[method-assign, assignment]
    elif moment == "after_swap":
        rebuild.swap = salvage.swap = after(swap.swap)
    elif moment == "after_forget":
        repair._forget = after(repair._forget)


def run(folder: str) -> int:
    """What ``freeda bank verify --repair`` does."""
    salvage.salvage(folder)
    with salvage.open_to_verify(folder) as bank:
        return 0 if bank.verify(repair=True).mended else 1


if __name__ == "__main__":
    arm(sys.argv[2])
    sys.exit(run(sys.argv[1]))
