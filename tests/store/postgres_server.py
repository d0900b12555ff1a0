"""A real PostgreSQL for tests: found, started in a folder of its own, reached by a socket only."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

PASSWORD = "pw-7f3a91c2"
_NUMBERS = count(1)


@dataclass
class PostgresServer:
    """A running server; ``user`` freeda may make databases."""

    folder: Path
    command: list[Any] = field(default_factory=list)
    options: dict[str, Any] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it answers."""
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log, **self.options)
        _wait(self, self.process)

    def stop(self, how: int = signal.SIGINT) -> None:
        """End it: SIGINT is a fast shutdown that waits for no session, SIGQUIT a crash."""
        process, self.process = self.process, None
        if process is not None:
            process.send_signal(how)
            process.wait(timeout=60)

    def url(self, database: str) -> str:
        return f"postgresql://freeda@/{database}?host={self.folder}"

    def new_database(self) -> str:
        """The URL of an empty database."""
        name = f"bank_{next(_NUMBERS)}"
        self.run("postgres", f'CREATE DATABASE "{name}"')
        return self.url(name)

    def run(self, database: str, query: str) -> list[tuple[Any, ...]]:
        import psycopg

        url = database if "://" in database else self.url(database)
        with psycopg.connect(url, password=PASSWORD, autocommit=True) as connection:
            cursor = connection.execute(query)
            return cursor.fetchall() if cursor.description else []


def find_binaries() -> Path | None:
    """The folder of ``initdb`` and ``postgres``: Debian's newest, or the PATH's."""
    folders = sorted(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: int(p.parent.name), reverse=True
    )
    on_path = shutil.which("initdb")
    folders += [Path(on_path).resolve().parent, Path(on_path).parent] if on_path else []
    return next((f for f in folders if (f / "initdb").exists() and (f / "postgres").exists()), None)


@contextmanager
def running_postgres(binaries: Path) -> Iterator[PostgresServer]:
    """Start a server, as another user when root runs the tests, and end it."""
    folder = Path(tempfile.mkdtemp(prefix="freeda-pg-", dir="/tmp"))
    options: dict[str, Any] = {"cwd": folder, "env": {"PATH": os.environ["PATH"], "LC_ALL": "C"}}
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        options |= {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
    (folder / "password").write_text(PASSWORD)
    (folder / "password").chmod(0o644)
    data, log = folder / "data", (folder / "log").open("wb")
    try:
        made: list[str | Path] = [
            binaries / "initdb",
            "-D",
            data,
            "-U",
            "freeda",
            "-A",
            "scram-sha-256",
            "-N",
        ]
        made += ["--pwfile", folder / "password", "-E", "UTF8", "--locale", "C"]
        subprocess.run(made, check=True, stdout=log, stderr=log, **options)
        command = [binaries / "postgres", "-D", data, "-k", folder, "-c", "listen_addresses="]
        command += ["-c", "fsync=off", "-c", "max_connections=50", "-c", "shared_buffers=32MB"]
        server = PostgresServer(folder, command, options)
        try:
            server.start()
            yield server
        finally:
            server.stop()
    finally:
        log.close()
        shutil.rmtree(folder, ignore_errors=True)


def _wait(server: PostgresServer, process: subprocess.Popen[bytes]) -> None:
    import psycopg

    for _ in range(300):
        try:
            server.run("postgres", "SELECT 1")
        except psycopg.OperationalError:
            if process.poll() is not None:
                break
            time.sleep(0.1)
        else:
            return
    raise RuntimeError(f"PostgreSQL did not start: {(server.folder / 'log').read_text()[-2000:]}")
