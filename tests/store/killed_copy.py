"""Run by test_sharing_kill.py: copies a bank, and kills itself with SIGKILL at a named moment.

Arguments: source, target, moment (or ``never``), and after how many passes of that moment.
"""

from __future__ import annotations

import sys

from killed_writer import MOMENTS, arm

from freeda_store import copy_bank
from freeda_store.sharing import reading
from freeda_store.sharing.replica import Replica

MOMENTS |= {
    "after_begun": (Replica, "insert", "after"),
    "after_part": (Replica, "add", "after"),
    "before_counting": (Replica, "close", "before"),
    "after_counting": (Replica, "close", "after"),
}

if __name__ == "__main__":
    reading.PART_GENERATIONS = 2
    if sys.argv[3] != "never":
        arm(sys.argv[3], int(sys.argv[4]))
    copy_bank(sys.argv[1], sys.argv[2])
