"""Uses a bank in forks of the process that opened it; prints what the forks meet."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

from store_makers import TEXT_DIM, make_generation

from freeda_store import Bank, RevisionWriter
from freeda_store.errors import BankError

USES: dict[str, Callable[[Bank, RevisionWriter], object]] = {
    "nearest": lambda bank, _: bank.nearest(np.ones((1, TEXT_DIM), np.float32), 5),
    "infos": lambda bank, _: list(bank.infos()),
    "stats": lambda bank, _: bank.stats(),
    "revision": lambda bank, _: bank.revision,
    "verify": lambda bank, _: bank.verify(),
    "write": lambda bank, _: bank.write("more", "more"),
    "add": lambda _, writer: writer.add([make_generation(3)]),
    "commit": lambda _, writer: writer.commit(),
}


def use(name: str) -> str:
    try:
        USES[name](held, writer)
    except BankError as error:
        return f"{name} {type(error).__name__} {error}"
    return f"{name} went on"


if __name__ == "__main__":
    with Bank.open(sys.argv[1]) as held, held.write("run", "run") as writer:
        writer.add([make_generation(1)])
        held.infos()
        with multiprocessing.get_context("fork").Pool(2) as pool:
            for line in pool.map(use, USES):
                print(line, flush=True)
        if (child := os.fork()) == 0:
            held.close()
            writer.close()
            sys.exit(0)  # and everything is taken down in the child, too
        print("child", os.waitpid(child, 0)[1], flush=True)
        writer.commit()
        print("parent", len(list(held.infos())), flush=True)
