"""Run by test_kill.py: writes to a bank, and kills itself with SIGKILL at a named moment.

Arguments: folder, moment (or ``never``), and after how many passes of that moment.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

from store_makers import make_generation, make_manifest

from freeda_store import Bank, generation_key, parse_filter
from freeda_store.revisions import file
from freeda_store.revisions.copies import RevisionFiles
from freeda_store.sql.catalog import Catalog
from freeda_store.thumbnails.folder import FolderThumbnails
from freeda_store.vectors.edge import EdgeVectors

MOMENTS: dict[str, tuple[type | ModuleType, str, str]] = {
    "before_thumbnail": (FolderThumbnails, "put", "before"),
    "after_thumbnail": (FolderThumbnails, "put", "after"),
    "half_of_the_points": (EdgeVectors, "upsert", "half"),
    "after_points": (EdgeVectors, "upsert", "after"),
    "after_rows": (Catalog, "insert_generations", "after"),
    "after_flush": (EdgeVectors, "flush", "after"),
    "before_files": (RevisionFiles, "keep", "before"),
    "half_of_a_file": (file, "fill", "half"),
    "after_files": (RevisionFiles, "keep", "after"),
    "after_commit": (Catalog, "commit_revision", "after"),
    "after_optimize": (EdgeVectors, "optimize", "after"),
    "after_retirement": (Catalog, "retire", "after"),
    "after_retired_points": (EdgeVectors, "set_payload", "after"),
}


def arm(moment: str, passes: int) -> None:
    """Replace one method so that its ``passes``-th call ends the process."""
    owner, name, when = MOMENTS[moment]
    original: Callable[..., Any] = getattr(owner, name)
    calls = 0

    def deadly(self: Any, *arguments: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == passes and when == "half":
            points = arguments[0]
            original(self, points[: len(points) // 2])
        elif calls != passes or when == "after":
            result = original(self, *arguments, **options)
        if calls == passes:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(owner, name, deadly)


def run(folder: str) -> None:
    """The command that is killed and run again: twelve generations, then a retirement."""
    indices = range(12)
    with Bank.open(folder, create=make_manifest()) as bank:
        with bank.write("twelve", "run") as writer:
            made = {generation_key(g.caption, g.seed): g for g in map(make_generation, indices)}
            missing = writer.missing(list(made))
            wanted = [generation for key, generation in made.items() if key in missing]
            for start in range(0, len(wanted), 3):
                writer.add(wanted[start : start + 3])
            writer.commit()
        bank.retire(parse_filter(["noun=boat"]), "no boats")


if __name__ == "__main__":
    if sys.argv[2] != "never":
        arm(sys.argv[2], int(sys.argv[3]))
    run(sys.argv[1])
