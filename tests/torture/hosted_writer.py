"""Run by hosted_kills: one writer, or one reader, of a hosted bank in a process of its own.

hosted_writer write ADDRESS KEY FIRST COUNT    # small generations, one batch after another
hosted_writer count ADDRESS                    # prints how many prototypes are shown
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "store"))

from store_makers import make_generation, make_manifest

from freeda_store import Bank, generation_key
from freeda_store.errors import BankError

BATCH = 4
PAUSE_SECONDS = 0.05


def write(address: str, key: str, first: int, count: int) -> None:
    """What an ingest does: add what is missing, then commit."""
    with Bank.open(address, create=make_manifest()) as bank, bank.write(f"run {key}", key) as writer:
        made = {
            generation_key(g.caption, g.seed): g for g in map(make_generation, range(first, first + count))
        }
        missing = writer.missing(list(made))
        wanted = [generation for key, generation in made.items() if key in missing]
        for start in range(0, len(wanted), BATCH):
            writer.add(wanted[start : start + BATCH])
            print("added", flush=True)
            time.sleep(PAUSE_SECONDS)
        writer.commit()


def main() -> int:
    what, address, *rest = sys.argv[1:]
    try:
        if what == "write":
            write(address, rest[0], int(rest[1]), int(rest[2]))
        else:
            with Bank.open(address) as bank:
                print(sum(1 for _ in bank.infos()))
    except BankError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
