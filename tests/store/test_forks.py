"""A bank that is used in a fork of the process that opened it says so, and the opener's own goes on."""

from __future__ import annotations

from pathlib import Path

import warm_processes

from freeda_store import Bank

ROOT = Path(__file__).parents[2]
SCRIPT = Path(__file__).parent / "forked_bank.py"


def test_a_fork_is_told_and_the_opener_goes_on(folder: Path) -> None:
    done = warm_processes.run(SCRIPT, folder)
    assert done.returncode == 0, done.stderr
    *forked, child, parent = done.stdout.splitlines()
    assert len(forked) == 8
    for line in forked:
        name, kind, _ = line.split(" ", 2)
        assert kind == "ForkedError", line
        assert f"the bank in {folder} was opened by process" in line, name
        assert "open it in each process by itself" in line
    assert child == "child 0"
    assert parent == "parent 2"
    with Bank.open(folder) as bank:
        assert bank.verify().ok
