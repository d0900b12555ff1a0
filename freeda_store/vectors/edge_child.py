"""Opens vectors in a process that may take only so much memory and time: ``python edge_child.py ...``.

:mod:`freeda_store.vectors.edge_trial` starts it and looks at how it ended. It imports nothing but the engine,
so that it starts in a few milliseconds, and ends as by a kill, which vectors outlive.
"""

from __future__ import annotations

import fcntl
import os
import resource
import select
import signal
import sys
from contextlib import suppress


def main(packages: str, folder: str, memory: int, size: int, seconds: int) -> None:
    """Open the vectors of a folder and end; whatever the engine raises is its caller's to find again.

    Standard input is a pipe that the caller holds open.

    Args:
        packages: folder from which the engine is imported.
        folder: of the vectors.
        memory: bytes that may be allocated, beside files that are mapped.
        size: bytes to which a file may grow.
        seconds: of computing.
    """
    _end_with_caller()
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_DATA, memory)
    _limit(resource.RLIMIT_FSIZE, size)
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)  # ignored by Python, so that the engine would go on
    _limit(resource.RLIMIT_CPU, seconds)
    sys.path.append(packages)
    with suppress(BaseException):  # a panic of the engine is no Exception
        import qdrant_edge

        shard = qdrant_edge.EdgeShard.load(folder)
        os._exit(shard is None)  # before the shard is closed, which takes as long again


def _end_with_caller() -> None:
    """Be ended by SIGIO when the caller is gone, however it went: the lock of the vectors is held here."""
    fcntl.fcntl(0, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(0, fcntl.F_SETFL, os.O_ASYNC)
    if select.select([0], [], [], 0)[0]:  # gone before
        os._exit(0)


def _limit(what: int, value: int) -> None:
    """Set a limit, unless it is lower already."""
    soft, hard = resource.getrlimit(what)
    known = [each for each in (value, soft) if each != resource.RLIM_INFINITY]
    resource.setrlimit(what, (min(known), hard))


if __name__ == "__main__":
    try:
        main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:]))
    finally:
        os._exit(0)
