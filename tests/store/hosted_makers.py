"""Hosted banks for tests: qdrant-client in memory, shared as a server would be, and a real PostgreSQL."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from postgres_server import PASSWORD, PostgresServer
from qdrant_client import QdrantClient
from qdrant_client.http.exceptions import UnexpectedResponse
from store_makers import make_manifest

from freeda_store import Bank, hosted
from freeda_store.settings import Profile

API_KEY = "key-5d0b7e44"
READ_METHODS = {
    "close",
    "count",
    "get_aliases",
    "get_collection",
    "query_batch_points",
    "retrieve",
    "scroll",
    "_client",
}


WRITE_METHODS = {"create_collection", "delete", "set_payload", "update_collection", "upsert"}


def keep_unit_vectors(client: QdrantClient) -> None:
    """Make a client in memory keep vectors of length 1 bit for bit, as a server and Edge do."""
    upsert = client.upsert

    def keeping(collection: str, points: list[Any], **options: Any) -> Any:
        done = upsert(collection, points, **options)
        inner = client._client._get_collection(collection)  # type: ignore[attr-defined]
        for point in points:
            text = np.asarray(point.vector["text"], dtype=np.float32)
            if abs(float(text.astype(np.float64) @ text) - 1) <= 1e-6:
                inner.vectors["text"][inner.ids[point.id]] = text
        return done

    client.upsert = keeping  # type: ignore[method-assign, assignment]


class SharedClient(QdrantClient):
    """A client in memory that behaves as a server: its content outlives a bank, and threads may share it."""

    def __init__(self) -> None:
        super().__init__(":memory:")
        lock = threading.RLock()
        for name in (READ_METHODS | WRITE_METHODS) - {"close", "_client"}:
            setattr(self, name, partial(_one_at_a_time, lock, getattr(self, name)))
        keep_unit_vectors(self)

    def close(self, *_: Any, **__: Any) -> None:
        """Keep everything."""


def _one_at_a_time(lock: threading.RLock, method: Callable[..., Any], *given: Any, **named: Any) -> Any:
    with lock:
        return method(*given, **named)


class ReadOnlyClient:
    """What a server does to a read-only key."""

    def __init__(self, client: QdrantClient) -> None:
        self._inner = client

    def __getattr__(self, name: str) -> Any:
        if name not in READ_METHODS:
            raise UnexpectedResponse(403, "Forbidden", b"Write access is required", httpx.Headers())
        return getattr(self._inner, name)


@dataclass
class Team:
    """A server and a settings file with profiles ``team`` (writes) and ``reader`` (does not)."""

    client: SharedClient
    postgres: PostgresServer
    sql_url: str
    settings: Path
    profiles: dict[str, dict[str, Any]] = field(default_factory=dict)

    def write_settings(self) -> None:
        lines = []
        for name, values in self.profiles.items():
            lines.append(f"[profiles.{name}]")
            lines += [f"{key} = {json.dumps(value)}" for key, value in values.items()]
        self.settings.write_text("\n".join(lines))

    def add(self, name: str, **values: Any) -> str:
        """Add a profile to the settings; returns its name, which is the address."""
        self.profiles[name] = {"qdrant_url": "http://localhost:6333"} | values
        self.write_settings()
        return name

    def new_bank(self) -> str:
        """The address of another empty bank on the same servers."""
        name = f"bank{len(self.profiles)}"
        folder = self.settings.parent / "thumbnails" / name
        self.add(name, sql_url=self.postgres.new_database(), thumbnails=str(folder))
        Bank.open(name, create=make_manifest()).close()
        return name


def make_team(folder: Path, postgres: PostgresServer, patch: pytest.MonkeyPatch) -> Team:
    """A team with an empty bank, and an environment that knows its secrets."""
    client = SharedClient()

    def connect(profile: Profile) -> Any:
        assert profile.api_key() == API_KEY
        return client if profile.sql_url else ReadOnlyClient(client)

    team = Team(client, postgres, postgres.new_database(), folder / "settings.toml")
    patch.setattr(hosted, "connect_qdrant", connect)
    patch.setenv("FREEDA_SETTINGS", str(team.settings))
    patch.setenv("FREEDA_QDRANT_API_KEY", API_KEY)
    patch.setenv("FREEDA_SQL_PASSWORD", PASSWORD)
    patch.chdir(folder)
    thumbnails = str(folder / "thumbnails")
    team.add("team", sql_url=team.sql_url, thumbnails=thumbnails)
    team.add("reader", collection="team", thumbnails=thumbnails)
    Bank.open("team", create=make_manifest()).close()
    return team
