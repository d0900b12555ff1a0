"""Run by test_faults_disk.py: writes to a bank while no file may grow beyond a limit.

Arguments: folder, limit in bytes. Prints the error's name, and ends with exit code 3 if there was one.
"""

from __future__ import annotations

import resource
import sys

from store_makers import make_generation

from freeda_store import Bank
from freeda_store.errors import BankError


def run(folder: str, limit: int) -> int:
    with Bank.open(folder) as bank:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        try:
            with bank.write("more", "more") as writer:
                for start in range(100, 400, 50):
                    writer.add([make_generation(i) for i in range(start, start + 50)])
                writer.commit()
        except BankError as error:
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            print(type(error).__name__, error)
            return 3
    return 0


if __name__ == "__main__":
    sys.exit(run(sys.argv[1], int(sys.argv[2])))
