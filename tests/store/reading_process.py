"""Run by test_readers.py: reads a bank until it shows a revision, and says what it saw; or writes to one.

Arguments: ``read`` FOLDER LAST, or ``write`` FOLDER FIRST LAST: commits revisions with those numbers.
"""

from __future__ import annotations

import sys
import time

import numpy as np
from store_makers import TEXT_DIM, make_generation, make_manifest

from freeda_store import Bank

SECONDS = 60


def look(bank: Bank) -> int:
    """Ask for all that there is, and see that it is what its revision added; returns the revision."""
    before = bank.revision
    infos = list(bank.infos())
    found = bank.nearest(np.ones((2, TEXT_DIM), np.float32), 1000)[0]
    vectors = bank.vectors([info.id for info in infos])
    after = bank.revision
    if before is None or after is None:
        return 0
    shown = (2 * before.number, 2 * after.number)
    for count in (len(infos), len(found.ids), len(vectors.ids)):
        if not shown[0] <= count <= shown[1]:
            raise SystemExit(f"{count} prototypes between revisions {before.number} and {after.number}")
    lengths = np.linalg.norm(vectors.text_keys, axis=1)
    if len(infos) and not np.allclose(lengths, 1, atol=1e-5):
        raise SystemExit("keys of other lengths")
    return after.number


def read(folder: str, last: int) -> int:
    """Look again and again until the last revision is there."""
    seen: set[int] = set()
    with Bank.read(folder) as bank:
        print("reading", flush=True)
        end = time.monotonic() + SECONDS
        while last not in seen:
            seen.add(look(bank))
            if time.monotonic() > end:
                raise SystemExit(f"revision {last} was not seen, only {sorted(seen)}")
    print(len(seen), flush=True)
    return 0


def write(folder: str, first: int, last: int) -> int:
    """Commit one revision with one caption after the other."""
    with Bank.open(folder, create=make_manifest()) as bank:
        for number in range(first, last + 1):
            with bank.write("m", f"run {number}") as writer:
                writer.add([make_generation(number)])
                writer.commit()
    return 0


if __name__ == "__main__":
    if sys.argv[1] == "read":
        raise SystemExit(read(sys.argv[2], int(sys.argv[3])))
    raise SystemExit(write(sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
