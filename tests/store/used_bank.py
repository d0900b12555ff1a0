"""Opens a bank, searches, reads and proves it, and prints how that went; for a process of its own."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

from store_makers import TEXT_DIM, make_generation

from freeda_store import Bank
from freeda_store.errors import BankError
from freeda_store.salvage import salvage


def main(action: str, folder: str) -> int:
    try:
        if action == "salvage":
            print("salvaged", salvage(folder))
            return 0
        with Bank.open(folder) as bank:
            if action == "write":
                with bank.write("more", "more") as writer:
                    writer.add([make_generation(i) for i in range(50, 54)])
                    writer.commit()
            found = bank.nearest(np.ones((1, TEXT_DIM), np.float32), 5)[0]
            infos = list(bank.infos())
            bank.thumbnail(infos[0].picture_key)
            bank.stats()
            print(len(infos), len(found.ids), "sound" if bank.verify().ok else "unsound")
            return 0
    except BankError as error:
        print(f"{type(error).__name__}: {error}")
        return 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1], sys.argv[2]))
