"""A server that is killed in the middle of work, and started again: true ones, with the bundled networks."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from bank_copies import copy_folder
from stand_in_runner import until

from freeda_ingest.ingestor import open_ingestor
from freeda_learn import new_bank
from freeda_store import Bank

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

CAPTIONS = 16
TOKEN = "a token of tests"


@dataclass
class Server:
    """A studio in a process of its own."""

    process: subprocess.Popen[str]
    client: httpx.Client

    def works(self) -> list[dict[str, Any]]:
        told: list[dict[str, Any]] = self.client.get("/api/v1/work").json()
        return told

    def until(self, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait for the only work."""
        until(lambda: holds(self.works()[0]))
        return self.works()[0]

    def children(self) -> list[int]:
        """Processes that it started."""
        told = Path(f"/proc/{self.process.pid}/task").glob("*/children")
        return [int(each) for path in told for each in path.read_text().split()]


@contextmanager
def served(bank: Path, state: Path) -> Iterator[Server]:
    arguments = ["serve", "--bank", str(bank), "--port", "0", "--state", str(state), "--device", "cpu"]
    process = subprocess.Popen(
        [sys.executable, "-m", "freeda_cli", *arguments],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"FREEDA_TOKEN": TOKEN},
    )
    try:
        assert process.stdout is not None
        address = re.match(r"http://[^/]+", process.stdout.readline())
        assert address is not None
        headers = {"authorization": f"Bearer {TOKEN}"}
        with httpx.Client(base_url=address[0], headers=headers, timeout=60) as client:
            yield Server(process, client)
    finally:
        process.kill()
        process.wait()


def lives(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except OSError:
        return False


def contents(bank: Path) -> tuple[list[str], list[tuple[str, str]]]:
    """Messages of revisions; ids and nouns of prototypes."""
    with Bank.read(bank) as opened:
        messages = [revision.message for revision in opened.revisions()]
        return messages, sorted((str(info.id), info.noun) for info in opened.infos())


def test_a_server_killed_in_the_middle_ends_with_the_bank_of_an_undisturbed_run(tmp_path: Path) -> None:
    examples = (Path(__file__).parents[2] / "examples" / "captions.jsonl").read_text().splitlines()
    captions = tmp_path / "captions.jsonl"
    captions.write_text("\n".join(examples[:CAPTIONS]))
    new_bank(tmp_path / "bank", "tiny")
    undisturbed = copy_folder(tmp_path / "bank", tmp_path / "undisturbed")
    with open_ingestor(undisturbed, "tiny", device="cpu") as ingestor:
        ingestor.run(captions)

    with served(tmp_path / "bank", tmp_path / "state") as first:
        sent = {"files": ("captions.jsonl", captions.read_bytes())}
        assert first.client.post("/api/v1/work", data={"kind": "captions"}, files=sent).status_code == 201
        first.until(lambda work: bool(work["progress"]) and work["progress"]["done"] >= 8)
        (child,) = first.children()
        first.process.kill()
        until(lambda: not lives(child))
    unfinished, _ = contents(tmp_path / "bank")
    assert unfinished == []

    with served(tmp_path / "bank", tmp_path / "state") as second:
        report = second.until(lambda work: work["state"] in ("done", "failed"))["report"]
        assert (report["revision"], report["interrupted"]) == (1, False)
        second.process.send_signal(signal.SIGINT)
        second.process.wait(60)
    assert contents(tmp_path / "bank") == contents(undisturbed)
