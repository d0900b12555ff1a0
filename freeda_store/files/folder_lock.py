"""One process at a time works in a folder."""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from freeda_store.errors import BankInUseError

logger = logging.getLogger(__name__)


@contextmanager
def sole_user(folder: Path, others_do: str) -> Iterator[None]:
    """Keep every other process from doing the same in a folder; a killed process lets go of it.

    Args:
        folder: that is there.
        others_do: what another process does, for the message: ``another process repairs the bank in``.

    Raises:
        BankInUseError: another process is doing it.
    """
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BankInUseError(f"{others_do} {folder}; wait until it ends.") from error
        except OSError as error:
            logger.info("%s lies on a file system that locks no folders (%s)", folder, error)
        yield
    finally:
        os.close(handle)
