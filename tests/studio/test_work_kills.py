"""A server that is killed in the middle of work, and started again: true ones, with the bundled networks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from bank_copies import copy_folder
from stand_in_runner import until

from benchmarks.studio_server import EXAMPLES, Served
from freeda_ingest.ingestor import open_ingestor
from freeda_learn import new_bank
from freeda_store import Bank

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

CAPTIONS = 16
BATCH = 8


class Asking:
    """A program at a server."""

    def __init__(self, server: Served, client: httpx.Client) -> None:
        self.server, self.client = server, client

    def until(self, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait for the only work."""
        until(lambda: holds(self._work()))
        return self._work()

    def children(self) -> list[int]:
        """Processes that the server started."""
        told = Path(f"/proc/{self.server.pid}/task").glob("*/children")
        return [int(each) for path in told for each in path.read_text().split()]

    def _work(self) -> dict[str, Any]:
        work: dict[str, Any] = self.client.get("/api/v1/work").json()[0]
        return work


@contextmanager
def served(bank: Path, state: Path) -> Iterator[Asking]:
    server = Served("--bank", bank, "--state", state, "--device", "cpu")
    server.start()
    try:
        with server.program() as client:
            yield Asking(server, client)
    finally:
        server.kill()


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
    examples = (EXAMPLES / "captions.jsonl").read_text().splitlines()
    captions = tmp_path / "captions.jsonl"
    captions.write_text("\n".join(examples[:CAPTIONS]))
    new_bank(tmp_path / "bank", "tiny")
    undisturbed = copy_folder(tmp_path / "bank", tmp_path / "undisturbed")
    with open_ingestor(undisturbed, "tiny", device="cpu") as ingestor:
        ingestor.run(captions)

    with served(tmp_path / "bank", tmp_path / "state") as first:
        sent = {"files": ("captions.jsonl", captions.read_bytes())}
        assert first.client.post("/api/v1/work", data={"kind": "captions"}, files=sent).status_code == 201
        first.until(lambda work: bool(work["progress"]) and work["progress"]["done"] >= BATCH)
        (child,) = first.children()
        first.server.kill()
        until(lambda: not lives(child))
    unfinished, _ = contents(tmp_path / "bank")
    assert unfinished == []

    with served(tmp_path / "bank", tmp_path / "state") as second:
        report = second.until(lambda work: work["state"] in ("done", "failed"))["report"]
        assert (report["revision"], report["interrupted"]) == (1, False)
    assert contents(tmp_path / "bank") == contents(undisturbed)
