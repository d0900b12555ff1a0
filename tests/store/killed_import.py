"""Run by test_authors_import.py: imports the authors' files, and kills itself after a batch when told."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from store_makers import make_manifest

from freeda_store import Bank
from freeda_store.authors import copy as authors_import
from freeda_store.authors.copy import AuthorsProgress, copy_authors_bank
from freeda_store.authors.files import AuthorsBank

BATCH = 8


def run(bank_folder: str, folder: str, index: str, batches: int) -> None:
    """Import; with ``batches`` above 0 die by SIGKILL after so many."""
    authors_import.BATCH = BATCH
    done = 0

    def progress(_: AuthorsProgress) -> None:
        nonlocal done
        done += 1
        if done == batches:
            os.kill(os.getpid(), signal.SIGKILL)

    with Bank.open(bank_folder, create=make_manifest()) as bank:
        copy_authors_bank(bank, AuthorsBank(Path(folder), Path(index)), "import", progress)


if __name__ == "__main__":
    run(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
