"""``python -m tests.torture.hosted_kills``: servers and writers of a hosted bank end at random moments.

    python -m tests.torture.hosted_kills --rounds 20 --qdrant-url http://localhost:6333 \\
        --end-qdrant 'docker kill qdrant' --start-qdrant 'docker start qdrant' \\
        --sql-url postgresql://freeda@localhost/empty --end-postgres '...' --start-postgres '...'

FREEDA_TEST_QDRANT_API_KEY and FREEDA_SQL_PASSWORD hold the secrets. What is not named is played by a
stand-in for Qdrant and by a PostgreSQL of one's own. Each round writes a revision; while it is written the
writer is killed, or a server ends and comes back. A reader must see the bank as it was before or as it is
after; the same command must then end, and nothing may be lost, doubled or left over. The exit code is 1 when
a round failed.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

sys.path.insert(0, str(Path(__file__).parents[1] / "store"))

from postgres_server import PASSWORD, find_binaries, running_postgres
from qdrant_stub import API_KEY, running_stub

from tests.torture.trials import Trial, rng_of

COUNT = 24
"""Generations of a round; each has two prototypes."""
_WRITER = [sys.executable, "-m", "tests.torture.hosted_writer"]
_WAIT_SECONDS = 120


@dataclass(frozen=True)
class Server:
    """Something that can be ended and started again.

    Attributes:
        url: where it is.
        secret: its key or password.
        end, start: what ends it, and brings it back.
    """

    url: str
    secret: str
    end: Callable[[], object]
    start: Callable[[], object]


@dataclass
class World:
    """The servers, and a folder with settings for a profile ``team``."""

    folder: Path
    qdrant: Server
    postgres: Server
    collection: str = field(default_factory=lambda: f"freeda-torture-{uuid4().hex[:8]}")

    def environment(self) -> dict[str, str]:
        settings = self.folder / "settings.toml"
        settings.write_text(
            f'[profiles.team]\nqdrant_url = "{self.qdrant.url}"\ncollection = "{self.collection}"\n'
            f'sql_url = "{self.postgres.url}"\nthumbnails = "{self.folder / "thumbnails"}"\n'
            "retry_seconds = 60\n"
        )
        secrets = {"FREEDA_QDRANT_API_KEY": self.qdrant.secret, "FREEDA_SQL_PASSWORD": self.postgres.secret}
        return os.environ | secrets | {"FREEDA_SETTINGS": str(settings), "OMP_NUM_THREADS": "1"}

    def run(self, *arguments: str) -> subprocess.Popen[str]:
        command = [*_WRITER, *arguments]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=self.environment())


def main() -> int:
    options = _options()
    failed = 0
    with tempfile.TemporaryDirectory(prefix="freeda-torture-") as name, _world(Path(name), options) as world:
        os.environ.update(world.environment())
        began = time.monotonic()
        for trial in torture(world, options.rounds, options.seed, options.away):
            print(f"hosted:{trial.number} {trial.story} -> {trial.result}", flush=True)
            for fault in trial.faults:
                print(f"    FAULT {fault}", flush=True)
            failed += bool(trial.faults)
        print(f"hosted: {options.rounds} rounds in {time.monotonic() - began:.0f} s; {failed} failed")
        _clean_up(world)
    return 1 if failed else 0


def torture(world: World, rounds: int, seed: int, away: float) -> Iterator[Trial]:
    """Rounds one after the other, all in one bank."""
    deeds = ("kill the writer", "end Qdrant", "end PostgreSQL", "end both servers")
    for number in range(rounds):
        rng = rng_of("hosted", seed, number)
        trial = Trial("hosted", number, deeds[number % len(deeds)])
        batches = int(rng.integers(0, COUNT // 4))
        trial.story += f" after {batches} batches"
        _round(world, trial, batches, float(rng.uniform(0, 0.1)), away)
        yield trial


def _round(world: World, trial: Trial, batches: int, pause: float, away: float) -> None:
    before = 2 * COUNT * trial.number
    arguments = ("write", "team", f"round {trial.number}", str(COUNT * trial.number), str(COUNT))
    writer = world.run(*arguments)
    assert writer.stdout is not None
    for _ in range(batches):
        writer.stdout.readline()
    time.sleep(pause)
    _do(world, trial.story, writer, away)
    _, told = writer.communicate(timeout=_WAIT_SECONDS)
    trial.result = "went on" if writer.returncode == 0 else "ended"
    _expect(
        trial, writer.returncode in (0, 1, -9), f"the writer ended with {writer.returncode}: {told[-300:]}"
    )
    if writer.returncode == 1:
        last = told.strip().rpartition("\n")[2]
        _expect(trial, "Error: " in last, f"no sentence that says why: {told[-600:]}")
    seen = _count(world)
    if trial.number or writer.returncode == 0:
        _expect(
            trial, seen in (str(before), str(before + 2 * COUNT)), f"a reader saw {seen}, not all or nothing"
        )
    for _ in range(3):
        again = world.run(*arguments)
        _, told = again.communicate(timeout=_WAIT_SECONDS)
        if again.returncode == 0:
            break
    _expect(trial, again.returncode == 0, f"the same command does not end: {told[-300:]}")
    _check(trial, before + 2 * COUNT)


def _do(world: World, story: str, writer: subprocess.Popen[str], away: float) -> None:
    if story.startswith("kill"):
        writer.kill()
        return
    ended = [s for s, word in ((world.qdrant, "Qdrant"), (world.postgres, "PostgreSQL")) if word in story]
    ended = ended or [world.qdrant, world.postgres]
    for server in ended:
        server.end()
    time.sleep(away)
    for server in ended:
        server.start()


def _count(world: World) -> str:
    reader = world.run("count", "team")
    out, told = reader.communicate(timeout=_WAIT_SECONDS)
    return out.strip() or told.strip()[-200:]


def _check(trial: Trial, prototypes: int) -> None:
    from freeda_store import Bank

    with Bank.open("team") as bank:
        stats, report = bank.stats(), bank.verify()
        _expect(
            trial, stats.prototypes == prototypes, f"{stats.prototypes} prototypes, expected {prototypes}"
        )
        _expect(trial, stats.unfinished_runs == 0, f"{stats.unfinished_runs} runs are unfinished")
        _expect(trial, report.ok, f"not sound: {report}")


def _expect(trial: Trial, holds: bool, fault: str) -> None:
    if not holds:
        trial.faults.append(fault)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--away", type=float, default=2.0, help="seconds for which a server is away")
    for server in ("qdrant", "postgres"):
        parser.add_argument("--qdrant-url" if server == "qdrant" else "--sql-url", default="")
        parser.add_argument(f"--end-{server}", default="", metavar="COMMAND")
        parser.add_argument(f"--start-{server}", default="", metavar="COMMAND")
    options = parser.parse_args()
    for url, end, start in (
        (options.qdrant_url, options.end_qdrant, options.start_qdrant),
        (options.sql_url, options.end_postgres, options.start_postgres),
    ):
        if url and not (end and start):
            parser.error("a server that is named needs the commands that end and start it")
    return options


@contextmanager
def _world(folder: Path, options: argparse.Namespace) -> Iterator[World]:
    with ExitStack() as stack:
        if options.qdrant_url:
            key = os.environ.get("FREEDA_TEST_QDRANT_API_KEY", "")
            qdrant = Server(options.qdrant_url, key, _shell(options.end_qdrant), _shell(options.start_qdrant))
        else:
            stub = stack.enter_context(running_stub())
            qdrant = Server(stub.url, API_KEY, stub.stop, stub.start)
        if options.sql_url:
            password = os.environ.get("FREEDA_SQL_PASSWORD", "")
            end, start = _shell(options.end_postgres), _shell(options.start_postgres)
            postgres = Server(options.sql_url, password, end, start)
        else:
            binaries = find_binaries()
            if binaries is None:
                raise SystemExit("PostgreSQL is not installed; name one with --sql-url")
            own = stack.enter_context(running_postgres(binaries))
            postgres = Server(own.new_database(), PASSWORD, own.stop, own.start)
        yield World(folder, qdrant, postgres)


def _shell(command: str) -> Callable[[], object]:
    return lambda: subprocess.run(command, shell=True, check=True, stdout=subprocess.DEVNULL)


def _clean_up(world: World) -> None:
    from qdrant_client import QdrantClient

    client = QdrantClient(
        url=world.qdrant.url, api_key=world.qdrant.secret or None, check_compatibility=False
    )
    for collection in client.get_collections().collections:
        if collection.name.startswith(world.collection):
            client.delete_collection(collection.name)


if __name__ == "__main__":
    sys.exit(main())
