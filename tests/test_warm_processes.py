"""What is run in a fork of a process that has imported already is run as by a fresh interpreter."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
import warm_processes

SCRIPT = """
import json, os, sys
from pathlib import Path
import beside
print(sys.argv[1:], __name__, os.environ["TOLD"], Path.cwd().name, beside.NAME, sys.stdin.read())
print("numpy.random" in sys.modules, hasattr(json, "changed"))
json.changed = True
print("to be seen", file=sys.stderr)
{end}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "beside.py").write_text("NAME = 'beside'\n")
    return tmp_path


def write(folder: Path, end: str) -> Path:
    path = folder / "script.py"
    path.write_text(SCRIPT.replace("{end}", end))
    return path


@pytest.mark.parametrize(
    ("end", "code", "said"),
    [
        ("", 0, ""),
        ("sys.exit(3)", 3, ""),
        ("sys.exit('no')", 1, "no\n"),
        ("sys.exit()", 0, ""),
        ("os.kill(os.getpid(), 9)", -signal.SIGKILL, ""),
        ("import atexit; atexit.register(print, 'last', file=sys.stderr)", 0, "last\n"),
    ],
)
def test_a_script_ends_as_by_itself(folder: Path, end: str, code: int, said: str) -> None:
    script = write(folder, end)
    done = warm_processes.run(script, 1, "two", environment={"TOLD": "yes"}, folder=folder)
    assert done.returncode == code
    if code >= 0:
        told = f"['1', 'two'] __main__ yes {folder.name} beside \nTrue False\n"
        assert (done.stdout, done.stderr) == (told, "to be seen\n" + said)


def test_an_error_is_shown_with_its_trace(folder: Path) -> None:
    done = warm_processes.run(write(folder, "raise ValueError('wrong')"), environment={"TOLD": ""})
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert done.stderr.endswith("ValueError: wrong\n")


def test_a_running_script_can_be_watched_and_killed(folder: Path) -> None:
    script = write(folder, "sys.stdout.flush(); import time; time.sleep(600)")
    process = warm_processes.start(script, environment={"TOLD": ""})
    process.wait_for("True False")
    assert process.running()
    process.send_signal(signal.SIGTERM)
    assert process.wait().returncode == -signal.SIGTERM
    assert not process.running()
    process.send_signal(signal.SIGTERM)
    assert process.wait().returncode == -signal.SIGTERM


def test_what_is_waited_for_and_never_printed_is_told(folder: Path) -> None:
    process = warm_processes.start(write(folder, ""), environment={"TOLD": ""})
    with pytest.raises(RuntimeError, match="'the end' was not printed"):
        process.wait_for("the end")
