"""Hosted banks for tests: a stand-in for a Qdrant server, or a real one, and a real PostgreSQL.

``FREEDA_TEST_QDRANT_URL`` names a real server, ``FREEDA_TEST_QDRANT_API_KEY`` and
``FREEDA_TEST_QDRANT_READ_ONLY_API_KEY`` its keys. Collections then have names that nothing else has, and are
deleted in the end. With ``FREEDA_TEST_QDRANT_TOKENS`` the server takes tokens (QDRANT__SERVICE__JWT_RBAC).
"""

from __future__ import annotations

import json
import os
import ssl
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from postgres_server import PASSWORD, PostgresServer
from qdrant_client import QdrantClient
from qdrant_stub import API_KEY as STUB_KEY
from qdrant_stub import READ_ONLY_KEY as STUB_READ_ONLY_KEY
from qdrant_stub import QdrantStub, running_stub
from store_makers import make_manifest

from freeda_store import Bank

SERVER = os.environ.get("FREEDA_TEST_QDRANT_URL", "")
API_KEY = os.environ.get("FREEDA_TEST_QDRANT_API_KEY", "") if SERVER else STUB_KEY
READ_ONLY_KEY = os.environ.get("FREEDA_TEST_QDRANT_READ_ONLY_API_KEY", "") if SERVER else STUB_READ_ONLY_KEY
TOKENS = not SERVER or bool(os.environ.get("FREEDA_TEST_QDRANT_TOKENS"))
READER_VARIABLE = "FREEDA_READER_API_KEY"


def connect(url: str, key: str | None) -> QdrantClient:
    """A client of a test's own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        context = ssl.create_default_context() if url.startswith("https:") else False
        return QdrantClient(
            url=url, api_key=key or None, check_compatibility=False, timeout=60, verify=context
        )


@dataclass
class Team:
    """A server and a settings file with profiles ``team`` (writes) and ``reader`` (does not).

    Attributes:
        url: where the server listens.
        stub: the stand-in, None when the server is a real one.
        client: may do everything.
        collection: the name of the collection of ``team``.
    """

    url: str
    stub: QdrantStub | None
    client: QdrantClient
    postgres: PostgresServer
    sql_url: str
    settings: Path
    suffix: str
    profiles: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def collection(self) -> str:
        return self.named("team")

    def named(self, name: str) -> str:
        """The name on the server of what a test calls by a short name."""
        return f"{name}-{self.suffix}"

    def write_settings(self) -> None:
        lines = []
        for name, values in self.profiles.items():
            lines.append(f"[profiles.{name}]")
            lines += [f"{key} = {json.dumps(value)}" for key, value in values.items()]
        self.settings.write_text("\n".join(lines))

    def add(self, name: str, *, collection: str = "", **values: Any) -> str:
        """Add a profile to the settings; returns its name, which is the address.

        The collection is a short name, its own when not given; whatever has no SQL reads only.
        """
        default = {"qdrant_url": self.url, "collection": self.named(collection or name)}
        reads = {} if "sql_url" in values else {"qdrant_api_key_env": READER_VARIABLE}
        self.profiles[name] = default | reads | values
        self.write_settings()
        return name

    def new_bank(self) -> str:
        """The address of another empty bank on the same servers."""
        name = f"bank{len(self.profiles)}"
        folder = self.settings.parent / "thumbnails" / name
        self.add(name, sql_url=self.postgres.new_database(), thumbnails=str(folder))
        Bank.open(name, create=make_manifest()).close()
        return name

    def clean_up(self) -> None:
        """Delete what a test made on the server; its aliases go with the collections."""
        for collection in self.client.get_collections().collections:
            if self.suffix in collection.name:
                self.client.delete_collection(collection.name)
        self.client.close()


@contextmanager
def some_server() -> Iterator[tuple[str, QdrantStub | None]]:
    """The real server that the environment names, or a stand-in of one's own."""
    if SERVER:
        yield SERVER, None
    else:
        with running_stub() as stub:
            yield stub.url, stub


@contextmanager
def make_team(folder: Path, postgres: PostgresServer, patch: pytest.MonkeyPatch) -> Iterator[Team]:
    """A team with an empty bank, and an environment that knows its secrets."""
    with some_server() as (url, stub):
        settings, sql_url = folder / "settings.toml", postgres.new_database()
        team = Team(url, stub, connect(url, API_KEY), postgres, sql_url, settings, uuid4().hex[:8])
        patch.setenv("FREEDA_SETTINGS", str(settings))
        patch.setenv("FREEDA_QDRANT_API_KEY", API_KEY)
        patch.setenv(READER_VARIABLE, READ_ONLY_KEY or API_KEY)
        patch.setenv("FREEDA_SQL_PASSWORD", PASSWORD)
        patch.chdir(folder)
        thumbnails = str(folder / "thumbnails")
        team.add("team", sql_url=team.sql_url, thumbnails=thumbnails)
        team.add("reader", collection="team", thumbnails=thumbnails)
        try:
            Bank.open("team", create=make_manifest()).close()
            yield team
        finally:
            team.clean_up()
