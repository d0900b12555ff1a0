"""``freeda serve`` in a process of its own, to be measured, tested or pictured."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx

from freeda_store import import_bank

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples"


class Served:
    """A server on a free port, with a token of its own.

    Args:
        arguments: of ``freeda serve``.
        folder: where it runs; here if None.
    """

    def __init__(self, *arguments: object, folder: Path | None = None) -> None:
        self._folder = folder
        self._arguments = [str(each) for each in arguments]
        self._process: subprocess.Popen[str] | None = None
        self.address = ""

    def start(self) -> None:
        """Start it, and wait for its address."""
        own = {name: value for name, value in os.environ.items() if name != "FREEDA_TOKEN"}
        paths = os.pathsep.join(str(ROOT / each) for each in (".", "cli", "ingest"))
        self._process = subprocess.Popen(
            [sys.executable, "-m", "freeda_cli", "serve", *self._arguments, "--port", "0"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=self._folder,
            env={"OMP_NUM_THREADS": "1"} | own | {"PYTHONPATH": paths, "HF_HUB_OFFLINE": "1"},
        )
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("http://"):
                self.address = line.strip()
                return
        raise RuntimeError(f"freeda serve ended with {self._process.wait()}")

    def kill(self) -> None:
        """End it as a fault would."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.communicate()
            self._process = None

    @property
    def pid(self) -> int:
        """Its process."""
        assert self._process is not None
        return self._process.pid

    @property
    def base(self) -> str:
        """The address without the token."""
        return self.address.partition("/?")[0]

    def program(self, name: str = "") -> httpx.Client:
        """A program that has the token; ``name`` tells it from others, for fairness."""
        token = self.address.partition("?token=")[2]
        headers = {"Authorization": f"Bearer {token}"} | ({"X-Freeda-Tab": name} if name else {})
        return httpx.Client(base_url=self.base, headers=headers, timeout=120)

    @property
    def processor_ms(self) -> float:
        """Processor time that it took so far, in milliseconds; Linux only."""
        assert self._process is not None
        told = Path(f"/proc/{self._process.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return 1000 * (int(told[11]) + int(told[12])) / os.sysconf("SC_CLK_TCK")

    @property
    def resident_mb(self) -> float:
        """What it has in memory now, in MB; Linux only."""
        status = Path(f"/proc/{self.pid}/status").read_text(encoding="utf-8")
        line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
        return int(line.split()[1]) / 1000


@contextlib.contextmanager
def served(*arguments: object, bank: Path | None = None) -> Iterator[Served]:
    """A server over a bank, that of ``examples/small-bank.zip`` if none is given, in a folder that goes."""
    with tempfile.TemporaryDirectory() as place:
        if bank is None:
            bank = Path(place) / "bank"
            import_bank(EXAMPLES / "small-bank.zip", str(bank))
        server = Served(*arguments, "--bank", bank, "--state", Path(place) / "state")
        server.start()
        try:
            yield server
        finally:
            server.kill()
