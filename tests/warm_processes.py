"""Processes that have imported what they need before they start: forks of one that did.

Starting Python and importing takes a second for the store and ten for the networks, and tests start
hundreds of processes only to kill them, to limit them or to share a bank with them. So each worker of
pytest has a process that opens no bank and computes nothing, imports once, and runs scripts in forks; and
another of the kind where scripts import more, for forks of a small process are the cheaper ones.
A test of what is imported, or of how the interpreter starts, needs a fresh process instead.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import IO, Any

STORE = (
    "alembic.command",
    "alembic.ddl.sqlite",
    "freeda_store.bank",
    "freeda_store.opening.agreeing",
    "freeda_store.salvage",
    "freeda_store.sharing.copy",
    "freeda_store.vectors.edge",
    "numpy.random",
    "qdrant_edge",
    "sqlalchemy.dialects.sqlite",
)
"""What scripts that write and read banks import."""
FAKES = (
    *STORE,
    "freeda_ingest.ingestor",
    "freeda_learn.learner",
    "freeda_learn.run",
    "freeda_learn.unlabelled",
    "freeda_segment.segmenter",
    "skimage.graph",
    "skimage.segmentation",
    "sklearn.cluster",
)
"""What scripts that ingest or learn with fake networks import."""
NETWORKS = (
    *STORE,
    "diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion",
    "freeda_cli.main",
    "freeda_ingest.ingestor",
    "freeda_learn",
    "freeda_models.loading",
    "freeda_segment.segmenter",
    "open_clip",
    "skimage.segmentation",
    "spacy",
)
"""What scripts that draw or segment import."""
_DIGITS = 20
_PAUSE_SECONDS = 0.005


class WarmProcess:
    """A script that runs, or did.

    Attributes:
        pid: its process id.
    """

    def __init__(self, status: int, output: IO[bytes], errors: IO[bytes]) -> None:
        self._status, self._output, self._errors = status, output, errors
        self._code: int | None = None
        self.pid = int(os.read(status, _DIGITS) or _died())

    def running(self) -> bool:
        """Whether it has not ended."""
        return self._code is None and not select.select([self._status], [], [], 0)[0]

    def send_signal(self, number: int) -> None:
        """Send a signal to it, if it has not ended."""
        if self.running():
            with suppress(ProcessLookupError):  # it ended now
                os.kill(self.pid, number)

    def wait_for(self, text: str) -> None:
        """Wait until it has printed a text.

        Raises:
            RuntimeError: it has ended and did not.
        """
        running = True
        while text not in _text(self._output):
            if not running:
                raise RuntimeError(f"{text!r} was not printed: {self.wait()}")
            running = self.running()
            time.sleep(_PAUSE_SECONDS)

    def wait(self) -> subprocess.CompletedProcess[str]:
        """Its exit code, or minus the number of the signal that ended it, and all that it printed."""
        if self._code is None:
            self._code = os.waitstatus_to_exitcode(int(os.read(self._status, _DIGITS)))
            os.close(self._status)
        return subprocess.CompletedProcess([], self._code, _text(self._output), _text(self._errors))


def start(
    script: Path | str,
    *arguments: object,
    warm: Sequence[str] = STORE,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> WarmProcess:
    """Run a script as ``python SCRIPT ARGUMENTS`` does, in a session of its own and without any input.

    Args:
        script: the file; or the name of a module, run as ``python -m MODULE ARGUMENTS`` does.
        arguments: what it is told, made into texts.
        warm: modules that are imported before.
        environment: variables that it has beside those of this process.
        folder: its working directory; that of this process when not given.
    """
    request = {
        "arguments": [str(script), *map(str, arguments)],
        "is_module": isinstance(script, str),
        "environment": {**os.environ, **(environment or {})},
        "folder": str(folder or Path.cwd()),
    }
    output: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - read for as long as the process is asked
    errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115
    reading, writing = os.pipe()
    with _LOCK:
        files = [writing, output.fileno(), errors.fileno()]
        socket.send_fds(_server(tuple(warm)), [json.dumps(request).encode()], files)
    os.close(writing)
    return WarmProcess(reading, output, errors)


def run(
    script: Path | str,
    *arguments: object,
    warm: Sequence[str] = STORE,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> subprocess.CompletedProcess[str]:
    """:func:`start` a script, and wait for its end."""
    return start(script, *arguments, warm=warm, environment=environment, folder=folder).wait()


_LOCK = threading.Lock()


@cache
def _server(warm: tuple[str, ...]) -> socket.socket:
    """The connection to the process that imports some modules and forks; it ends when the connection does."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    command = [sys.executable, __file__, str(theirs.fileno()), *warm]
    subprocess.Popen(command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, start_new_session=True)
    theirs.close()
    return ours


def _died() -> int:
    raise RuntimeError("the process that runs scripts in forks has ended; what it said stands above")


def _text(file: IO[bytes]) -> str:
    return os.pread(file.fileno(), os.fstat(file.fileno()).st_size, 0).decode(errors="replace")


def _serve(connection: socket.socket, warm: Sequence[str]) -> None:
    """Import, and fork until nobody asks any more."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for module in warm:
        import_module(module)
    gc.collect()
    gc.freeze()  # or each fork would copy what it looks through for garbage
    while True:
        message, files, _, _ = socket.recv_fds(connection, 2**20, 3)
        if not message:
            return
        request = json.loads(message)
        if os.fork() == 0:
            connection.close()
            _mind(request, *files)
        for file in files:
            os.close(file)


def _mind(request: dict[str, Any], status: int, output: int, errors: int) -> None:
    """In a fork: fork the script, and tell its process id and how it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    child = os.fork()
    if child == 0:
        os.close(status)
        _become(request, output, errors)
    os.write(status, f"{child:{_DIGITS}}".encode())
    os.write(status, f"{os.waitpid(child, 0)[1]:{_DIGITS}}".encode())
    os._exit(0)


def _become(request: dict[str, Any], output: int, errors: int) -> None:
    """In a fork of the fork: be the script, and end as the interpreter does."""
    code = 1
    try:
        os.setsid()
        os.dup2(output, 1)
        os.dup2(errors, 2)
        os.chdir(request["folder"])
        os.environ.clear()
        os.environ.update(request["environment"])
        sys.argv = request["arguments"]
        sys.path[1:1] = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
        if request["is_module"]:
            sys.path[0] = request["folder"]
            runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
        else:
            sys.path[0] = str(Path(sys.argv[0]).parent)
            runpy.run_path(sys.argv[0], run_name="__main__")
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
    except BaseException:  # noqa: BLE001 - shown, as the interpreter does
        traceback.print_exc()
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])), sys.argv[2:])
